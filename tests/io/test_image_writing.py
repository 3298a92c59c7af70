"""Images out: which files they become, bit for bit, and the one sentence for what cannot be."""

import numpy as np
import pytest

from isthmus.images import read_images, to_pixels, write_images

pytestmark = pytest.mark.usefixtures("pillow_left_alone")


def test_to_pixels(fails):
    values = np.array([[-1.0, 0.4, 0.6], [254.6, 300, 7]], np.float32)
    np.testing.assert_array_equal(to_pixels(values), [[0, 0, 1], [255, 255, 7]])
    assert to_pixels(values).dtype == np.uint8
    deep = to_pixels(np.array([70000.0, 65534.6, -2]), "uint16")
    np.testing.assert_array_equal(deep, np.array([65535, 65535, 0], np.uint16))
    assert deep.dtype == np.uint16
    for wrong in (np.nan, np.inf):
        fails("NaN and infinite values cannot be pixels", to_pixels, np.array([wrong]))


@pytest.mark.parametrize("ending", [".png", ".tif", ".tiff", ".bmp", ".PNG", ".jpg", ".jpeg"])
@pytest.mark.parametrize(
    ("dtype", "shape"), [("u1", (3, 5, 7)), ("u1", (3, 5, 7, 3)), ("u2", (3, 5, 7))]
)
def test_what_is_written_is_read_back_bit_for_bit(tmp_path, rng, ending, dtype, shape):
    pixels = rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)
    names = [f"a{ending}", f"sub/b{ending}", f"sub/deep/c{ending}"]
    paths = write_images(tmp_path / "out", names, pixels)
    read = read_images(tmp_path / "out")
    assert read.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(read.pixels, pixels)
    lossy = ending.startswith(".j") or (ending == ".bmp" and dtype == "u2")
    kept = [n.replace(ending, ".png") for n in names] if lossy else names
    assert read.names == kept
    assert paths == [tmp_path / "out" / n for n in kept]


def test_one_channel_is_grey(tmp_path, grey):
    write_images(tmp_path, ["a.png"], grey[None, ..., None])
    np.testing.assert_array_equal(read_images(tmp_path).pixels, grey[None])


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a.png", "b.png"], "2 names do not fit 1 images"),
        (["../a.png"], "'../a.png' leads out of"),
        (["x/../../a.png"], "leads out of"),
        (["x/../a.png"], "leads out of"),
        (["/tmp/a.png"], "leads out of"),
        (["link/a.png"], "leads out of"),
        (["a.gif"], "'a.gif' has the ending '.gif'; images end in .png, .jpg"),
        (["a"], "'a' has the ending ''; images end in"),
        ([""], "'' has the ending ''; images end in"),
        (["old.png"], "old.png exists: overwrite with overwrite=True (--force), or give another"),
        (["old.jpg"], "old.png exists: overwrite"),
        (["dir.png"], "dir.png: a folder and a file would have one name."),
    ],
)
def test_bad_names_are_refused(tmp_path, grey, names, text, fails):
    out = tmp_path / "out"
    (out / "dir.png").mkdir(parents=True)
    (out / "old.png").write_bytes(b"old")
    (out / "link").symlink_to(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    fails(text, write_images, out, names, grey[None])
    assert sorted(tmp_path.rglob("*")) == before
    assert (out / "old.png").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["b.png", "a.jpg", "a.png"], "'a.jpg' and 'a.png' would both be written to"),
        (["a.png", "b.png", "a.png"], "'a.png' and 'a.png' would both be"),
        (["a.png", "b.png", "./a.png"], "'a.png' and './a.png' would both be"),
        (["a.png", "b.png", "b.png/c.png"], "a folder and a file would have one name"),
        (["a.png", "b.png", "../c.png"], "leads out of"),
    ],
)
def test_nothing_is_written_where_names_collide(tmp_path, grey, names, text, fails):
    fails(text, write_images, tmp_path / "out", names, np.stack([grey] * 3))
    assert list(tmp_path.iterdir()) == []


def test_overwriting(tmp_path, grey, fails):
    two = np.stack([grey, grey])
    write_images(tmp_path, ["a.png", "b.png"], two)
    match = "a.png exists (and 1 more): overwrite"
    fails(match, write_images, tmp_path, ["a.png", "b.png"], two)
    write_images(tmp_path, ["a.png", "b.png"], 255 - two, overwrite=True)
    np.testing.assert_array_equal(read_images(tmp_path).pixels, 255 - two)


@pytest.mark.parametrize(
    ("pixels", "text"),
    [
        (np.zeros((1, 4, 4)), "Pixels of type float64 and shape (1, 4, 4) do not fit into image"),
        (np.zeros((1, 4, 4, 3), np.uint16), "uint8, or uint16 for grey images: convert them by"),
        (np.zeros((1, 4, 4, 2), np.uint8), "shape (1, 4, 4, 2) are no images, which have"),
        (np.zeros((1, 4), np.uint8), "shape (1, 4) are no images"),
        (np.zeros((1, 0, 4), np.uint8), "shape (1, 0, 4) are no images"),
    ],
)
def test_pixels_of_another_kind(tmp_path, pixels, text, fails):
    fails(text, write_images, tmp_path / "out", ["a.png"], pixels)
    assert not (tmp_path / "out").exists()


def test_folders_to_write_to(tmp_path, grey, monkeypatch, fails):
    fails("the folder", write_images, tmp_path / "no" / "out", ["a.png"], grey[None])
    (tmp_path / "file").write_text("x")
    match = "file: it is a file, and a folder is needed."
    fails(match, write_images, tmp_path / "file", ["a.png"], grey[None])
    fails("Cannot write to", write_images, tmp_path, ["file/a.png"], grey[None])

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("isthmus.io.atomic.os.fsync", full)
    with pytest.raises(ValueError, match="No space left on device"):
        write_images(tmp_path / "out", ["a.png"], grey[None])
    assert list((tmp_path / "out").iterdir()) == []  # nothing half-written
