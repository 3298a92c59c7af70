"""Patches of pictures: where they are from, that each epoch has others, and how pictures are read."""

import re

import numpy as np
import pytest
from PIL import Image

from isthmus.images import Patches, patches
from isthmus.io import TableError, pictures

SIZES = [(20, 30), (9, 8), (40, 25)]
MANY = 3000


def numbered(sizes=SIZES):
    """Return pictures whose pixels say which picture, row and column they are of."""
    return [
        (i * 4096 + 64 * np.arange(h)[:, None] + np.arange(w)).astype(np.uint16)
        for i, (h, w) in enumerate(sizes)
    ]


def places(rows):
    """Return picture, top and left of patches that were not turned."""
    first = rows[:, 0, 0].astype(int)
    return first // 4096, first % 4096 // 64, first % 64


def saved(folder, arrays):
    for i, array in enumerate(arrays):
        Image.fromarray(array).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture
def tiny_memory(monkeypatch):
    """Room for one decoded picture or two."""
    monkeypatch.setattr(pictures, "MEMORY", 1500)


def test_patches_are_cut_from_pictures_and_each_place_is_equally_likely():
    arrays = numbered()
    rows = patches(arrays, MANY, (8, 6), turns=False)
    assert isinstance(rows, Patches)
    assert rows.shape == (MANY, 8, 6)
    cut = np.asarray(rows)
    which, tops, lefts = places(cut)
    for row, i, top, left in zip(cut, which, tops, lefts, strict=True):
        np.testing.assert_array_equal(row, arrays[i][top : top + 8, left : left + 6])
    rooms = np.array([(h - 7) * (w - 5) for h, w in SIZES])
    assert np.abs(np.bincount(which) - MANY * rooms / rooms.sum()).max() <= 1
    assert (np.bincount(tops[which == 0]) > 45).all()  # 13 tops share 984
    assert {0, 2} <= {*which[:50]}  # and rows are mixed


def turned(patch, size):
    """Return all the ways in which a patch may lie."""
    ways = [a for p in (patch, patch[::-1]) for a in (p, p[:, ::-1])]
    return ways + [a.T for a in ways] if size[0] == size[1] else ways


@pytest.mark.parametrize(("size", "ways"), [((6, 6), 8), ((8, 6), 4)])
def test_patches_are_mirrored_and_turned(size, ways):
    straight = patches(numbered(), 400, size, turns=False).read(0, 400)
    found = patches(numbered(), 400, size).read(0, 400)
    kinds = [
        [np.array_equal(row, way) for way in turned(patch, size)].index(True)
        for row, patch in zip(found, straight, strict=True)
    ]
    assert np.bincount(kinds, minlength=ways).min() > 250 / ways


def test_a_row_follows_from_seed_epoch_and_number_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("isthmus.io.patches.BLOCK", 64)
    arrays = numbered()
    rows = patches(arrays, 300, (6, 6))
    last = patches(arrays, 300, (6, 6)).at(5)
    for _ in range(2):  # whatever was asked for before
        np.testing.assert_array_equal(rows.at(5).read(100, 200), last.read(0, 300)[100:200])
        assert not np.array_equal(rows.at(5).read(0, 9), rows.at(6).read(0, 9))
    assert not np.array_equal(patches(arrays, 300, (6, 6), random_state=1), rows)
    saved(tmp_path, arrays)
    for source in (tmp_path, sorted(tmp_path.iterdir())):
        np.testing.assert_array_equal(patches(source, 300, (6, 6)), rows)
    one = patches(tmp_path / "02.png", 30, (6, 6))
    np.testing.assert_array_equal(one, patches([arrays[2]], 30, (6, 6)))


def test_pictures_of_more_than_memory_are_decoded_for_several_patches_at_a_time(
    tmp_path, tiny_memory, monkeypatch
):
    arrays = numbered()
    opened, opaque = [], pictures.ImageFolder.opaque
    monkeypatch.setattr(
        pictures.ImageFolder,
        "opaque",
        lambda folder, header, colour: opened.append(header.name) or opaque(folder, header, colour),
    )
    rows = patches(saved(tmp_path, arrays), MANY, (8, 6), turns=False)
    assert opened == []
    cut = np.concatenate([rows.read(a, a + 100) for a in range(0, MANY, 100)])
    which, tops, lefts = places(cut)
    assert all(
        np.array_equal(row, arrays[i][top : top + 8, left : left + 6])
        for row, i, top, left in zip(cut, which, tops, lefts, strict=True)
    )
    assert len(opened) <= -(-MANY // 64)
    assert sum(kept.nbytes for kept in rows.pictures.kept.values()) <= 1500
    rooms = np.array([(h - 7) * (w - 5) for h, w in SIZES])
    assert np.abs(np.bincount(which) - MANY * rooms / rooms.sum()).max() <= 2 * 64


@pytest.mark.parametrize("count", [12, 3])
def test_other_pictures_or_other_places_are_held_out(count):
    rows = patches(numbered([(20, 30)] * (count - 1) + [(8, 60)]), 900, (6, 6), turns=False)
    pixels = []
    for parts in rows.parted(0.2, seed=1):
        found = rows.like(parts)
        which, tops, lefts = places(np.asarray(found))
        assert len(found) == 900
        pixels.append({(i, t + k, x + j) for i, t, x in zip(which, tops, lefts, strict=True)
                       for k in range(6) for j in range(6)})  # fmt: skip
    assert not pixels[0] & pixels[1]
    pictures_of = [{i for i, *_ in some} for some in pixels]
    if count == 12:
        assert [len(some) for some in pictures_of] == [10, 2]
    else:
        assert pictures_of == [{0, 1, 2}, {0, 1, 2}]


def test_of_a_picture_of_the_patch_size_the_same_is_held_out():
    rows = patches(np.zeros((1, 8, 8), np.uint8), 30, (8, 8))
    train, held = rows.parted(0.1, 0)
    np.testing.assert_array_equal(train, held)


@pytest.mark.parametrize(
    ("kinds", "mode", "channels", "first"),
    [
        (("L", "RGB"), "auto", (3,), [9, 9, 9]),
        (("RGBA",), "auto", (3,), [10, 20, 30]),  # as if nothing were transparent
        (("LA",), "auto", (), 9),
        (("RGB", "L"), "grey", (), 18),
        (("L",), "colour", (3,), [9, 9, 9]),
    ],
)
@pytest.mark.parametrize("from_files", [True, False])
def test_pictures_become_grey_or_colour(tmp_path, kinds, mode, channels, first, from_files):
    colours = {"L": 9, "RGB": (10, 20, 30), "RGBA": (10, 20, 30, 0), "LA": (9, 0)}
    made = [Image.new(kind, (8, 8), colours[kind]) for kind in kinds]
    for i, image in enumerate(made):
        image.save(tmp_path / f"{i}.png")
    source = tmp_path if from_files else [np.asarray(image) for image in made]
    if not from_files and kinds[0] in ("RGBA", "LA"):  # of arrays nobody knows what channels are
        mode = "colour" if channels else "grey"
    rows = patches(source, 4, (4, 4), mode=mode)
    assert rows.shape == (4, 4, 4, *channels)
    found = rows.pictures[0]
    np.testing.assert_array_equal(found[0, 0], first)


def test_arrays_keep_their_channels_and_their_range():
    rows = patches(np.linspace(-2, 3, 2 * 8 * 8 * 5).reshape(2, 8, 8, 5), 7, (4, 4))
    assert rows.shape == (7, 4, 4, 5)
    assert rows.ends == (-2, 3)
    assert patches(np.ones((1, 8, 8), np.uint8), 7, (4, 4)).ends == (0, 255)
    assert patches(np.ones((1, 8, 8), np.uint16), 7, (4, 4)).ends == (0, 65535)


def test_small_pictures_are_left_out_with_a_warning(fails):
    arrays = numbered([(20, 30), (5, 30), (20, 4)])
    with pytest.warns(
        UserWarning, match=re.escape("2 of 3 pictures are smaller than a patch of 6x6")
    ):
        rows = patches(arrays, 50, (6, 6), turns=False)
    assert {*places(np.asarray(rows))[0]} == {0}
    fails(
        "3 of 3 pictures are smaller than a patch of 64x6, such as picture 0 (20x30)",
        patches, arrays, 5, (64, 6),
    )  # fmt: skip


def damaged(folder):
    saved(folder, numbered([(20, 30)] * 3))
    content = (folder / "01.png").read_bytes()
    (folder / "01.png").write_bytes(content[: len(content) // 2])
    return folder


def test_a_damaged_picture_is_named_before_any_work_or_left_out(tmp_path, fails, monkeypatch):
    folder = damaged(tmp_path)
    fails("01.png is cut off or damaged", patches, folder, 50, (6, 6))
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "MEMORY", 1500)
        rows = patches(folder, MANY, (6, 6))
        fails("01.png is cut off or damaged", np.asarray, rows)
        with pytest.warns(UserWarning, match=r"1 of 3 files of .* are left out: 01\.png"):
            patches(folder, MANY, (6, 6), on_error="skip")
    with pytest.warns(UserWarning, match=r"1 of 3 files"):
        rows = patches(folder, 50, (6, 6), on_error="skip", turns=False)
    assert {*places(np.asarray(rows))[0]} == {0, 2}


def test_a_picture_that_changed_is_refused(tmp_path, fails, tiny_memory):
    rows = patches(saved(tmp_path, numbered()), MANY, (6, 6))
    for i in range(3):
        Image.fromarray(np.zeros((50, 50), np.uint16)).save(tmp_path / f"{i:02}.png")
    fails("was", np.asarray, rows)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        ([], "There are no pictures"),
        (["a.png"], "a.png"),
        ("nowhere", "no such folder"),
        ([np.zeros((8, 8), np.uint8), np.zeros((8, 8))], "several types (float64, uint8)"),
        ([np.full((8, 8), np.nan)], "Picture 0 has NaN"),
        (np.zeros((8, 8)), "Picture 0 is an array of shape (8,)"),
        ([np.zeros((8, 8, 5)), np.zeros((8, 8))], "Picture 0 has 5 channels"),
    ],
)
def test_what_are_no_pictures_is_refused(source, match, fails):
    fails(match, patches, source, 5, (4, 4))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"n": 0}, "n, must be a whole number from 1; got 0"),
        ({"size": (4,)}, "The size must be"),
        ({"size": (4, 0)}, "The size must be"),
        ({"mode": "rgb"}, "The mode must be one of auto, grey, colour; got 'rgb'"),
        ({"on_error": "no"}, "The on_error must be one of"),
        ({"source": 5}, "A int is no source of pictures"),
    ],
)
def test_options_out_of_range_are_refused(change, match):
    given = {"source": numbered(), "n": 5, "size": (4, 4), **change}
    with pytest.raises((ValueError, TypeError), match=re.escape(match)) as caught:
        patches(**given)
    assert not isinstance(caught.value, TableError)
