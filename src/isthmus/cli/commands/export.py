"""`isthmus export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from isthmus.cli.groups import one_of
from isthmus.cli.models import load_any
from isthmus.cli.options import OUTPUT, Common, Output, goes_to, option
from isthmus.cli.outputs import check_installed, check_output, end
from isthmus.cli.sources import check_present, use_cache


@dataclass(frozen=True, kw_only=True)
class OnnxFile(Output):
    """Where an ONNX file goes."""

    output: Annotated[Path, goes_to("The file, which ends in .onnx.")]


def export(
    model: Path,
    /,
    *,
    result: OnnxFile,
    part: Annotated[
        Literal["encoder", "reconstruct", "score"] | None,
        option(OUTPUT, "What the file computes of rows.", default="encoder; of a detector, score"),
    ] = None,
    group: Annotated[
        str | None,
        option(
            OUTPUT,
            "Of a model with one for each group, whose it is.",
            metavar="KEY",
        ),
    ] = None,
    opset: Annotated[
        int,
        option(
            OUTPUT,
            "The version of ONNX's operators, from 13: low for older programs.",
            default=True,
        ),
    ] = 20,
    common: Common = Common(),
) -> int:
    """Write a model, or a detector's score, as ONNX, to run it without Python.

    The file takes rows in the data's units, as float32; of a table of mixed types it takes each column
    by its name, words as words. It is checked against the model before it is written. It needs pip
    install onnx onnxruntime.

    For example:

        isthmus export flowers.isthmus -o flowers.onnx
        isthmus export flowers.isthmus -o scores.onnx --part score
        isthmus export detector.isthmus -o outliers.onnx
        isthmus export machines.isthmus --group m17 -o m17.onnx

    Parameters
    ----------
    model : Path
        The file of a model or a detector.
    """
    check_present(model)
    check_output(result.output, (".onnx",), model, force=result.force)
    check_installed(("onnx", "onnxruntime"), "An export")

    from isthmus.outliers import OutlierDetector

    use_cache()
    found = one_of(load_any(model), group, model)
    chosen = part or ("score" if isinstance(found, OutlierDetector) else "encoder")
    found.export(result.output, chosen, opset=opset)
    path, size = str(result.output), result.output.stat().st_size
    facts = {"output": path, "part": chosen, "bytes": size}
    return end(common, facts, {"output": path, "part": chosen, "size": f"{size:,} bytes"})
