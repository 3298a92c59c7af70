"""Where results go, and how a command ends: with facts, or with a table and facts about it.

Nothing heavy is imported before it is needed, so that help and mistakes are quick.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli.options import Common, TableOutput
from isthmus.cli.sources import FILE, Source
from isthmus.cli.terminal import (
    UsageError,
    complain,
    show_json,
    show_lines,
    show_text,
    warned,
)
from isthmus.io import FileError
from isthmus.words import install

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from isthmus.autoencoder import Autoencoder
    from isthmus.io import Rows

CSV = (".csv", ".csv.gz")
TABLES = (*CSV, ".parquet", ".feather", ".arrow", ".jsonl", ".xlsx")
ARRAYS = (*TABLES, ".npy")
PICTURES = (".png", ".svg")
LEAST_BYTES = 4  # of a value in an array; what is packed or text may take less than any guess


# -- before the work -----------------------------------------------------------------------------


def check_output(
    path: Path | None, kinds: tuple[str, ...], *inputs: Path | None, force: bool
) -> None:
    """Refuse a file that cannot be written; None is the standard output."""
    from isthmus.io import check_table_output

    if path == Path("/dev/stdout"):
        raise UsageError(
            f"The output {path} is no file: give one with -o. Without -o, isthmus score, detect and "
            "explain print CSV."
        )
    if path is not None:
        check_table_output(path, kinds, force=force, inputs=inputs)


def check_table(
    result: TableOutput,
    kinds: tuple[str, ...],
    *inputs: Path | None,
    ids: tuple[str, ...] = (),
    json: bool = False,
) -> None:
    """Refuse a table that cannot be written, and options that do not fit it."""
    from isthmus.io import file_ending

    path = result.output
    check_output(path, kinds, *inputs, force=result.force)
    kind = file_ending(path) if path is not None else ".json" if json else ".csv"
    if result.raw and kind not in CSV:
        raise UsageError(f"--raw is for CSV, and {path or '--json'} is none: leave it out.")
    if ids and path is not None and kind not in TABLES:
        raise UsageError(f"Identifiers do not fit into {path}: write .csv or .parquet.")


def check_columns(ids: pl.DataFrame, names: Iterable[str]) -> None:
    """Refuse an identifier that has the name of a column of the result."""
    both = [name for name in ids.columns if name in set(names)]
    if both:
        raise UsageError(f"The identifier {both[0]!r} has the name of a column of the result.")


def check_installed(packages: Collection[str], what: str) -> None:
    """Refuse what needs a package that is missing."""
    for name in packages:
        if find_spec(name) is None:
            raise UsageError(f"{what} needs {name}: {install(*packages)}.")


def check_space(path: Path | None, rows: int, columns: int) -> None:
    """Refuse an array that its disk cannot hold; how small another file gets is not known before."""
    if path is None or path.suffix.lower() != ".npy" or path.is_dir():
        return
    needed = rows * columns * LEAST_BYTES
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise FileError(
            f"Cannot write {path}: {rows:,} rows of {columns:,} values take at least "
            f"{needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free there: make room, or give "
            "another place with -o."
        )


# -- folders of images ---------------------------------------------------------------------------


def goes_to_folder(source: Source, output: Path) -> bool:
    """Return whether reconstructions are written as image files."""
    return (output.is_dir() or not output.suffix) and (source.is_folder or source.is_array)


def check_folder_output(result: TableOutput, source: Source) -> None:
    """Refuse a folder that images cannot be written to."""
    from isthmus.io import check_image_folder

    assert result.output is not None
    check_image_folder(result.output)
    if result.raw:
        raise UsageError(f"--raw is for CSV, and {result.output} is a folder: leave it out.")
    home = result.output.resolve()
    if source.is_folder and home.is_relative_to(source.path.resolve()):
        place = "is" if home == source.path.resolve() else "lies in"
        raise FileError(
            f"The output {result.output} {place} {source.path}, the folder that is read; give "
            "another with -o."
        )
    try:
        with tempfile.TemporaryFile(dir=home if home.is_dir() else home.parent):
            pass
    except OSError as error:
        raise FileError(f"Cannot write to {result.output}: {error.strerror or error}.") from error


def write_images_of(ae: Autoencoder, rows: Rows, output: Path, *, force: bool) -> int:
    """Reconstruct images into a folder, under the names they came with, and return how many."""
    import numpy as np

    from isthmus.io import image_paths, to_pixels, write_images

    dtype = getattr(rows.X, "dtype", None)
    if ae.sample_shape_ is None or dtype not in (np.uint8, np.uint16):
        raise FileError(
            "Only images with pixels of type uint8 or uint16 go to a folder, and these rows are "
            f"{'no images' if ae.sample_shape_ is None else dtype}: give a .npy file with -o."
        )
    names = _image_names(rows)
    image_paths(output, names, dtype, overwrite=force)
    pixels = to_pixels(ae.reconstruct(rows.X), dtype.name)
    return len(write_images(output, names, pixels, overwrite=force))


def _image_names(rows: Rows) -> list[str]:
    if FILE in rows.ids.columns:
        return rows.ids[FILE].to_list()
    width = max(4, len(str(len(rows.X) - 1)))
    return [f"{i:0{width}}.png" for i in range(len(rows.X))]


# -- the end of a command ------------------------------------------------------------------------


def end(common: Common, facts: Mapping[str, object], shown: Mapping[str, str] | str) -> int:
    """Report what was done, and return the exit status of success.

    With --json that is one object of facts and warnings, with --quiet nothing, and else what is
    shown: a text, or names and values.
    """
    if common.json:
        show_json({**facts, "warnings": warned})
    elif common.quiet:
        pass
    elif isinstance(shown, str):
        show_text(shown)
    else:
        show_lines(shown)
    return 0


def end_with_table(
    result: TableOutput,
    common: Common,
    rows: Rows,
    columns: Mapping[str, ArrayLike],
    /,
    **facts: object,
) -> int:
    """Write identifiers and results to a file or to the standard output, and report facts.

    A table on the standard output is the result itself: --quiet leaves it, and with --json it is one
    of the facts. CSV has the style that the rows have.
    """
    from isthmus.io import csv_text, write_table

    path = result.output
    table = with_ids(rows, columns, is_array=path is not None and path.suffix.lower() == ".npy")
    counts = {"rows": len(table), "unscored": rows.total - len(rows.X)}
    if path is not None:
        write_table(path, table, raw=result.raw, style=rows.style)
        return end_written(result, common, counts, table.columns, facts)
    if common.json:
        return end(common, {**counts, **facts, "table": table.to_dict(as_series=False)}, "")
    show_text(csv_text(table, raw=result.raw, style=rows.style))
    return end_printed(common, facts)


def end_written(
    result: TableOutput,
    common: Common,
    counts: Mapping[str, int],
    columns: list[str],
    facts: Mapping[str, object],
) -> int:
    """Report a table that was written to a file."""
    known = {"output": str(result.output), **counts, "columns": columns, **facts}
    data = in_words(facts) or {"data": f"{counts['rows']:,} rows, {len(columns)} columns"}
    return end(common, known, {"output": str(result.output), **data})


def end_printed(common: Common, facts: Mapping[str, object]) -> int:
    """Report facts about a table that is on the standard output itself."""
    if facts and not common.quiet:
        complain(", ".join(f"{name} {text}" for name, text in in_words(facts).items()))
    return 0


def with_ids(rows: Rows, columns: Mapping[str, ArrayLike], *, is_array: bool) -> pl.DataFrame:
    """Return results as a table, empty where a row was set apart, which a last column explains.

    An array has no place for text, and so neither for identifiers nor for explanations.
    """
    import polars as pl

    table = pl.DataFrame(columns)
    if rows.problems is not None:
        good = rows.problems.is_null()
        table = table.select(pl.all().gather((good.cum_sum() - 1).set(~good, None)))
    if is_array:
        return table
    if rows.ids.width:
        table = pl.concat([rows.ids, table], how="horizontal")
    if rows.problems is None:
        return table
    return table.with_columns(rows.problems.alias(_unused("problem", table.columns)))


def _unused(name: str, names: Collection[str]) -> str:
    return name if name not in names else _unused(f"{name}_", names)


def end_with_array(array: np.ndarray, rows: Rows, path: Path, common: Common) -> int:
    """Write rows that are no table, such as images, to a .npy file, and report it."""
    import numpy as np

    from isthmus.io import write_array

    if rows.problems is not None:
        whole = np.full((rows.total, *array.shape[1:]), np.nan, array.dtype)
        whole[rows.numbers] = array
        array = whole
    write_array(path, array)
    shape = "x".join(map(str, array.shape[1:]))
    counts = {"rows": len(array), "unscored": rows.total - len(rows.X)}
    facts = {"output": str(path), **counts, "shape": array.shape[1:]}
    return end(
        common, facts, {"output": str(path), "data": f"{len(array):,} rows of shape {shape}"}
    )


def end_with_images(count: int, output: Path, common: Common) -> int:
    """Report how many images were written to a folder, or that one was to a file."""
    facts = {"output": str(output), "images": count}
    counted = f"{count:,} image{'s' * (count != 1)}"
    return end(common, facts, {"output": str(output), "data": counted})


def in_words(facts: Mapping[str, object]) -> dict[str, str]:
    """Return facts as they are shown, without those that are None."""
    return {
        name: f"{value:.4g}" if isinstance(value, float) else str(value)
        for name, value in facts.items()
        if value is not None
    }


def write_picture(path: Path, figure: Figure, **options: int) -> None:
    """Write a figure as the file's ending says."""
    from isthmus import plots
    from isthmus.io import write_whole

    write_whole(path, plots.file_content(figure, path.suffix.lower()[1:], **options))
