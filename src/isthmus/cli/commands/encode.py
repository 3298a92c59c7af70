"""`isthmus encode`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from isthmus.cli.bad_rows import rows_for
from isthmus.cli.big import ByColumn, big_rows, end_by_blocks
from isthmus.cli.groups import groups_of
from isthmus.cli.models import load_model
from isthmus.cli.options import (
    DATA,
    TABLE_FILE,
    Common,
    ModelArgument,
    Pictures,
    RowsArgument,
    ScoredColumns,
    TableOutput,
    goes_to,
    option,
)
from isthmus.cli.outputs import ARRAYS, check_columns, check_space, check_table, end_with_table
from isthmus.cli.rows import in_parts
from isthmus.cli.sources import Source, use_cache

if TYPE_CHECKING:
    import numpy as np

    from isthmus.io import Rows


@dataclass(frozen=True, kw_only=True)
class Codes(TableOutput):
    """Where codes go."""

    output: Annotated[Path, goes_to(f"{TABLE_FILE}, or .npy.")]


def encode(
    model: ModelArgument,
    data: RowsArgument,
    /,
    *,
    result: Codes,
    layer: Annotated[
        int | None, option(DATA, "1 is the first hidden layer; the code by default.")
    ] = None,
    columns: ScoredColumns = ScoredColumns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Write the codes of rows.

    The columns are the identifiers, then autoencoder0, autoencoder1 and so on. The identifier of an
    image is its file.

    For example:

        isthmus encode flowers.isthmus flowers.csv --id name -o codes.csv
        isthmus encode flowers.isthmus flowers.csv --layer 1 -o hidden.parquet
        isthmus encode photos.isthmus photos --size 32x32 -o codes.parquet
    """
    source = Source(data, columns, pictures)
    source.check(model)
    check_table(result, ARRAYS, model, data, ids=columns.id)

    from isthmus.autoencoder import layer_number

    use_cache()
    ae = load_model(model, whole=False)
    depth = len(ae.net_.encoder)
    number = depth if layer is None else layer_number(layer, depth)
    width = ae.net_.encoder[number - 1].n_out
    names = list(ae.get_feature_names_out())
    if number < depth:
        names = [f"layer{number}_{i}" for i in range(width)]

    def coded(rows: Rows) -> np.ndarray:
        return ae.encode(rows.X, number, groups=groups_of(ae, rows))

    big = big_rows(ae, model, source, result, common)
    if big is not None:
        check_space(result.output, len(big.blocks), width)
        return end_by_blocks(big, result, "encode", lambda: ByColumn(names, coded))
    rows = rows_for(ae, model, source)
    check_columns(rows.ids, names)
    check_space(result.output, len(rows.X), width)
    codes = in_parts(
        partial(ae.encode, layer=number), rows.X, "encode", common, groups_of(ae, rows)
    )
    return end_with_table(result, common, rows, dict(zip(names, codes.T, strict=True)))
