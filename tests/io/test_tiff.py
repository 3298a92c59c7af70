"""TIFFs by their tags: what is read is read right, and the rest is refused by name."""

import struct
import zlib

import numpy as np
import pytest

from isthmus.images import read_images

BITS, COMPRESSION, COLOUR, CHANNELS, PLANES = 258, 259, 262, 277, 284
PREDICTOR, EXTRA, NUMBERS, SUBSAMPLING = 317, 338, 339, 530
DEFLATE, WEBP, SEPARATE = 8, 50001, 2


def tiff(pixels, colour, *, planes=1, compression=1, order="<", big=False, **tags):
    """Return a TIFF of pixels (h, w) or (h, w, c), each plane in one strip, by its tags alone."""
    height, width, channels = *pixels.shape[:2], (pixels.shape[2:] or (1,))[0]
    pixels = pixels.astype(pixels.dtype.newbyteorder(order))
    laid = np.moveaxis(pixels, -1, 0) if planes == SEPARATE else pixels[None]
    strips = [plane.tobytes() for plane in laid]
    if compression == DEFLATE:
        strips = [zlib.compress(strip) for strip in strips]
    where = [16 + sum(map(len, strips[:i])) for i in range(len(strips))]
    bits = (8 * pixels.dtype.itemsize,) * channels
    numbers = {"u": 1, "i": 2, "f": 3, "c": 6}[pixels.dtype.kind]
    table = {256: width, 257: height, BITS: bits, COMPRESSION: compression, COLOUR: colour}
    table |= {273: where, CHANNELS: channels, 278: height, 279: [*map(len, strips)]}
    table |= {PLANES: planes, NUMBERS: (numbers,) * channels, **tags.get("more", {})}
    return _laid_out(b"".join(strips), table, order, big)


def _laid_out(body, table, order, big):
    place, count, held = ("Q", "Q", 8) if big else ("L", "H", 4)
    at = 16 + len(body)
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    start += struct.pack(order + ("HHQ" if big else "L"), *((8, 0, at) if big else (at,)))
    entries, aside = struct.pack(order + count, len(table)), b""
    behind = at + len(entries) + (4 + 2 * held) * len(table) + held  # the place of a next table
    for tag, value in sorted(table.items()):
        values = value if isinstance(value, tuple | list) else (value,)
        packed = struct.pack(f"{order}{len(values)}L", *values)
        if len(packed) > held:
            packed, aside = struct.pack(order + place, behind + len(aside)), aside + packed
        entries += struct.pack(f"{order}HH{place}", tag, 4, len(values)) + packed.ljust(held, b"\0")
    return start.ljust(16, b"\0") + body + entries + bytes(held) + aside


@pytest.fixture
def read(tmp_path):
    def read(content, **options):
        (tmp_path / "a.tif").write_bytes(content)
        return read_images(tmp_path, **options).pixels[0]

    return read


@pytest.fixture
def deep(rng):
    return rng.integers(0, 2**16, (5, 7), dtype=np.uint16)


@pytest.fixture
def colour(rng):
    return rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize("compression", [1, DEFLATE])
def test_grey_is_read_exactly(read, grey, deep, order, big, compression):
    laid = {"order": order, "big": big, "compression": compression}
    np.testing.assert_array_equal(read(tiff(grey, 1, **laid)), grey)
    np.testing.assert_array_equal(read(tiff(grey, 0, **laid)), 255 - grey)
    np.testing.assert_array_equal(read(tiff(deep, 1, **laid)), deep)


@pytest.mark.parametrize("planes", [1, SEPARATE])
@pytest.mark.parametrize("compression", [1, DEFLATE])
def test_colour_is_read_exactly(read, colour, planes, compression):
    laid = {"planes": planes, "compression": compression}
    np.testing.assert_array_equal(read(tiff(colour, 2, **laid)), colour)
    if planes == 1 or compression == DEFLATE:
        np.testing.assert_array_equal(read(tiff(colour.astype("u2") * 257, 2, **laid)), colour)


def refused():
    grey = np.arange(35).reshape(5, 7)
    colour = np.stack([grey] * 5, axis=-1).astype("u1")
    alpha = {"more": {EXTRA: 1}}
    return [
        (tiff(grey.astype("u2"), 0), "1 channel of 16-bit whole numbers, grey with white at 0"),
        (tiff(grey.astype("i1"), 1), "1 channel of 8-bit signed whole numbers, grey"),
        (tiff(grey.astype("i2"), 1), "1 channel of 16-bit signed whole numbers, grey"),
        (tiff(grey.astype("u4"), 1), "1 channel of 32-bit whole numbers, grey"),
        (tiff(grey.astype("f4"), 1), "1 channel of 32-bit floats, grey"),
        (tiff(grey.astype("f8"), 1), "1 channel of 64-bit floats, grey"),
        (tiff(grey.astype("c8"), 1), "1 channel of 64-bit other values, grey"),
        (tiff(colour, 1), "5 channels of 8-bit whole numbers, grey"),
        (tiff(colour, 2, more={EXTRA: (0, 0)}), "5 channels of 8-bit whole numbers, RGB"),
        (tiff(colour[..., :3], 1), "3 channels of 8-bit whole numbers, grey"),
        (tiff(colour[..., :3], 8), "whole numbers, photometric interpretation 8"),
        (
            tiff(colour[..., :3].astype("u2"), 2, planes=SEPARATE),
            "3 channels of 16-bit whole numbers, RGB, in separate planes",
        ),
        (tiff(colour[..., :4], 2, planes=SEPARATE, **alpha), "numbers, RGB, in separate planes"),
        (tiff(colour[..., :3], 6), "3 channels of 8-bit whole numbers, YCbCr"),
        (tiff(grey.astype("u1"), 1, more={PREDICTOR: 2}), "whole numbers, grey, predictor 2"),
        (tiff(grey.astype("u1"), 1, compression=WEBP), "grey, compression 50001"),
        (tiff(grey.astype("u1"), 1, order=">", big=True), "whole numbers, grey, BigTIFF"),
    ]


@pytest.mark.parametrize(("content", "kind"), refused())
def test_other_kinds_are_refused_by_name(read, content, kind, fails):
    fails(f"{kind})", read, content)
    fails("a.tif is a TIFF of a kind that is not read (", read, content)


def test_planes_that_are_not_subsampled_are_read(read, colour):
    grey = np.full_like(colour, 128)
    grey[..., 0] = colour[..., 0]
    pixels = read(tiff(grey, 6, more={SUBSAMPLING: (1, 1)}))
    np.testing.assert_allclose(pixels, np.repeat(colour[..., :1], 3, axis=2), atol=1)


@pytest.mark.parametrize("at", range(8))
def test_a_damaged_start_is_one_sentence(read, grey, at, fails):
    content = bytearray(tiff(grey, 1))
    content[at] ^= 0x41
    fails("a.tif is ", read, bytes(content))
