"""Small valid images of each format, mode and depth."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

PIXELS = np.arange(5 * 7, dtype=np.uint8).reshape(5, 7) * 7


def seeds() -> list[bytes]:
    """Return image files."""
    grey = Image.fromarray(PIXELS)
    deep = Image.fromarray(PIXELS.astype(np.uint16) * 257)
    colour = Image.merge("RGB", [grey, grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT), grey])
    clear = colour.copy()
    clear.putalpha(grey)
    turned = Image.Exif()
    turned[0x0112] = 6
    modes = (grey, deep, colour, clear, grey.convert("1"), colour.convert("P"), grey.convert("LA"))
    files = [_file(image, "PNG") for image in modes]
    files += [_file(grey, "BMP"), _file(colour, "BMP"), _file(grey, "JPEG", quality=50)]
    files += [_file(colour, "JPEG", exif=turned), _file(colour.convert("CMYK"), "JPEG")]
    files += [_file(grey, "JPEG", progressive=True), _file(grey, "PNG", exif=turned)]
    files += [_file(image, "TIFF") for image in (grey, deep, colour, clear, grey.convert("1"))]
    files += [
        _file(colour, "TIFF", compression=c) for c in ("tiff_lzw", "tiff_deflate", "packbits")
    ]
    files += [_file(grey.convert(mode), "TIFF") for mode in ("I", "F")]
    frames = {"save_all": True, "append_images": [colour]}
    return [*files, _file(colour, "PNG", **frames), _file(colour, "TIFF", **frames)]


def _file(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()
