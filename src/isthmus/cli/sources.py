"""Where rows come from: tables and folders of images, and what a model asks of them.

Nothing heavy is imported before it is needed, so that help and mistakes are quick.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from isthmus.cli.options import (
    AutoencoderOptions,
    Columns,
    Common,
    Pictures,
    ScoredColumns,
    given,
)
from isthmus.cli.terminal import UsageError, signals, usage_errors
from isthmus.io import FileError
from isthmus.words import shape_text, shortened, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import polars as pl

    from isthmus.autoencoder import Autoencoder
    from isthmus.io import ImageFolder, Table
    from isthmus.model import Slots
    from isthmus.outliers import OutlierDetector

FILE = "file"  # the identifier of an image
VALUES_AT_ONCE = 2**23  # that go through a model between two steps of the progress


@dataclass(frozen=True)
class Source:
    """Where rows come from: a table or a folder of images, and what of it is used."""

    path: Path
    columns: Columns
    pictures: Pictures = field(default_factory=Pictures)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of images."""
        return self.path.is_dir()

    @property
    def is_array(self) -> bool:
        """Whether it is a file of an array, whose columns have no names."""
        return self.path.suffix.lower() in (".npy", ".npz")

    def at(self, path: Path, *, id: tuple[str, ...] = ()) -> Source:
        """Return another file that is read in the same way; its columns are known already."""
        key = self.columns.key if path.suffix.lower() == ".npz" else None
        columns = replace(self.columns, columns=(), ignore=(), id=id, key=key)
        return Source(path, columns, self.pictures)

    def strict(self) -> Source:
        """Return the same rows, of which none may be bad."""
        names = (f.name for f in fields(Columns))
        return replace(
            self, columns=Columns(**{name: getattr(self.columns, name) for name in names})
        )

    @property
    def sets_apart(self) -> bool:
        """Whether bad rows are marked, and not refused."""
        return isinstance(self.columns, ScoredColumns) and self.columns.bad_rows != "fail"

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
        options = list(given(self.columns))
        options += [f"--{name}" for name, value in of_tables.items() if value is not None]
        if self.is_folder and options:
            raise UsageError(f"{self.path} is a folder of images: {options[0]} is for tables.")
        named = [option for option in options if option not in ("--key", "--bad-rows")]
        if self.is_array and named:
            raise UsageError(
                f"{named[0]} needs a CSV or Parquet file: {self.path} is an array without column "
                "names."
            )
        of_images = list(given(self.pictures))
        if of_images and not self.is_folder and not (also is not None and also.is_dir()):
            raise UsageError(f"{self.path} is a file: {of_images[0]} is for folders of images.")
        image_size(self.pictures)


class Wanted(NamedTuple):
    """What rows must be like, and who asks for it, up to the verb of a sentence."""

    shape: tuple[int, ...]
    who: str
    names: Sequence[str] | None = (
        None  # the columns, in their order; None takes those that are there
    )
    named: bool = True  # whether columns keep their names

    @property
    def is_start(self) -> bool:
        """Whether a model only starts from another: the weights decide on what fits."""
        return self.named and self.names is None

    @property
    def size(self) -> str:
        """Height and width of images."""
        return f"{self.shape[0]}x{self.shape[1]}"


class Rows(NamedTuple):
    """What a command works on, and beside it identifiers and weights.

    Where rows were set apart, `problems` says why, of all rows; null marks those that are in `X`.
    """

    X: pl.DataFrame | np.ndarray
    ids: pl.DataFrame
    weight: np.ndarray | None = None
    problems: pl.Series | None = None
    image_scale: float | None = None  # by how much images of a folder were resized

    @property
    def total(self) -> int:
        """The number of all rows."""
        return len(self.X) if self.problems is None else len(self.problems)

    @property
    def numbers(self) -> np.ndarray:
        """The numbers of the rows in `X`, among all rows."""
        import numpy as np

        if self.problems is None:
            return np.arange(len(self.X))
        return self.problems.is_null().arg_true().to_numpy()

    def with_problems(self, why: list[str | None], good: np.ndarray) -> Rows:
        """Return the rows that are good among these; `why` says of all rows what is wrong."""
        import polars as pl

        X = self.X.filter(good) if isinstance(self.X, pl.DataFrame) else self.X[good]
        return self._replace(X=X, problems=pl.Series("problem", why, dtype=pl.String))

    def bad(self) -> pl.DataFrame:
        """Return the numbers of the rows that were set apart, and why."""
        import polars as pl

        if self.problems is None:
            return pl.DataFrame(schema={"row": pl.Int64, "problem": pl.String})
        numbers = self.problems.is_not_null().arg_true().cast(pl.Int64)
        return pl.DataFrame({"row": numbers, "problem": self.problems.drop_nulls()})


# -- before the work -----------------------------------------------------------------------------


def check_present(*paths: Path | None, folders: bool = False) -> None:
    """Raise a FileError for a file that is not there, and for what is no file."""
    for path in paths:
        if path is not None:
            _check_present(path, folders)


def _check_present(path: Path, folders: bool) -> None:
    if path.is_relative_to("/dev") or path.is_fifo():
        raise FileError(
            f"{path} is a stream, and isthmus reads files, by their endings: save it first, such as to "
            "rows.csv, and give that."
        )
    if path.is_file() or (folders and path.is_dir()):
        return
    if path.is_dir():
        raise FileError(f"Cannot read {path}: it is a folder, and a file is needed.")
    if set("*?[") & set(str(path)):
        raise FileError(
            f"Cannot read {path}: there is no file of this name, and patterns are not filled in: give "
            f"one file{' or one folder of images' if folders else ''}."
        )
    kind = "file or folder" if folders and not path.suffix else "file"
    raise FileError(f"Cannot read {path}: there is no such {kind}.")


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
        return f"{file_stem(data)}.isthmus"
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


def configured(ae: Autoencoder, options: AutoencoderOptions) -> Autoencoder:
    """Set the options that were given, or raise a UsageError for one that cannot be."""
    from isthmus.autoencoder import check_parameters
    from isthmus.model import resolve_slots
    from isthmus.training import find_device

    with usage_errors():
        ae.set_params(**options.given())
        check_parameters(ae)
        resolve_slots(ae)
        find_device(ae.device)
    return ae


# -- models --------------------------------------------------------------------------------------


def load_model(path: Path, *, whole: bool = True) -> Autoencoder:
    """Read the file of an Autoencoder; one of an encoder alone is refused if it must be whole."""
    from isthmus.loading import load_autoencoder

    ae = load_autoencoder(path)
    if whole:
        check_decoder(ae, path)
    return ae


def load_any(path: Path) -> Autoencoder | OutlierDetector:
    """Read the file of an Autoencoder or of an OutlierDetector."""
    from isthmus.loading import load

    return load(path)


def first_autoencoder(found: Autoencoder | OutlierDetector) -> Autoencoder:
    """Return the autoencoder itself, or of a detector its first one, with the columns' names."""
    from isthmus.outliers import OutlierDetector

    return found.member_autoencoder() if isinstance(found, OutlierDetector) else found


def check_decoder(ae: Autoencoder, path: Path) -> None:
    """Raise a UsageError for the file of an encoder alone."""
    if not ae.net_.decoder:
        raise UsageError(
            f"{path} is an encoder alone and can only encode: give the file of the whole model."
        )


def wanted_by(fitted: Autoencoder | OutlierDetector, path: Path) -> Wanted:
    """Return what a fitted model or detector asks of rows."""
    names = getattr(fitted, "feature_names_in_", None)
    shape = fitted.sample_shape_ or (fitted.n_features_in_,)
    return Wanted(shape, f"{path} was fitted on", names, names is not None)


def check_by_column(slots: Slots) -> None:
    """Raise a UsageError for a loss that is no sum over columns, which explains none."""
    with usage_errors():
        slots.check_by_column()


# -- rows ----------------------------------------------------------------------------------------


def read_rows(source: Source, wanted: Wanted | None = None, *, weight: str | None = None) -> Rows:
    """Read a folder of images, or a file and choose its columns; `weight` is that of weights."""
    if source.is_folder:
        return _read_images(source, wanted)
    return _chosen(_read(source), source, wanted, weight)


def read_beside(
    source: Source, name: str, wanted: Wanted | None = None, *, as_words: bool = False
) -> tuple[Rows, pl.Series]:
    """Read the rows of a table, and beside them a column that no model sees, such as a class.

    It is numbers if it holds nothing else and need not be words, with null where a cell is missing.
    """
    import polars as pl

    from isthmus.io import column_values, column_words

    table, columns = _read(source), source.columns
    if wanted is None or wanted.names is None:  # else the model says which columns it takes
        columns = replace(columns, ignore=(*columns.ignore, name))
    rows = _chosen(table, replace(source, columns=columns), wanted)
    assert isinstance(table.rows, pl.DataFrame)  # options for columns of an array are refused
    if name not in table.rows.columns:
        near = suggestion(name, table.rows.columns)
        raise FileError(f"{source.path} has no column {name!r}.{near or ' Give one that it has.'}")
    column = table.rows[name]
    return rows, column_words(column) if as_words else column_values(table, name)


def rows_like(rows: Rows, trained: Path, source: Source, weight: str | None = None) -> Rows:
    """Read more rows with the columns of those trained on, and check them, as they are used after
    training; weights need not be there.
    """
    import numpy as np

    shape = np.shape(rows.X)[1:]
    names = getattr(rows.X, "columns", None)
    wanted = Wanted(shape, f"{trained} has", names, names is not None)
    if source.is_folder:
        return _read_images(source, wanted)
    table = _read(source)
    if weight not in getattr(table.rows, "columns", ()):
        weight = None
    more = _chosen(table, source, wanted, weight)
    _check_values(more, source.path)
    return more


def _check_values(rows: Rows, path: Path) -> None:
    """Refuse cells and weights that no estimator takes."""
    import numpy as np

    from isthmus.autoencoder import check_finite, validate_weights

    X = np.asarray(rows.X).reshape(len(rows.X), -1)
    try:
        check_finite(X)
        validate_weights(rows.weight, X)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error


def _read(source: Source) -> Table:
    from isthmus.io import read_table

    columns = source.columns
    table = read_table(source.path, key=columns.key, header=not columns.no_header)
    return table._replace(decimal=columns.decimal)


def _chosen(table: Table, source: Source, wanted: Wanted | None, weight: str | None = None) -> Rows:
    """Choose the columns of a table."""
    import polars as pl

    from isthmus.io import choose_columns, looks_headless

    columns = source.columns
    names = None if wanted is None else wanted.names
    chosen = choose_columns(
        table,
        names=names,
        columns=columns.columns,
        ignore=columns.ignore,
        ids=columns.id,
        weight=weight,
        set_apart=source.sets_apart,
    )
    rows = Rows(chosen.X, chosen.ids, chosen.weight, problems=chosen.problems)
    _warn_of_bad(table, rows)
    if wanted is not None and not wanted.is_start:
        _check_shape(source.path, rows, wanted)
    elif len(rows.X) < 2:
        raise FileError(f"{source.path} has one row, and training needs two at least.")
    if not isinstance(rows.X, pl.DataFrame):
        return rows
    if names is None and looks_headless(table, rows.X.columns):
        warnings.warn(
            f"The first line of {source.path} looks like data, not like names; if it is, give "
            "--no-header.",
            stacklevel=2,
        )
    return rows if wanted is None or wanted.named else rows._replace(X=rows.X.to_numpy())


def _check_shape(path: Path, rows: Rows, wanted: Wanted) -> None:
    """Refuse rows of another shape, and warn where only the order tells which column is which."""
    import numpy as np

    shape = np.shape(rows.X)[1:]
    if shape not in (wanted.shape, (int(np.prod(wanted.shape)),)):
        raise FileError(f"{path} has {_rows_of(shape)}, but {wanted.who} {_rows_of(wanted.shape)}.")
    if isinstance(rows.X, np.ndarray) and wanted.named and wanted.names is not None:
        warnings.warn(
            f"{path} has no names of columns: they are taken to be {shortened(list(wanted.names), 6)}, "
            "in this order.",
            stacklevel=2,
        )


def _rows_of(shape: tuple[int, ...]) -> str:
    """Return what rows of a shape are, in words."""
    if len(shape) > 1:
        return f"images of shape {shape_text(shape)}"
    return f"rows of {shape[0]} column{'s' * (shape[0] != 1)}"


def _warn_of_bad(table: Table, rows: Rows) -> None:
    """Say how many rows were set apart, and where the first stands."""
    bad = rows.bad()
    if bad.is_empty():
        return
    first = bad.row(0, named=True)
    warnings.warn(
        f"{table.path}: {bad.height:,} of {rows.total:,} rows cannot be used, and their results are "
        f"empty (the first is {table.row(first['row'])}: {first['problem']}); --bad-rows fail refuses "
        "such files.",
        stacklevel=2,
    )


def rows_for(found: Autoencoder | OutlierDetector, path: Path, source: Source) -> Rows:
    """Read the rows that the model of a file is applied to, the bad ones set apart."""
    return set_far_apart(found, read_rows(source, wanted_by(found, path)), source)


def set_far_apart(found: Autoencoder | OutlierDetector, rows: Rows, source: Source) -> Rows:
    """Set rows apart that hold numbers beyond the precision of a model, which it refuses."""
    import numpy as np

    X = np.asarray(rows.X).reshape(len(rows.X), -1)
    far = _far_cells(found, X)
    good = np.logical_not(far.any(axis=1))
    if not source.sets_apart or good.all() or not good.any():
        return rows
    names = getattr(rows.X, "columns", None) or [f"x{j}" for j in range(X.shape[1])]
    why = rows.problems.to_list() if rows.problems is not None else [None] * rows.total
    for i, j in zip(np.flatnonzero(~good), far[~good].argmax(axis=1), strict=True):
        why[rows.numbers[i]] = f"{names[j]} is {X[i, j]:g}, beyond the model's precision"
    first = int(np.argmin(good))
    warnings.warn(
        f"{source.path}: {int((~good).sum()):,} of {rows.total:,} rows hold numbers beyond the model's "
        f"precision, and their results are empty (the first is row {rows.numbers[first]}: "
        f"{why[rows.numbers[first]]}); --bad-rows fail refuses such files.",
        stacklevel=2,
    )
    return rows.with_problems(why, good)


def _far_cells(found: Autoencoder | OutlierDetector, X: np.ndarray) -> np.ndarray:
    """Return which cells are infinite once they are scaled."""
    import numpy as np

    model = first_autoencoder(found).fitted_.model
    with np.errstate(over="ignore", invalid="ignore"):
        ends = model.scaled(np.stack([X.min(axis=0), X.max(axis=0)]))
        if np.isfinite(ends).all():  # scalings are monotone, nearly all
            return np.zeros((len(X), 1), bool)
        return ~np.isfinite(model.scaled(X))


def in_parts(
    work: Callable[[pl.DataFrame | np.ndarray], np.ndarray],
    X: pl.DataFrame | np.ndarray,
    label: str,
    common: Common,
) -> np.ndarray:
    """Return what a model makes of rows, part by part, with a bar if there are several.

    A row's result does not depend on the rows that it comes with.
    """
    import numpy as np

    from isthmus.training import Progress

    step = max(VALUES_AT_ONCE // max(int(np.prod(np.shape(X)[1:])), 1), 1)
    if len(X) <= step:
        return work(X)
    parts = []
    with Progress(label, common.verbose, len(X), "rows") as progress:
        for start in range(0, len(X), step):
            parts.append(work(X[start : start + step]))
            progress(step)
    return np.concatenate(parts)


# -- folders of images ---------------------------------------------------------------------------


def _read_images(source: Source, wanted: Wanted | None) -> Rows:
    """Read a folder of images, in the size and the colours that are wanted."""
    import polars as pl

    size: tuple[int, int] | None = image_size(source.pictures)
    mode: str = source.pictures.mode or "auto"
    if wanted is not None:
        mode = wanted_mode(source, wanted)
        if size not in (None, wanted.shape[:2]):
            raise UsageError(
                f"--size {source.pictures.size} is another size: {wanted.who} {wanted.size} images, "
                f"so give --size {wanted.size}."
            )
    found = scan(source)
    if wanted is not None and size is None:
        _check_sizes(found, wanted)
    names, pixels = found.read(size, mode)
    if wanted is not None:
        pixels = pixels.reshape(-1, *wanted.shape)
    scale = found.scale(pixels.shape[1:3])
    return Rows(pixels, pl.DataFrame({FILE: names}), image_scale=scale)


def scan(source: Source) -> ImageFolder:
    """Return the images of a folder by their headers."""
    from isthmus.io import ImageFolder

    return ImageFolder(source.path, "skip" if source.pictures.skip_bad else "raise")


def wanted_mode(source: Source, wanted: Wanted) -> str:
    """Return the mode that gives images of the shape that is wanted."""
    if len(wanted.shape) < 2:
        raise FileError(
            f"{source.path} is a folder of images, but {wanted.who} rows of {wanted.shape[0]} "
            "columns: give a table of these."
        )
    channels = 1 if len(wanted.shape) == 2 else wanted.shape[2]
    if channels not in (1, 3):
        raise FileError(
            f"{source.path} gives images of 1 or 3 channels, but {wanted.who} images of {channels}: "
            "give a .npy file."
        )
    needed = "grey" if channels == 1 else "colour"
    mode = source.pictures.mode
    if mode not in (None, "auto", needed):
        raise UsageError(
            f"--mode {mode} is another mode: {wanted.who} {needed} images, so leave --mode out."
        )
    return needed


def _check_sizes(found: ImageFolder, wanted: Wanted) -> None:
    odd = [h for h in found.headers if h.size != wanted.shape[:2]]
    if odd:
        height, width = odd[0].size
        raise FileError(
            f"{found.folder / odd[0].name} is {height}x{width} (height x width), but {wanted.who} "
            f"{wanted.size} images: resize with --size {wanted.size}."
        )
