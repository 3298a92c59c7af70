"""Words of messages: lists, plurals, shapes and the nearest known word."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


KINDS = (  # what a column of a table is taken for
    "number", "boolean", "category", "date", "time", "duration", "ignore",
)  # fmt: skip
DISTRIBUTIONS = {"umap": "umap-learn"}  # packages that are installed by another name


def install(*packages: str) -> str:
    """Return the command that installs packages, wherever isthmus itself came from.

    Examples
    --------
    >>> install("onnx", "umap")
    'pip install onnx umap-learn'
    """
    return " ".join(["pip install", *(DISTRIBUTIONS.get(name, name) for name in packages)])


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'near'?`, or nothing if no known word is near."""
    near = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def none_meant(value: object) -> str:
    """Return how none is written in Python, if a word was given for it; the command line has a word.

    Examples
    --------
    >>> none_meant("none")
    ' For none write None, without quotes.'
    """
    worded = isinstance(value, str) and value.lower() == "none"
    return " For none write None, without quotes." if worded else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word and list all of them."""
    names = sorted(known)
    return f"{suggestion(word, names)} Known: {', '.join(names)}."


def listed(words: Sequence[str], last: str = "or") -> str:
    """Join words as a sentence does: `a, b or c`; nothing for no words."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def shortened(words: Sequence[str], most: int = 20, separator: str = ", ") -> str:
    """Join the first words, and say how many more there are."""
    more = f" and {len(words) - most:,} more" if len(words) > most else ""
    return separator.join(words[:most]) + more


def columns_named(names: Sequence[str]) -> str:
    """Return `the column 'a'` or `the columns 'a', 'b'`."""
    return f"the column{'s' * (len(names) > 1)} {', '.join(map(repr, names))}"


def is_or_are(names: Sequence[object]) -> str:
    """Return the verb for so many things."""
    return "are" if len(names) > 1 else "is"


def shape_text(shape: Sequence[int], times: str = "x") -> str:
    """Return `28x28` for the shape (28, 28)."""
    return times.join(map(str, shape))


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without its full stop, as Python writes it.

    What a library says of a file may hold any characters of the file.
    """
    line = str(error).strip().partition("\n")[0].rstrip(". ")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
