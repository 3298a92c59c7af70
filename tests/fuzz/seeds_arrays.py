"""Small valid images and arrays, made here, to begin with."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy.io import savemat

ROWS = np.arange(12.0).reshape(4, 3)
PIXELS = np.arange(5 * 7, dtype=np.uint8).reshape(5, 7) * 7
NUMBERS = ("<f8", ">f4", "<f2", "|u1", "<i4", ">i8", "|b1")


def seeds() -> list[bytes]:
    """Return files of each format, kind of pixel or number, and order of bytes."""
    return [*png_seeds(), *jpeg_seeds(), *tiff_seeds(), *bmp_seeds(), *npy_seeds(), *npz_seeds()]


# -- images --------------------------------------------------------------------------------------


def png_seeds() -> list[bytes]:
    """Return PNGs of each mode and depth, turned ones, and one of two frames."""
    images = _images()
    frames = _file(images["colour"], "PNG", save_all=True, append_images=[images["turned"]])
    turned = _file(images["grey"], "PNG", exif=_turned())
    return [*(_file(image, "PNG") for image in images.values()), turned, frames]


def jpeg_seeds() -> list[bytes]:
    """Return JPEGs in grey, in colour and for print, turned, and in several passes."""
    images = _images()
    return [
        _file(images["grey"], "JPEG", quality=50),
        _file(images["grey"], "JPEG", progressive=True),
        _file(images["colour"], "JPEG", exif=_turned()),
        _file(images["colour"].convert("CMYK"), "JPEG"),
        _file(images["colour"], "MPO", save_all=True, append_images=[images["turned"]]),
    ]


def tiff_seeds() -> list[bytes]:
    """Return TIFFs of each mode and depth, packed in each way, in both orders, and of two frames."""
    images = _images()
    packings = ("tiff_lzw", "tiff_deflate", "packbits", "jpeg")
    deep = np.asarray(images["deep"])
    kinds = ["grey", "deep", "colour", "clear", "bits", "palette", "soft"]
    return [
        *(_file(images[kind], "TIFF") for kind in kinds),
        *(_file(images["grey"].convert(mode), "TIFF") for mode in ("I", "F")),
        *(_file(images["colour"], "TIFF", compression=packing) for packing in packings),
        _file(images["bits"], "TIFF", compression="group4"),
        _file(images["deep"], "TIFF", compression="tiff_lzw", tiffinfo={317: 2}),
        _file(Image.frombytes("I;16B", (7, 5), deep.astype(">u2").tobytes()), "TIFF"),
        _file(images["colour"], "TIFF", save_all=True, append_images=[images["turned"]]),
        _file(images["grey"], "TIFF", big_tiff=True),
        _file(images["grey"], "TIFF", exif=_turned()),
    ]


def bmp_seeds() -> list[bytes]:
    """Return bitmaps in grey, in colour, and of one bit."""
    return [_file(_images()[kind], "BMP") for kind in ("grey", "colour", "bits", "palette")]


def _images() -> dict[str, Image.Image]:
    grey = Image.fromarray(PIXELS)
    turned = grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    colour = Image.merge("RGB", [grey, turned, grey])
    clear = colour.copy()
    clear.putalpha(turned)
    return {
        "grey": grey,
        "turned": turned,
        "deep": Image.fromarray(PIXELS.astype(np.uint16) * 257),
        "colour": colour,
        "clear": clear,
        "bits": grey.convert("1"),
        "palette": colour.quantize(8),
        "soft": grey.convert("LA"),
    }


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _file(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


# -- arrays --------------------------------------------------------------------------------------


def npy_seeds() -> list[bytes]:
    """Return arrays of each kind of number, order and version of the format."""
    arrays = [ROWS.astype(kind) for kind in NUMBERS]
    arrays += [np.asfortranarray(ROWS), ROWS.astype(np.longdouble), np.zeros((2, 3, 3, 1), "u1")]
    file = io.BytesIO()
    np.lib.format.write_array(file, ROWS, version=(2, 0))
    return [*map(_npy, arrays), file.getvalue()]


def npz_seeds() -> list[bytes]:
    """Return archives of one array and of two, packed and not."""
    return [_npz(x=ROWS), _npz(a=ROWS, b=ROWS), _npz(packed=True, x=ROWS), _npz(é=ROWS)]


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def _npz(packed: bool = False, **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)
    return file.getvalue()


def mat_seeds() -> list[bytes]:
    """Return MATLAB files of version 5, packed and not."""
    held = {"X": ROWS, "y": np.array([[0], [1], [0], [1]], "u1"), "s": "text"}
    found = []
    for packed in (False, True):
        file = io.BytesIO()
        savemat(file, held, do_compression=packed)
        found.append(file.getvalue())
    return found
