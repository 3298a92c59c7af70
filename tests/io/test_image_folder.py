"""Folders of images: what is read, what it becomes, and the one sentence for what is not."""

import io
import os
import re
import shlex
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus.__main__ import main
from isthmus.images import read_images
from isthmus.io import image_file, image_folder

pytestmark = pytest.mark.usefixtures("pillow_left_alone")
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "images.md"


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def declared(width, height):
    """Return a PNG that declares a size and holds one pixel."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", head), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*c) for c in chunks)


def content(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def put(tmp_path):
    """Write a file of a folder `photos` from an array, an image or bytes; return the folder."""
    folder = tmp_path / "photos"

    def put(name, what, kind=None, **options):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, np.ndarray):
            what = Image.fromarray(what)
        if isinstance(what, Image.Image):
            kind = kind or Image.registered_extensions()[path.suffix.lower()]
            what = content(what, kind, **options)
        path.write_bytes(what)
        return folder

    return put


@pytest.fixture
def colour(rng):
    return rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)


# -- what images become --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.TIFF", "a.bmp"])
def test_grey_and_colour_are_read_exactly(put, grey, colour, name):
    folder = put(name, grey)
    names, pixels = read_images(folder)
    assert names == [name]
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, grey[None])
    put(name, colour)
    np.testing.assert_array_equal(read_images(str(folder)).pixels, colour[None])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_kept(put, rng, kind):
    deep = rng.integers(0, 2**16, (5, 7), dtype=np.uint16)
    folder = put("a.png", deep, kind)
    pixels = read_images(folder).pixels
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels[0], deep)


def test_sixteen_bits_in_the_other_byte_order(put, rng):
    deep = rng.integers(0, 2**16, (5, 7), dtype=np.uint16)
    motorola = Image.frombytes("I;16B", (7, 5), deep.astype(">u2").tobytes())
    pixels = read_images(put("a.tif", motorola)).pixels
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels[0], deep)


def test_jpeg_is_what_pillow_decodes(put, colour):
    folder = put("a.jpg", colour, quality=90)
    with Image.open(folder / "a.jpg") as image:
        expected = np.asarray(image)
    np.testing.assert_array_equal(read_images(folder).pixels[0], expected)


def test_one_bit_is_black_and_white(put, grey):
    folder = put("a.png", grey > 127)
    np.testing.assert_array_equal(read_images(folder).pixels[0], np.where(grey > 127, 255, 0))


def test_modes(put, grey, colour):
    folder = put("a.png", grey)
    put("b.png", colour)
    pixels = read_images(folder).pixels
    assert pixels.shape == (2, 5, 7, 3)
    for channel in range(3):
        np.testing.assert_array_equal(pixels[0, ..., channel], grey)
    both = read_images(folder, mode="grey").pixels
    luma = colour @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_array_equal(both[0], grey)
    np.testing.assert_allclose(both[1], luma, atol=0.51)
    (folder / "b.png").unlink()
    assert read_images(folder).pixels.shape == (1, 5, 7)
    assert read_images(folder, mode="colour").pixels.shape == (1, 5, 7, 3)


def test_palettes_become_colours(put, colour):
    image = Image.fromarray(colour).quantize(16)
    folder = put("a.png", image)
    expected = np.array(image.getpalette()).reshape(-1, 3)[np.asarray(image)]
    np.testing.assert_array_equal(read_images(folder).pixels[0], expected)


def test_transparency_is_laid_on_white(put, grey, colour):
    alpha = np.full(grey.shape, 255, np.uint8)
    alpha[:, :3] = 0
    alpha[:, 3] = 128
    folder = put("a.png", np.dstack([colour, alpha]))
    seen = read_images(folder).pixels[0].astype(int)
    np.testing.assert_array_equal(seen[:, 4:], colour[:, 4:])
    assert (seen[:, :3] == 255).all()
    half = colour[:, 3] * (128 / 255) + 127
    np.testing.assert_allclose(seen[:, 3], half, atol=1)
    put("a.png", np.dstack([grey, alpha]))  # LA
    seen = read_images(folder).pixels[0]
    assert seen.shape == (5, 7)
    np.testing.assert_array_equal(seen[:, 4:], grey[:, 4:])
    assert (seen[:, :3] == 255).all()


def test_a_transparent_colour_of_a_palette_is_white(put):
    image = Image.new("P", (3, 2), 1)
    image.putpalette([0, 0, 0, 200, 10, 10])
    image.putpixel((0, 0), 0)
    seen = read_images(put("a.png", image, transparency=0)).pixels[0]
    assert seen[0, 0].tolist() == [255, 255, 255]
    assert seen[1, 2].tolist() == [200, 10, 10]


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_other_colours_become_red_green_blue(put, mode):
    plain = np.zeros((16, 16, 3), np.uint8)
    plain[...] = (200, 100, 50)
    folder = put("a.jpg", Image.fromarray(plain).convert(mode), quality=95)
    np.testing.assert_allclose(read_images(folder).pixels[0], plain, atol=4)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_exif_says(put, name, orientation):
    plain = np.zeros((16, 24), np.uint8)  # dark, with a bright corner that shows how it lies
    plain[:8, :8] = 255
    shown = {
        1: plain,
        2: plain[:, ::-1],
        3: plain[::-1, ::-1],
        4: plain[::-1],
        5: plain.T,
        6: np.rot90(plain, -1),
        7: plain[::-1, ::-1].T,
        8: np.rot90(plain),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = read_images(put(name, plain, exif=exif)).pixels[0]
    assert pixels.shape == shown.shape
    np.testing.assert_allclose(pixels, shown, atol=10)


def test_sixteen_bits_are_turned_too(put, rng):
    deep = rng.integers(0, 2**16, (3, 4), dtype=np.uint16)
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.png", "a.tif"):
        pixels = read_images(put(name, deep, exif=exif)).pixels
        np.testing.assert_array_equal(pixels[-1], np.rot90(deep, -1))


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0no TIFF at all", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0"]
)
@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_damaged_exif_data_turn_nothing(put, grey, name, exif):
    assert read_images(put(name, grey, exif=exif)).pixels.shape == (1, 5, 7)


@pytest.mark.parametrize(("name", "kind"), [("a.tif", "TIFF"), ("a.png", "PNG"), ("a.jpg", "MPO")])
def test_the_first_of_several_frames_is_read(put, grey, name, kind):
    other = Image.fromarray(255 - grey)
    folder = put(name, Image.fromarray(grey), kind, save_all=True, append_images=[other])
    put("b.png", grey)
    with pytest.warns(UserWarning, match=rf"several frames, .* is read: {name}\.$") as caught:
        pixels = read_images(folder).pixels
    assert len(caught) == 1
    assert caught[0].filename == __file__
    if kind != "MPO":
        np.testing.assert_array_equal(pixels[0], grey)


# -- names ---------------------------------------------------------------------------------------


def test_names_are_sorted_and_hidden_ones_passed_over(put, grey, tmp_path):
    for name in ("b.png", "a.PNG", "z/y/c.Png", "a/2.tif", "a/10.tif", "é.png", "a b.png"):
        put(name, grey)
    for name in (".hidden.png", ".thumbs/a.png", "a/.x/b.png", "notes.txt", "a.png.bak", "png"):
        folder = put(name, b"no image")
    (folder / "looks.png").mkdir()
    (folder / "loop").symlink_to(folder)
    names = ["a b.png", "a.PNG", "a/10.tif", "a/2.tif", "b.png", "z/y/c.Png", "é.png"]
    assert read_images(folder).names == names
    (tmp_path / "link").symlink_to(folder)
    assert read_images(tmp_path / "link").names == names


def test_endings_need_not_tell_the_format(put, grey):
    np.testing.assert_array_equal(read_images(put("a.jpg", grey, "BMP")).pixels[0], grey)


def test_folders_without_images(put, tmp_path, fails):
    fails("no: there is no such folder.", read_images, tmp_path / "no")
    folder = put("a.gif", b"GIF89a")
    fails("photos has no images: files that end in .png, .jpg, .jpeg,", read_images, folder)
    fails("a.gif: there is no such folder.", read_images, folder / "a.gif")


# -- sizes ---------------------------------------------------------------------------------------


def test_mixed_sizes_are_refused(put, grey, fails):
    for name, shape in {"a": (5, 7), "b": (9, 9), "c": (5, 7), "d": (1, 2), "e": (2, 1)}.items():
        folder = put(f"{name}.png", np.zeros(shape, np.uint8))
    fails(
        "photos has images of 4 sizes (height x width), 5x7 (2), 9x9 (1), 1x2 (1) and 1 more, "
        "where b.png is the first of 9x9: resize them with size=(5, 7) (--size 5x7), or, where their "
        "scale matters, cut patches of one size from them.",
        read_images,
        folder,
    )


def test_headers_decide_before_anything_is_decoded(put, grey, monkeypatch, fails):
    cut = content(Image.fromarray(grey))[:-30]
    folder = put("a.png", cut)
    put("b.png", np.zeros((9, 9), np.uint8))
    monkeypatch.setattr(image_folder, "decode_image", None)
    fails("has images of 2 sizes", read_images, folder)
    put("b.png", np.zeros((5, 7), np.uint16))
    fails("mixes images of 16 bits a pixel (1, such as b.png) and of 8 (1)", read_images, folder)
    put("b.png", np.zeros((9, 9), np.uint8))
    monkeypatch.setattr(image_folder, "MOST_BYTES", 100)
    fails("an array of 0.0 GiB, of shape (2, 9, 9), and", read_images, folder, size=(9, 9))


@pytest.mark.parametrize("size", [(3, 4), (11, 10), (5, 20)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_resizing(put, size, dtype):
    top = np.iinfo(dtype).max
    y, x = np.mgrid[:16, :24]
    plain = (top * (y / 40 + x / 60)).astype(dtype)  # smooth, so that every good filter agrees
    folder = put("a.png", plain)
    put("b.png", plain[:8, :8])
    pixels = read_images(folder, size=size).pixels
    assert pixels.shape == (2, *size)
    assert pixels.dtype == dtype
    rows, columns = ((np.arange(n) + 0.5) * m / n for n, m in zip(size, plain.shape, strict=True))
    expected = top * ((rows[:, None] - 0.5) / 40 + (columns - 0.5) / 60)
    np.testing.assert_allclose(pixels[0][1:-1, 1:-1], expected[1:-1, 1:-1], atol=0.02 * top)


def test_shrinking_averages(put):
    stripes = np.zeros((32, 32), np.uint8)
    stripes[:, ::2] = 255
    inner = read_images(put("a.png", stripes), size=(4, 4)).pixels[0][:, 1:-1]
    np.testing.assert_allclose(inner, 127.5, atol=3)


def test_resizing_sixteen_bits_does_not_wrap(put):
    edge = np.zeros((16, 16), np.uint16)
    edge[4:12, 4:12] = 65535
    large = read_images(put("a.png", edge), size=(64, 64)).pixels[0]
    assert large[32, 32] > 65000
    assert large[17:46, 17:46].min() > 25000  # over the edge values are clipped, not wrapped
    assert large[:12].max() < 8000


def test_the_same_size_changes_nothing(put, grey):
    np.testing.assert_array_equal(read_images(put("a.png", grey), size=(5, 7)).pixels[0], grey)


def test_depths_are_not_mixed(put, grey, fails):
    folder = put("a.png", grey.astype(np.uint16))
    fails("has 16-bit images, such as a.png, which", read_images, folder, mode="colour")
    assert read_images(folder, mode="grey").pixels.dtype == np.uint16
    put("b.png", grey)
    fails("16 bits a pixel (1, such as a.png) and of 8 (1): convert them", read_images, folder)


def test_wrong_arguments(put, grey):
    folder = put("a.png", grey)
    for size in (5, (5,), (0, 5), (5.5, 5), ("5", "7"), "57"):
        with pytest.raises(ValueError, match="The size must be"):
            read_images(folder, size=size)
    with pytest.raises(ValueError, match="mode must be one of auto, grey, colour; got 'gray'"):
        read_images(folder, mode="gray")
    with pytest.raises(ValueError, match="on_error must be one of raise, skip; got None"):
        read_images(folder, on_error=None)


# -- bad files -----------------------------------------------------------------------------------


def bad_files():
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (40, 50), dtype=np.uint8))
    flipped = bytearray(content(noise))
    flipped[500] ^= 4
    large = np.zeros((4, 4))
    damaged = "is cut off or damaged ("
    return [
        ("text.png", b"this is text", "is no PNG, JPEG, TIFF or BMP image, or is damaged"),
        ("empty.jpg", b"", "is no PNG, JPEG, TIFF or BMP image, or is damaged"),
        ("web.png", content(noise, "GIF"), "is no PNG, JPEG, TIFF or BMP image, or is damaged"),
        ("cut.png", content(noise)[:-400], damaged),
        ("cut.jpg", content(noise, "JPEG")[:-400], damaged),
        ("head.jpg", content(noise, "JPEG")[:100], damaged),
        ("cut.bmp", content(noise, "BMP")[:-400], damaged),
        ("cut.tif", content(noise, "TIFF")[:-400], damaged),
        ("flipped.png", bytes(flipped), damaged),
        ("bomb.png", declared(100_000, 100_000), "has more than 67,108,864 pixels, which could"),
        ("near.png", declared(10_000, 10_000), "has more than 67,108,864 pixels, which could"),
        ("over.png", declared(8192, 8193), "has more than 67,108,864 pixels, which could"),
        (
            "hollow.png",
            declared(8000, 8000),
            "is cut off or damaged (67 bytes cannot hold the 8000",
        ),
        (
            "float.tif",
            content(Image.fromarray(large, "F"), "TIFF"),
            "is a TIFF of a kind that is not read (1 channel of 32-bit floats, grey)",
        ),
    ]


@pytest.mark.parametrize(("name", "what", "message"), bad_files())
def test_bad_files_are_named(put, name, what, message, fails):
    folder = put(name, what)
    fails(f"{name} {message}", read_images, folder)
    fails("or leave such files out with on_error='skip' (--skip-bad).", read_images, folder)
    match = f"photos has no image that can be read: {name} {message}"
    fails(match, read_images, folder, on_error="skip")
    put("good.png", np.ones((40, 50), np.uint8))
    with pytest.warns(UserWarning, match="1 of 2 files of .*photos are left out") as caught:
        names, pixels = read_images(folder, on_error="skip")
    assert len(caught) == 1
    assert f"{name} {message}" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert names == ["good.png"]
    assert pixels.shape == (1, 40, 50)
    assert (pixels == 1).all()


def test_many_bad_files_are_one_warning(put, grey):
    for i in range(5):
        folder = put(f"{i}.png", b"text")
    put("a.png", grey)
    with pytest.warns(UserWarning, match="5 of 6 files") as caught:
        read_images(folder, on_error="skip")
    text = str(caught[0].message)
    assert "0.png is no PNG" in text
    assert text.endswith("; and 2 more.")
    assert "3.png" not in text


def test_files_that_cannot_be_opened(put, grey, tmp_path, monkeypatch, fails):
    folder = put("a.png", grey)
    (folder / "b.png").symlink_to(tmp_path / "nowhere.png")
    fails("b.png is no regular file, or a link to none", read_images, folder)
    (folder / "b.png").unlink()
    os.mkfifo(folder / "b.png")  # opening it would wait for a writer
    fails("b.png is no regular file, or a link to none", read_images, folder)
    (folder / "b.png").unlink()
    (folder / os.fsdecode(b"b\xff.png")).write_bytes((folder / "a.png").read_bytes())
    fails("has a name that is not UTF-8", read_images, folder)

    def forbidden(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    fails("a.png cannot be read (Permission denied): replace or", read_images, folder)


def test_folders_that_cannot_be_opened(put, grey, monkeypatch, fails):
    folder = put("a.png", grey)

    def forbidden(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", forbidden)
    fails("photos: Permission denied.", read_images, folder)


def test_limits_are_ours(put, grey, monkeypatch, fails):
    folder = put("a.png", grey)
    monkeypatch.setattr(image_file, "MOST_PIXELS", 34)
    fails("a.png has more than 34 pixels", read_images, folder)
    monkeypatch.setattr(image_file, "MOST_PIXELS", 35)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)  # a user's warning, which is not ours
    assert read_images(folder).pixels.shape == (1, 5, 7)


# -- the guide -----------------------------------------------------------------------------------


def test_the_guide_runs(tmp_path, monkeypatch, put, rng, capsys):
    for i in range(40):
        put(f"{i:02}.png", rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    for i in range(3):
        put(f"../new/{i}.jpg", rng.integers(0, 256, (40, 30, 3), dtype=np.uint8))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isthmus.training.runtime.enable_compilation_cache", lambda: None)
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))
    text = GUIDE.read_text()
    commands = [line for block in blocks(text, "sh") for line in block.splitlines()]
    assert len(commands) >= 4
    for command in commands:
        assert main([*shlex.split(command)[1:], "--quiet"]) == 0, command
    space = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noise is no better coded than by its mean
        for block in blocks(text, "python"):
            exec(compile(block, "images.md", "exec"), space)
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (GUIDE.parent / link).exists(), link


def blocks(text, kind):
    return re.findall(rf"```{kind}\n(.*?)```", text, flags=re.DOTALL)
