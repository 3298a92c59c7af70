"""`isthmus demo`."""

from pathlib import Path
from typing import Annotated

from isthmus.cli.options import OUTPUT, Common, goes_to, option
from isthmus.cli.outputs import end
from isthmus.cli.sources import use_cache
from isthmus.io import FileError


def demo(
    *,
    output: Annotated[Path, goes_to("The folder for the report.", default=True)] = Path("demo"),
    quick: Annotated[bool, option(OUTPUT, "Train less: worse models, sooner.")] = False,
    common: Common = Common(),
) -> int:
    """Train models on handwritten digits, which come along, and write a report.

    For example:

        isthmus demo
        isthmus demo --output tour --quick
    """
    if output.exists() and not output.is_dir():
        raise FileError(f"Cannot write {output}: it is a file, and a folder is needed.")

    from isthmus.demo import run

    use_cache()
    report = run(output, quick, common.verbose)
    return end(common, {"report": str(report)}, {"report": str(report)})
