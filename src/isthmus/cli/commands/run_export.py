"""What `isthmus export` does."""

from pathlib import Path

import isthmus
from isthmus.cli import folders, sources
from isthmus.cli.options import Common
from isthmus.cli.terminal import UsageError, show_json, show_lines, warned
from isthmus.io.tables import check_table_output


def export(model: Path, output: Path, part: str | None, common: Common, *, force: bool) -> int:
    """Write the model or the detector of a file as ONNX."""
    sources.check_present(model)
    check_table_output(output, (".onnx",), force=force, inputs=(model,))
    sources.use_cache()
    found = folders.load_any(model)
    if part is None:
        part = "score" if isinstance(found, isthmus.OutlierDetector) else "encoder"
    try:
        found.export(output, part)
    except ImportError as error:
        raise UsageError(str(error)) from error
    size = output.stat().st_size
    if common.json:
        show_json({"output": str(output), "part": part, "bytes": size, "warnings": warned})
    elif not common.quiet:
        show_lines({"output": str(output), "part": part, "size": f"{size:,} bytes"})
    return 0
