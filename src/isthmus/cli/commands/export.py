"""The declaration of `isthmus export`; its body is in `_run_export`."""

from pathlib import Path
from typing import Annotated, Literal

from isthmus.cli.options import OUTPUT, Common, Force, goes_to, option


def export(
    model: Path,
    /,
    *,
    output: Annotated[Path, goes_to("The file, which ends in .onnx.")],
    part: Annotated[
        Literal["encoder", "reconstruct", "score"] | None,
        option(OUTPUT, "What the file computes of rows.", default="encoder; of a detector, score"),
    ] = None,
    force: Force = False,
    common: Common = Common(),
) -> int:
    """Write a model, or a detector's score, as ONNX, to run it without Python.

    The file takes rows in the data's units, as float32. It is checked against the model before it is
    written. It needs pip install isthmus[onnx].

    For example:

        isthmus export flowers.isthmus -o flowers.onnx
        isthmus export flowers.isthmus -o scores.onnx --part score
        isthmus export detector.isthmus -o outliers.onnx

    Parameters
    ----------
    model : Path
        The file of a model or a detector.
    """
    from isthmus.cli.commands import run_export

    return run_export.export(model, output, part, common, force=force)
