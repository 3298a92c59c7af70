"""What the name of a file says of its format."""

from pathlib import Path

PACKED = (".gz", ".zst")  # what may stand behind the ending of a format
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
TEXT_ENDINGS = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".csv.zst", ".tsv.zst")


def file_ending(path: Path) -> str:
    """Return the ending that decides on the format: `.csv.gz` for `a.b.csv.gz`."""
    suffixes = [s.lower() for s in path.suffixes]
    return (
        "".join(suffixes[-2:]) if suffixes[-1:] in ([p] for p in PACKED) else "".join(suffixes[-1:])
    )


def file_stem(path: Path) -> str:
    """Return a file's name without the ending that decides on its format."""
    return path.name[: -len(file_ending(path))] if file_ending(path) else path.name
