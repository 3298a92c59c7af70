"""`isthmus reconstruct`, and how `isthmus denoise` treats all but folders of images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from isthmus.cli.bad_rows import set_far_apart
from isthmus.cli.big import Job, big_rows, end_by_blocks
from isthmus.cli.groups import groups_of, with_groups
from isthmus.cli.models import load_model, wanted_by
from isthmus.cli.options import (
    Common,
    ModelArgument,
    Pictures,
    RowsArgument,
    RowsOutput,
    ScoredColumns,
)
from isthmus.cli.outputs import (
    ARRAYS,
    check_columns,
    check_folder_output,
    check_space,
    check_table,
    end_with_array,
    end_with_images,
    end_with_table,
    goes_to_folder,
    write_images_of,
)
from isthmus.cli.rows import in_parts, read_rows, read_table_and_rows
from isthmus.cli.sources import Source, Wanted, use_cache
from isthmus.cli.terminal import UsageError
from isthmus.io import FileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from numpy.typing import ArrayLike

    from isthmus.autoencoder import Autoencoder
    from isthmus.io import Rows


def reconstruct(
    model: ModelArgument,
    data: RowsArgument,
    /,
    *,
    result: RowsOutput,
    columns: ScoredColumns = ScoredColumns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Write rows as the model reproduces them.

    The result has the columns, types and units of the data, and CSV its marks between cells and in
    numbers; noise and oddities are gone from it, and missing cells are filled. Images go to a folder,
    under their names, or to a .npy file.

    For example:

        isthmus reconstruct flowers.isthmus flowers.csv --id name -o smooth.csv
        isthmus reconstruct digits.isthmus noisy.npy -o clean.npy
        isthmus reconstruct photos.isthmus photos -o clean
    """
    source = Source(data, columns, pictures)
    check_reconstruction(model, source, result)
    use_cache()
    return reconstruct_rows(load_model(model), model, source, result, common)


def check_reconstruction(model: Path | None, source: Source, result: RowsOutput) -> None:
    """Refuse files that are missing, and outputs that reconstructions cannot go to."""
    source.check(model)
    if goes_to_folder(source, result.output):
        check_folder_output(result, source)
        return
    if source.is_folder and result.output.suffix.lower() != ".npy":
        raise FileError(
            f"Images do not fit into {result.output}: write them to a folder or to a .npy file."
        )
    check_table(result, ARRAYS, model, source.path, ids=source.columns.id)


def reconstruct_rows(
    ae: Autoencoder, model: Path, source: Source, result: RowsOutput, common: Common
) -> int:
    """Read rows and write what the model of this file makes of them."""
    import numpy as np

    wanted, path = wanted_by(ae, model), result.output
    folder = goes_to_folder(source, path)
    if len(wanted.shape) > 1 and not folder and path.suffix.lower() != ".npy":
        raise FileError(
            f"Images of shape {wanted.shape} do not fit into {path}: write them to a .npy file."
        )
    if path.suffix.lower() == ".npy" and _has_words(ae):
        raise UsageError(
            f"{model} was fitted on words, dates or times, which {path} cannot hold: write .csv or "
            ".parquet."
        )
    names = [f"x{i}" for i in range(ae.n_features_in_)] if wanted.names is None else wanted.names
    big = None if folder or len(wanted.shape) > 1 else big_rows(ae, model, source, result, common)
    if big is not None:
        check_space(path, len(big.blocks), ae.n_features_in_)
        style = big.style
        return end_by_blocks(big, result, "reconstruct", lambda: Reconstructions(ae, names), style)
    rows = _read(ae, with_groups(ae, model, source), wanted)
    check_space(path, len(rows.X), ae.n_features_in_)
    if folder:
        return end_with_images(write_images_of(ae, rows, path, force=result.force), path, common)
    check_columns(rows.ids, names)
    again = in_parts(ae.reconstruct, rows.X, "reconstruct", common, groups_of(ae, rows))
    if not isinstance(again, np.ndarray):
        return end_with_table(result, common, rows, _whole(again, ae).to_dict())
    if again.ndim > 2:
        return end_with_array(again, rows, path, common)
    return end_with_table(result, common, rows, dict(zip(names, again.T, strict=True)))


def _read(ae: Autoencoder, source: Source, wanted: Wanted) -> Rows:
    """Read the rows that the model is applied to, which are written in the style of their file."""
    from isthmus.io import style_of

    if source.is_folder:
        return set_far_apart(ae, read_rows(source, wanted), source)
    table, rows = read_table_and_rows(source, wanted)
    return set_far_apart(ae, rows._replace(style=style_of(table, rows.X)), source)


def _whole(again: pl.DataFrame, ae: Autoencoder) -> pl.DataFrame:
    """Return columns of whole numbers as such: those of text files are read as floats."""
    import polars as pl

    if ae.schema_ is None:
        return again
    whole = [c.name for c in ae.schema_.used if c.whole and again[c.name].dtype.is_float()]
    return again.with_columns(pl.col(whole).cast(pl.Int64, strict=False))


class Reconstructions(Job):
    """Rows of a table as a model reproduces them, block by block."""

    def __init__(self, ae: Autoencoder, names: Sequence[str]) -> None:
        self.ae, self.names = ae, names

    def columns(self, rows: Rows) -> Mapping[str, ArrayLike]:
        """Return the columns of the table, with their types."""
        import numpy as np

        again = self.ae.reconstruct(rows.X)
        if isinstance(again, np.ndarray):
            return dict(zip(self.names, again.T, strict=True))
        return _whole(again, self.ae).to_dict()


def _has_words(ae: Autoencoder) -> bool:
    """Return whether some columns are no numbers, which an array could hold."""
    schema = ae.schema_
    return schema is not None and any(c.kind not in ("number", "boolean") for c in schema.used)
