#!/bin/sh
# Pillow 13.0.0 reads three kinds of valid TIFF as other pixels than they hold, without an error or a warning:
# uncompressed 16-bit RGB in separate planes, 16 bits with white at 0, and signed bytes. Exits with 1 if that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet pillow==13.0.0 numpy==2.4.6
cat > look.py <<'PYTHON'
import io
import struct
import sys

import numpy as np
import PIL
from PIL import Image


def tiff(pixels, colour, separate=False):
    """Return an uncompressed little-endian TIFF of pixels (h, w) or (h, w, c), a strip a plane."""
    height, width, channels = *pixels.shape[:2], (pixels.shape[2:] or (1,))[0]
    planes = np.moveaxis(pixels, -1, 0) if separate else pixels[None]
    strips = [plane.tobytes() for plane in planes]
    body = b"".join(strips)
    places = [8 + sum(map(len, strips[:i])) for i in range(len(strips))]
    bits, number = 8 * pixels.dtype.itemsize, {"u": 1, "i": 2}[pixels.dtype.kind]
    tags = {256: [width], 257: [height], 258: [bits] * channels, 259: [1], 262: [colour]}
    tags |= {273: places, 277: [channels], 278: [height], 279: [*map(len, strips)]}
    tags |= {284: [2 if separate else 1], 339: [number] * channels}
    at = 8 + len(body)
    behind, table, aside = at + 2 + 12 * len(tags) + 4, struct.pack("<H", len(tags)), b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}L", *values)
        if len(packed) > 4:
            packed, aside = struct.pack("<L", behind + len(aside)), aside + packed
        table += struct.pack("<HHL", tag, 4, len(values)) + packed
    return b"II*\0" + struct.pack("<L", at) + body + table + bytes(4) + aside


def read(content):
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image).astype(int)


rgb = np.tile(np.arange(0, 65536, 4369, dtype="<u2")[:, None], (4, 1, 3))
white = np.array([[0, 1000, 65535]], "<u2")
signed = np.array([[-124, -1, 0, 127]], "i1")
together, apart = read(tiff(rgb, 2)), read(tiff(rgb, 2, separate=True))
inverted, bright = read(tiff(white, 0)), read(tiff(signed, 1))

print("Pillow", PIL.__version__)
print("16-bit RGB, red of the first pixels: interleaved", together[0, :4, 0], "in planes", apart[0, :4, 0])
print("16 bits with white at 0: stored", white[0], "meant", 65535 - white[0].astype(int), "read", inverted[0])
print("signed bytes: stored", signed[0], "read", bright[0])
as_described = (
    np.array_equal(together, rgb // 256)
    and not np.array_equal(together, apart)
    and np.array_equal(inverted, white)
    and np.array_equal(bright, signed.view("u1"))
)
sys.exit(not as_described)
PYTHON
environment/bin/python -W error look.py
