"""What a user says of the columns that are learned from: `--as` and `--column-weight`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from isthmus.cli.options import DATA, TRAINING, option
from isthmus.cli.terminal import UsageError
from isthmus.words import KINDS, did_you_mean, shortened, suggestion


@Parameter(name="*")
@dataclass(frozen=True)
class TakenFor:
    """What the columns of a table are taken for."""

    as_: Annotated[
        tuple[str, ...],
        option(
            DATA,
            "What columns are taken for, such as zip=category or a,b=number; kinds are number, "
            "category, boolean, date, time, duration, and ignore to leave out. Repeatable; by "
            "default the cells tell.",
            name=["--as"],
            metavar="A,B=KIND",
        ),
    ] = ()

    def check(self) -> None:
        """Refuse what is no kind."""
        for text in self.as_:
            _, kind = _parted("--as", text, "KIND")
            if kind not in KINDS:
                raise UsageError(f"--as has {kind!r}, which is no kind.{did_you_mean(kind, KINDS)}")

    def kinds(self, known: Sequence[str], path: Path | None = None) -> dict[str, str]:
        """Return what columns are said to be, by name, where these are known: of this file, or used."""
        return _by_column("--as", self.as_, known, path)

    def weights(self, known: Sequence[str]) -> dict[str, float]:
        """Return what columns are said to count, by name, where these are known: nothing."""
        return {}


@Parameter(name="*")
@dataclass(frozen=True)
class Kinds(TakenFor):
    """What the columns of a table are taken for in training, and what they count."""

    column_weight: Annotated[
        tuple[str, ...],
        option(
            TRAINING,
            "What columns of a table of mixed types count in the loss, such as age=2. Repeatable; 1 "
            "by default.",
            metavar="A,B=WEIGHT",
        ),
    ] = ()

    def check(self) -> None:
        """Refuse what is no kind, and no weight."""
        super().check()
        for text in self.column_weight:
            _weight(_parted("--column-weight", text, "WEIGHT")[1])

    def weights(self, known: Sequence[str]) -> dict[str, float]:
        """Return what columns are said to count, by name, where these are known."""
        texts = _by_column("--column-weight", self.column_weight, known)
        return {name: _weight(text) for name, text in texts.items()}


def _parted(option: str, text: str, value: str) -> tuple[str, str]:
    names, _, given = text.rpartition("=")
    if not names or not given:
        raise UsageError(f"{option} {text!r} is not of the form A,B={value}.")
    return names, given


def _by_column(
    option: str, texts: Sequence[str], known: Sequence[str], path: Path | None = None
) -> dict[str, str]:
    """Return values by column: each text is one name, or several with commas between, and a value."""
    found = {}
    for text in texts:
        names, value = _parted(option, text, "VALUE")
        for name in [names] if names in known else map(str.strip, names.split(",")):
            if name not in known:
                raise UsageError(_unknown(option, name, known, path))
            found[name] = value
    return found


def _unknown(option: str, name: str, known: Sequence[str], path: Path | None) -> str:
    near, all_known = suggestion(name, known), shortened(list(known))
    if path is None:
        return f"{option} names {name!r}, which is no column that is used.{near} Used: {all_known}."
    return f"{path} has no column {name!r}, which {option} names.{near} It has: {all_known}."


def _weight(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(
            f"--column-weight must give a number, as in age=2; got {text!r}."
        ) from None
