"""`isthmus fit --patches`: the same as in Python, and what does not go with it."""

import numpy as np
import pytest
from PIL import Image

import isthmus
from isthmus import Autoencoder
from isthmus.images import patches

FIT = "fit large --patches 120 --size 6x6 --max-epochs 3 --batch-size 32 --quiet"


@pytest.fixture
def large(ready, tmp_path):
    """A folder of photographs of two sizes, and commands in the folder above it."""
    (tmp_path / "large").mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(0, 255, (20, 30) if i % 2 else (9, 8), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "large" / f"{i:02}.png")
    return ready


def weights(ae):
    return np.asarray(ae.net_.encoder[0].weight)


def test_a_fit_on_patches_is_that_of_python(large):
    assert large(FIT + " -o mine.isthmus --random-state 3 --test large").status == 0
    found = isthmus.load("mine.isthmus")
    assert found.sample_shape_ == (6, 6)
    assert found.fitted_.image_scale == 1
    rows = patches("large", 120, (6, 6), random_state=3)
    wanted = Autoencoder(max_epochs=3, batch_size=32, random_state=3).fit(rows)
    np.testing.assert_array_equal(weights(found), weights(wanted))


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ("fit large --patches 5", "--patches needs --size, the height and the width of a patch"),
        ("fit large --patches 0 --size 6x6", "--patches must be a whole number from 1; got 0"),
        ("fit large --size 6x6 --no-turns", "--no-turns is for patches"),
        ("fit t.csv --patches 5", "t.csv is a file: --patches is for folders of images"),
        (FIT + " --weight a", "large is a folder of images: --weight is for tables"),
        (FIT + " --by kind", "large is a folder of images: --by is for tables"),
        (
            "fit large --patches 5 --size 60x60",
            "12 of 12 pictures are smaller than a patch of 60x60",
        ),
        (FIT + " --init p.isthmus", "--size 6x6 is another size"),
    ],
)
def test_what_does_not_go_with_patches_is_refused(large, words, match):
    ended = large(words + " -o no.isthmus")
    assert ended.status != 0
    assert match in ended.err
