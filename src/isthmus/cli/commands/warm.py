"""`isthmus warm`."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from isthmus.cli.options import OUTPUT, Common, ModelArgument, goes_to, option
from isthmus.cli.outputs import end
from isthmus.cli.sources import check_present
from isthmus.cli.terminal import UsageError
from isthmus.io import FileError


def warm(
    model: ModelArgument,
    /,
    *,
    batch: Annotated[
        int, option(OUTPUT, "How many rows workers take at a time.", default=True)
    ] = 1000,
    output: Annotated[
        Path | None,
        goes_to("The folder, for workers to have in $ISTHMUS_CACHE; by default it is that."),
    ] = None,
    common: Common = Common(),
) -> int:
    """Compile what a model's workers need, so that their first score comes at once.

    Ship the folder with the model. It serves the processor and the versions of JAX that it was made
    with; on others programs are compiled anew.

    For example:

        isthmus warm detector.isthmus --batch 4096 -o programs
        ISTHMUS_CACHE=programs isthmus detect new.csv --model detector.isthmus
    """
    check_present(model)
    if batch < 1:
        raise UsageError(f"--batch must be a whole number of at least 1; got {batch}.")

    from isthmus.scale import warm as compile_for
    from isthmus.training import cache_folder, enable_compilation_cache

    folder = cache_folder(output)
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            enable_compilation_cache(folder)
    parts = compile_for(model, batch)
    sizes = [path.stat().st_size for path in folder.glob("*-cache")]
    facts = {"model": str(model), "output": str(folder.parents[1]), "parts": parts, "batch": batch}
    size = f"{len(sizes)} in {folder}, {sum(sizes):,} bytes"
    return end(
        common,
        {**facts, "folder": str(folder), "programs": len(sizes), "bytes": sum(sizes)},
        {"parts": ", ".join(parts), "programs": size},
    )


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn an error of the disk to one that names the folder."""
    try:
        yield
    except OSError as error:
        raise FileError(f"Cannot write to {folder}: {error.strerror or error}.") from error
