"""Small valid model files of each kind, from which mutations begin."""

import tempfile
from pathlib import Path

import isthmus

FOLDERS = [Path(__file__).parents[1] / "model" / f"format_1_{minor}" for minor in (2, 3)]
RESUMABLE = ("interrupted", "partial")


def seeds() -> list[bytes]:
    """Return files of older formats, whose mutations no digest stops, and the same in the newest."""
    paths = sorted(path for folder in FOLDERS for path in folder.glob("*.isthmus"))
    older = [path.read_bytes() for path in paths if path.stat().st_size < 10_000]
    return older + [_rewritten(path) for path in sorted(FOLDERS[-1].glob("*.isthmus"))]


def _rewritten(path: Path) -> bytes:
    model, resumable = isthmus.load(path), {"resume": True} if path.stem in RESUMABLE else {}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, path.name)
        model.save(target, **resumable)
        return target.read_bytes()
