"""The declaration of `isthmus export`; its body is in `_run_export`."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from isthmus._options import OUTPUT, Common


def export(
    model: Path,
    /,
    *,
    output: Annotated[
        Path,
        Parameter(
            name=["--output", "-o"],
            group=OUTPUT,
            help="The file, which ends in .onnx.",
            show_default=False,
        ),
    ],
    part: Annotated[
        Literal["encoder", "reconstruct", "score"],
        Parameter(group=OUTPUT, help="What the file computes of rows."),
    ] = "encoder",
    force: Annotated[
        bool,
        Parameter(group=OUTPUT, help="Overwrite the output where it exists.", show_default=False),
    ] = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Write a model as ONNX, to run it without Python.

    The file takes rows in the data's units, as float32. It is checked against the model before it is
    written. It needs pip install isthmus[onnx].

    For example:

        isthmus export flowers.isthmus -o flowers.onnx
        isthmus export flowers.isthmus -o outliers.onnx --part score

    Parameters
    ----------
    model : Path
        The model file.
    """
    from isthmus import _run_export

    return _run_export.export(model, output, part, common, force=force)
