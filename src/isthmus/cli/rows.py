"""Rows of a source: read, chosen, and sent through a model."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from isthmus.cli.image_rows import read_images
from isthmus.cli.sources import Source, Wanted
from isthmus.io import FileError
from isthmus.words import shape_text, shortened, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import polars as pl

    from isthmus.cli.options import Columns, Common
    from isthmus.io import Rows, Table

    Made = TypeVar("Made", np.ndarray, pl.DataFrame)

VALUES_AT_ONCE = 2**23  # that go through a model between two steps of the progress


def read_rows(
    source: Source,
    wanted: Wanted | None = None,
    *,
    weight: str | None = None,
    infinite: bool = False,
    ids_elsewhere: bool = False,
    table: Table | None = None,
) -> Rows:
    """Read a folder of images, or a file and choose its columns; `weight` is that of weights,
    `infinite` whether cells may be so, with `ids_elsewhere` identifiers may stand in another file
    alone, and `table` is what is taken of a large file.
    """
    if source.is_folder:
        return read_images(source, wanted)
    table = _read(source) if table is None else table
    if ids_elsewhere:
        source = replace(source, columns=_with_ids_there(source.columns, _names(table)))
    return chosen(table, source, wanted, weight, infinite=infinite)


def _with_ids_there(columns: Columns, names: Sequence[str]) -> Columns:
    """Return options for columns, of which the identifiers are those that a table has."""
    words = [n for given in columns.id for n in ([given] if given in names else given.split(","))]
    return replace(columns, id=tuple(name.strip() for name in words if name.strip() in names))


def read_table_and_rows(source: Source, wanted: Wanted | None) -> tuple[Table, Rows]:
    """Read a table as it stands in its file, and the rows of it that are worked on."""
    table = _read(source)
    return table, chosen(table, source, wanted)


def read_beside(
    source: Source,
    name: str,
    wanted: Wanted | None = None,
    *,
    as_words: bool = False,
    table: Table | None = None,
) -> tuple[Rows, pl.Series]:
    """Read the rows of a table, and beside them a column that no model sees, such as a class.

    It is numbers if it holds nothing else and need not be words, with null where a cell is missing.
    """
    import polars as pl

    from isthmus.io import column_values, column_words

    table, columns = _read(source) if table is None else table, source.columns
    if wanted is None or wanted.names is None:  # else the model says which columns it takes
        columns = replace(columns, ignore=(*columns.ignore, name))
    rows = chosen(table, replace(source, columns=columns), wanted)
    assert isinstance(table.rows, pl.DataFrame)  # options for columns of an array are refused
    if name not in table.rows.columns:
        near = suggestion(name, table.rows.columns)
        raise FileError(
            f"{source.path} has no column {name!r}.{near or ' Give one column that it has.'}"
        )
    words = column_words(table.text([name])[name]) if as_words else None
    return rows, column_values(table, name) if words is None else words


def rows_like(rows: Rows, trained: Source, source: Source, weight: str | None = None) -> Rows:
    """Read more rows with the columns of those trained on, and check them, as they are used after
    training; weights need not be there.
    """
    import numpy as np

    shape = np.shape(rows.X)[1:]
    names = getattr(rows.X, "columns", None)
    who = f"{trained.path} has"
    wanted = Wanted(shape, who, names, names is not None, kinds_of(rows, trained))
    if source.is_folder:
        return read_images(source, wanted)
    table = _read(source)
    if weight not in getattr(table.rows, "columns", ()):
        weight = None
    more = chosen(table, source, wanted, weight)
    _check_values(more, source.path, is_mixed=wanted.kinds is not None)
    return more


def with_lines(table: pl.DataFrame, rows: Rows) -> pl.DataFrame:
    """Return a table with the lines of a text file beside the numbers of its rows, if it is one."""
    import numpy as np
    import polars as pl

    if not isinstance(rows.lines, np.ndarray):
        return table
    line = pl.Series("line", rows.lines[table["row"].to_numpy()])
    after = table.columns.index("row") + 1
    return table.select(*table.columns[:after], line, *table.columns[after:])


def said_of(rows: Rows, source: Source) -> dict[str, object]:
    """Return what options say of the columns trained on, as parameters of an estimator."""
    names = getattr(rows.X, "columns", [])
    said = {
        "columns": source.kinds.kinds(names),
        "column_weights": source.kinds.weights(names),
    }
    return {name: value for name, value in said.items() if value}


def kinds_of(rows: Rows, source: Source) -> dict[str, str] | None:
    """Return what the columns of a table of mixed types are, so that more rows are read alike; None for
    plain numbers.
    """
    import numpy as np
    import polars as pl

    from isthmus.autoencoder import is_mixed
    from isthmus.io import Blocks

    if len(np.shape(rows.X)) > 2:
        return None
    X = rows.X.read(0, 1) if isinstance(rows.X, Blocks) else rows.X
    asked = source.kinds.kinds(getattr(X, "columns", []))
    if X is rows.X and not is_mixed(X, asked):
        return None  # of blocks nobody knows before they are all read
    if not isinstance(X, pl.DataFrame):
        return {}
    return {name: _kind(dtype) for name, dtype in X.schema.items()} | asked


def _kind(dtype: pl.DataType) -> str:
    import polars as pl

    single = {pl.Boolean: "boolean", pl.Time: "time", pl.Duration: "duration"}
    if dtype.base_type() in single:
        return single[dtype.base_type()]
    if dtype.is_numeric():
        return "number"
    return "date" if dtype.is_temporal() else "category"


def _check_values(rows: Rows, path: Path, *, is_mixed: bool) -> None:
    """Refuse cells and weights that no estimator takes; cells of mixed types are checked as they are
    read.
    """
    import numpy as np

    from isthmus.autoencoder import check_finite, validate_weights

    X = np.zeros((len(rows.X), 1)) if is_mixed else np.asarray(rows.X).reshape(len(rows.X), -1)
    try:
        check_finite(X)
        validate_weights(rows.weight, X)
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error


def _read(source: Source) -> Table:
    from isthmus.io import read_table

    columns = source.columns
    table = read_table(
        source.path, **source.parts, encoding=columns.encoding, header=not columns.no_header
    )
    return table._replace(decimal=columns.decimal)


def chosen(
    table: Table,
    source: Source,
    wanted: Wanted | None,
    weight: str | None = None,
    *,
    infinite: bool = False,
) -> Rows:
    """Choose the columns of a table: of mixed types, where no model says what is wanted."""
    import polars as pl

    from isthmus.io import choose_columns, looks_headless

    columns = source.columns
    names = None if wanted is None else wanted.names
    rows = choose_columns(
        table,
        names=names,
        columns=columns.columns,
        ignore=columns.ignore,
        ids=columns.id,
        weight=weight,
        set_apart=source.sets_apart,
        mixed=wanted is None or wanted.kinds is not None,
        kinds=_known_kinds(table, wanted),
        asked=source.kinds.kinds(_names(table), source.path) if wanted is None else {},
        infinite=infinite,
    )
    if weight is not None:
        check_weights(rows, weight, source.path)
    if wanted is not None and not wanted.is_start:
        _check_shape(source.path, rows, wanted)
    elif len(rows.X) < 2 and not table.is_part:
        raise FileError(f"{source.path} has one row, and training needs two at least.")
    if not isinstance(rows.X, pl.DataFrame):
        return _named(rows, wanted)
    numbers = [c.name for c in rows.X if c.dtype.is_numeric()]
    if names is None and looks_headless(table, numbers):
        warnings.warn(
            f"The first line of {source.path} looks like data, not like names; if it is, give "
            "--no-header.",
            stacklevel=2,
        )
    return rows if wanted is None or wanted.named else rows._replace(X=rows.X.to_numpy())


def check_weights(rows: Rows, name: str, path: Path) -> None:
    """Raise a FileError that names the column and the first row where a weight is negative."""
    from isthmus.io import row_place

    weights = rows.weight
    if weights is None or not (weights < 0).any():
        return
    first = int((weights < 0).argmax())
    where = row_place(rows.lines, int(rows.numbers[first]))
    raise FileError(
        f"{path} has the weight {weights[first]:g} in the column {name!r}, {where}: give a --weight of "
        "numbers that are not negative."
    )


def used_of(
    table: Table, source: Source, wanted: Wanted | None, weight: str | None = None
) -> list[str]:
    """Return the names of the columns that `chosen` looks at."""
    from isthmus.io import used_columns

    columns = source.columns
    return used_columns(
        table,
        names=None if wanted is None else wanted.names,
        columns=columns.columns,
        ignore=columns.ignore,
        ids=columns.id,
        weight=weight,
    )


def _known_kinds(table: Table, wanted: Wanted | None) -> Mapping[str, str]:
    """Return what columns are known to be, as a model knows.

    A model of an array with missing cells takes columns of numbers, whatever they are called.
    """
    if wanted is None:
        return {}
    return (wanted.kinds or {}) if wanted.named else dict.fromkeys(_names(table), "number")


def _names(table: Table) -> list[str]:
    """Return the names of a table's columns; those of an array have none."""
    return table.names


def _named(rows: Rows, wanted: Wanted | None) -> Rows:
    """Return rows of an array under the names that a model of a table of mixed types knows."""
    import polars as pl

    if wanted is None or not wanted.kinds or wanted.names is None:
        return rows
    return rows._replace(X=pl.DataFrame(rows.X, schema=list(wanted.names)))


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


def in_parts(
    work: Callable[..., Made],
    X: pl.DataFrame | np.ndarray,
    label: str,
    common: Common,
    groups: pl.Series | None = None,
) -> Made:
    """Return what a model makes of rows, part by part, with a bar if there are several.

    A row's result does not depend on the rows that it comes with; `groups` are what they are of.
    """
    import numpy as np
    import polars as pl

    from isthmus.training import Progress

    step = max(VALUES_AT_ONCE // max(int(np.prod(np.shape(X)[1:])), 1), 1)

    def made(part: slice) -> Made:
        return work(X[part]) if groups is None else work(X[part], groups=groups[part])

    if len(X) <= step:
        return made(slice(None))
    parts = []
    with Progress(label, common.verbose, len(X), "rows") as progress:
        for start in range(0, len(X), step):
            parts.append(made(slice(start, start + step)))
            progress(step)
    return pl.concat(parts) if isinstance(parts[0], pl.DataFrame) else np.concatenate(parts)
