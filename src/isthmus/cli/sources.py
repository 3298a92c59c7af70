"""Where rows come from: tables and folders of images, what a model asks of them, and first checks.

Nothing heavy is imported before it is needed, so that help and mistakes are quick.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from isthmus.cli.kinds import TakenFor
from isthmus.cli.options import Columns, Pictures, given, option_name
from isthmus.cli.terminal import UsageError, signals
from isthmus.io import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.io import Rows

FILE = "file"  # the identifier of an image
OF_TEXT = {"--decimal": "encoding", "--no-header": "header", "--encoding": "encoding"}
OF_ARRAYS = ("--bad-rows", *map(option_name, ("key", "sheet", "from_table")))
STREAMS = ("/dev/fd", "/dev/stdin", "/proc/self/fd")
ROW = re.compile(r"\b[Rr]ow (\d+)(?: of X)?\b")
PARTS = {"key": "key", "sheet": "sheet", "from_table": "table"}  # options for one of several tables


@dataclass(frozen=True)
class Source:
    """Where rows come from: a table or a folder of images, and what of it is used."""

    path: Path
    columns: Columns
    pictures: Pictures = field(default_factory=Pictures)
    kinds: TakenFor = field(default_factory=TakenFor)

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder of images, and not one of tables."""
        return self.path.is_dir() and not _tables(self.path)

    @cached_property
    def takes(self) -> frozenset[str]:
        """The options of `read_table` that its format has."""
        from isthmus.io import options_of

        return options_of((_tables(self.path) or [self.path])[0])

    @property
    def parts(self) -> dict[str, str | None]:
        """Which of several tables of the file is meant, as `read_table` takes it."""
        return {name: getattr(self.columns, field) for field, name in PARTS.items()}

    @property
    def is_array(self) -> bool:
        """Whether it is a file of an array, whose columns have no names."""
        return self.path.suffix.lower() in (".npy", ".npz")

    def at(self, path: Path, *, id: tuple[str, ...] = ()) -> Source:
        """Return another file that is read in the same way; its columns are known already."""
        takes = Source(path, self.columns).takes
        known: dict[str, Any] = {f: None for f, name in PARTS.items() if name not in takes}
        columns = replace(self.columns, columns=(), ignore=(), id=id, **known)
        return Source(path, columns, self.pictures)

    def _and(self, also: Path | None) -> list[Source]:
        return [self] if also is None else [self, replace(self, path=also)]

    def strict(self) -> Source:
        """Return the same rows, of which none may be bad."""
        columns = Columns(**{f.name: getattr(self.columns, f.name) for f in fields(Columns)})
        return replace(self, columns=columns)

    @property
    def sets_apart(self) -> bool:
        """Whether bad rows are marked, and not refused."""
        return getattr(self.columns, "bad_rows", "fail") != "fail"

    def check(
        self, model: Path | None = None, *, also: Path | None = None, **of_tables: str | None
    ) -> None:
        """Refuse files that are missing, and options that the data cannot take.

        `also` is a second file that is read in the same way. Keywords are further options that name
        a column, by their names, such as `label`.
        """
        check_present(model)
        check_present(self.path, also, folders=True)
        if self.path.suffix.lower() == ".isthmus":
            raise UsageError(
                f"{self.path} is a model, and data are needed in its place"
                f"{'' if model is None else ': the model comes first, and the data after it'}."
            )
        for path in (self.path, also):
            _check_no_image(path)
        others = [f"--{name}" for name, value in of_tables.items() if value is not None]
        self._check_options([*given(self.columns), *given(self.kinds), *others], also)
        self.kinds.check()
        of_images = list(given(self.pictures))
        if of_images and not self.is_folder and not (also is not None and also.is_dir()):
            raise UsageError(f"{self.path} is a file: {of_images[0]} is for folders of images.")
        image_size(self.pictures)

    def _check_options(self, options: list[str], also: Path | None) -> None:
        """Refuse options that the data cannot take."""
        if self.is_folder and options:
            raise UsageError(f"{self.path} is a folder of images: {options[0]} is for tables.")
        of_text = [option for option in options if option in OF_TEXT]
        if of_text and not any(OF_TEXT[of_text[0]] in source.takes for source in self._and(also)):
            raise UsageError(f"{of_text[0]} is for text files, .csv and .tsv: {self.path} is none.")
        named = [option for option in options if option not in OF_ARRAYS]
        if self.is_array and named:
            raise UsageError(
                f"{named[0]} needs a CSV or Parquet file: {self.path} is an array without column "
                "names."
            )


class Wanted(NamedTuple):
    """What rows must be like, and who asks for it, up to the verb of a sentence."""

    shape: tuple[int, ...]
    who: str
    names: Sequence[str] | None = (
        None  # the columns, in their order; None takes those that are there
    )
    named: bool = True  # whether columns keep their names
    kinds: Mapping[str, str] | None = None  # of a table of mixed types, by column; else of numbers

    @property
    def is_start(self) -> bool:
        """Whether a model only starts from another: the weights decide on what fits."""
        return self.named and self.names is None

    @property
    def size(self) -> str:
        """Height and width of images."""
        return f"{self.shape[0]}x{self.shape[1]}"


@contextmanager
def rows_of(path: Path, rows: Rows | None = None) -> Iterator[None]:
    """Name the file in what a library says of its rows, which it calls X.

    Where it is given all of them as `rows`, their numbers become lines of the file, in warnings too.
    """
    show = warnings.showwarning

    def shown(message: Warning | str, *others: Any) -> None:
        show(_in_file(str(message), path, rows) or message, *others)

    warnings.showwarning = shown  # type: ignore[assignment]
    try:
        yield
    except ValueError as error:
        text = _in_file(str(error), path, rows)
        if text is None:
            raise
        raise FileError(text) from error
    finally:
        warnings.showwarning = show


def _in_file(text: str, path: Path, rows: Rows | None) -> str | None:
    """Return what is said of rows in words of their file; None for what is about no row."""
    if text.startswith("X has "):
        return f"{path}{text[1:]}"
    if rows is None or not ROW.search(text):
        return None
    from isthmus.io import row_place

    numbers, lines = rows.numbers, rows.lines
    said = ROW.sub(lambda found: row_place(lines, int(numbers[int(found[1])])), text)
    return f"{path}: {said.replace(' of X', '')}"


# -- before the work -----------------------------------------------------------------------------


def check_present(*paths: Path | None, folders: bool = False) -> None:
    """Raise a FileError for a file that is not there, and for what is no file."""
    for path in paths:
        if path is not None:
            _check_present(path, folders)


def _check_present(path: Path, folders: bool) -> None:
    if _is_stream(path):
        raise FileError(
            f"{path} is a stream, and isthmus reads files, by their endings: save it first, such as to "
            "rows.csv, and give that."
        )
    if path.is_file() or (folders and (path.is_dir() or _tables(path))):
        return
    if path.is_dir():
        raise FileError(f"Cannot read {path}: it is a folder, and a file is needed.")
    if set("*?[") & set(str(path)):
        found = "none of tables fits the pattern" if folders else "one file is needed"
        raise FileError(f"Cannot read {path}: there is no file of this name, and {found}.")
    kind = "file or folder" if folders and not path.suffix else "file"
    raise FileError(f"Cannot read {path}: there is no such {kind}.")


def _tables(path: Path) -> list[Path] | None:
    """Return the files of a folder of tables, or of a pattern; None for a single file."""
    from isthmus.io import table_files

    return table_files(path)


def _is_stream(path: Path) -> bool:
    """Return whether what is read is gone: a pipe, a terminal, or a stream by its number."""
    numbered = any(path.is_relative_to(name) for name in STREAMS)
    return numbered or path.is_fifo() or path.is_char_device() or path.is_socket()


def _check_no_image(path: Path | None) -> None:
    """Raise a FileError for a single image: what is read is the folder."""
    from isthmus.io import IMAGE_ENDINGS

    if path is not None and path.is_file() and path.suffix.lower() in IMAGE_ENDINGS:
        raise FileError(
            f"{path} is one image: give the folder {path.parent}, all of whose are read."
        )


def model_name(data: Path) -> str:
    """Return the name of a model of this data; `.` and `..` have one only when resolved."""
    from isthmus.io import file_stem

    if not data.is_dir():
        return f"{file_stem(data).strip('*?[]-_') or 'model'}.isthmus"
    return f"{data.name if data.name not in ('', '..') else data.resolve().name}.isthmus"


def image_size(pictures: Pictures) -> tuple[int, int] | None:
    """Return the height and width that images are resized to."""
    if pictures.size is None:
        return None
    match = re.fullmatch(r"([1-9]\d{0,5})x([1-9]\d{0,5})", pictures.size.lower())
    if match is None:
        raise UsageError(f"--size must be height x width, such as 28x28; got {pictures.size!r}.")
    return int(match[1]), int(match[2])


def use_cache() -> None:
    """Keep compiled programs on disk; without a folder for them the work is only slower.

    Signals are asked for between chunks of training from now on.
    """
    from isthmus.training import QUESTIONS, cache_folder, enable_compilation_cache

    if signals.check not in QUESTIONS:
        QUESTIONS.append(signals.check)
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # else JAX would warn of every single program
            enable_compilation_cache()
    except (OSError, RuntimeError) as error:
        warnings.warn(f"Compiled programs are not kept: {error}.", stacklevel=2)
