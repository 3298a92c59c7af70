"""One image file that nobody vouches for: opened, judged by its header, and decoded by Pillow.

All that can be wrong with it becomes one error. Pillow's global settings are left alone.
"""

from __future__ import annotations

import struct
import warnings
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from isthmus.io.tiff import tiff_pixels
from isthmus.words import first_line

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
GREY_MODES = ("1", "L", "LA", "La")  # as Pillow names them
SIXTEEN_BITS = "I;16"  # the start of Pillow's names of such modes
SIDEWAYS = (5, 6, 7, 8)  # the EXIF orientations that exchange height and width
MOST_PIXELS = 2**26  # of one image: more is a bomb or near to one, unless it is asked for
MOST_OF_PILLOW = 2 * 89_478_485  # pixels, beyond which it opens no image
MOST_DEFLATED = 1032  # bytes that one byte of a PNG's data can stand for

ImageSize = tuple[int, int]  # height, width


class ImageHeader(NamedTuple):
    """What the start of an image file says, with the size as the image is shown."""

    name: str
    size: ImageSize
    mode: str
    frames: bool
    transparent: bool = False  # whether it has alpha, or a colour that is none
    rounded: bool = False  # whether it has more bits than are read

    @property
    def deep(self) -> bool:
        """Whether it has 16 bits a pixel."""
        return self.mode.startswith(SIXTEEN_BITS)

    @property
    def colour(self) -> bool:
        """Whether it is stored in colour; a palette may hold any."""
        return not self.deep and self.mode not in GREY_MODES


class BadImageError(Exception):
    """A file that is no image to use; its text follows the file's name in a sentence."""


@contextmanager
def open_image(path: Path, max_pixels: int | None = None) -> Iterator[Image.Image]:
    """Open an image; what goes wrong, here or in the block, is raised as a BadImageError."""
    most = MOST_PIXELS if max_pixels is None else max_pixels
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own do not name the file
        try:
            if not path.is_file():  # a pipe would be waited for
                raise BadImageError("is no regular file, or a link to none")
            with path.open("rb") as file, _opened(file) as image:
                if image.width * image.height > most:
                    raise Image.DecompressionBombError
                _check_held(image, path.stat().st_size)
                yield image
        except Exception as error:  # on damaged files Pillow raises nearly anything
            raise BadImageError(_reason(error, most)) from error


def _opened(file: IO[bytes]) -> Image.Image:
    """Open an image whose pixels, as far as its header says, will be read as they are meant."""
    tiff = tiff_pixels(file)
    if tiff is not None and not tiff.is_read:
        raise BadImageError(f"is a TIFF of a kind that is not read ({tiff})")
    file.seek(0)
    try:
        return Image.open(file, formats=IMAGE_FORMATS)
    except UnidentifiedImageError as error:
        if tiff is None:
            raise
        raise BadImageError(f"is a TIFF of a kind that is not read ({tiff}), or damaged") from error


def _check_held(image: Image.Image, held: int) -> None:
    """Refuse a PNG that declares what its bytes cannot hold, which Pillow would read as black."""
    width, height = image.size
    if image.format == "PNG" and (width // 8 + 1) * height > MOST_DEFLATED * held:
        raise BadImageError(
            f"is cut off or damaged ({held:,} bytes cannot hold the {width} x {height} pixels that it "
            "declares)"
        )


def _reason(error: Exception, most: int) -> str:
    if isinstance(error, BadImageError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return (
            f"has more than {most:,} pixels, which could be a decompression bomb (max_pixels, on the "
            "command line --max-pixels, allows more)"
        )
    if isinstance(error, UnidentifiedImageError):
        return "is no PNG, JPEG, TIFF or BMP image, or is damaged"
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read ({error.strerror})"
    return f"is cut off or damaged ({first_line(error) or type(error).__name__})"


def read_header(name: str, image: Image.Image) -> ImageHeader:
    """Return an opened image's header, or raise a BadImageError if it cannot be used."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise BadImageError("has a name that is not UTF-8") from error
    width, height = image.size
    if image.format != "TIFF" and _orientation(image) in SIDEWAYS:  # a TIFF's size is turned
        width, height = height, width
    several = getattr(image, "is_animated", False)
    clear, rounded = image.has_transparency_data, _is_rounded(image)
    return ImageHeader(name, (height, width), image.mode, several, clear, rounded)


def _is_rounded(image: Image.Image) -> bool:
    """Return whether Pillow reads 8 bits of each 16, as it does of all but plain grey."""
    deep = any(";16" in str(tile.args) for tile in getattr(image, "tile", []))
    return deep and not image.mode.startswith(SIXTEEN_BITS)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; damaged EXIF data are none."""
    try:  # a PNG's own method would decode it, in search of EXIF data after the pixels
        found = Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1)
    except (SyntaxError, ValueError, OSError, struct.error):
        return 1
    return found if isinstance(found, int) else 1


def decode_image(image: Image.Image, size: ImageSize, colour: bool) -> np.ndarray:
    """Decode an image and bring it to a size, in grey or in colour."""
    image = _upright(image)
    if image.mode.startswith(SIXTEEN_BITS):
        return _deep_pixels(np.asarray(image), size)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(_resized(image.convert("RGB" if colour else "L"), size))


def decode_opaque(image: Image.Image, colour: bool) -> np.ndarray:
    """Decode an image in its own size, in grey or in colour, as if nothing were transparent."""
    image = _upright(image)
    if image.mode.startswith(SIXTEEN_BITS):
        return np.asarray(image)
    if image.has_transparency_data:  # a palette's colours go with it
        image = image.convert("RGBA")
    return np.asarray(image.convert("RGB" if colour else "L"))


def decode_picture(image: Image.Image) -> np.ndarray:
    """Decode an image as it is: grey or colour, in its size, and with alpha if it has some."""
    image = _upright(image)
    if image.mode.startswith(SIXTEEN_BITS):
        return np.asarray(image).astype(np.uint16, copy=False)
    grey = "LA" if image.has_transparency_data else "L"
    mode = grey if image.mode in GREY_MODES else grey.replace("L", "RGB")
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _upright(image: Image.Image) -> Image.Image:
    """Return an image decoded, and turned as its EXIF data say."""
    turned = _orientation(image) != 1
    image.load()
    return ImageOps.exif_transpose(image) if turned else image


def _deep_pixels(pixels: np.ndarray, size: ImageSize) -> np.ndarray:
    """Resize by floats, because Pillow clips 16 bits halfway, between rows and columns."""
    if pixels.shape == size:
        return pixels
    floats = Image.fromarray(pixels.astype(np.float32))
    return nearest_pixels(np.asarray(_resized(floats, size)), "uint16")


def _resized(image: Image.Image, size: ImageSize) -> Image.Image:
    height, width = size
    if image.size == (width, height):
        return image
    return image.resize((width, height), Image.Resampling.LANCZOS)


def nearest_pixels(values: np.ndarray, dtype: str) -> np.ndarray:
    """Round values, and clip them to what pixels of a type can be."""
    return np.clip(np.rint(values), 0, np.iinfo(dtype).max).astype(dtype)
