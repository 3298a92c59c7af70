"""What `isthmus export` does."""

from pathlib import Path

from isthmus import _folders, _inputs, tables
from isthmus._options import Common
from isthmus._terminal import UsageError, show_json, show_lines, warned


def export(model: Path, output: Path, part: str, common: Common, *, force: bool) -> int:
    """Write a model file's model as ONNX."""
    _inputs.check_present(model)
    tables.check_output(output, (".onnx",), force=force, inputs=(model,))
    _inputs.use_cache()
    ae = _folders.load_model(model)
    try:
        ae.export(output, part)
    except ImportError as error:
        raise UsageError(str(error)) from error
    size = output.stat().st_size
    if common.json:
        show_json({"output": str(output), "part": part, "bytes": size, "warnings": warned})
    elif not common.quiet:
        show_lines({"output": str(output), "part": part, "size": f"{size:,} bytes"})
    return 0
