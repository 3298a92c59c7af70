"""`isthmus denoise --estimate`: what it prints, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from isthmus.images import estimate_noise

RNG = np.random.default_rng(0)
Y, X = np.mgrid[:96, :112]
CLEAN = 110 + 60 * np.sin(X / 40) * np.cos(Y / 30)


def noisy(std):
    return np.clip(np.rint(CLEAN + RNG.normal(0, std, CLEAN.shape)), 0, 255).astype(np.uint8)


def save(name, pixels):
    Path(name).parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(name)


@pytest.fixture
def here(ready):
    """Commands in a folder with pictures of known noise: colour with alpha, grey, and 16 bits."""
    clear = np.full(CLEAN.shape, 255, np.uint8)
    save("in/alpha.png", np.stack([noisy(20), noisy(20), noisy(20), clear], axis=2))
    save("in/clean.png", noisy(0))
    save("in/deep.png", noisy(20).astype(np.uint16) * 257)
    return ready


def test_a_line_for_each_picture(here):
    ended = here("denoise --estimate in")
    assert (ended.status, ended.err) == (0, "")
    table = pl.read_csv(ended.out.encode())
    assert table["file"].to_list() == ["alpha.png", "clean.png", "deep.png"]
    assert table["noise"].to_list() == ["gaussian", "none", "gaussian"]
    np.testing.assert_allclose(table["deviation"][[0, 2]], [20, 20 * 257], rtol=0.15)
    assert here("denoise --estimate in --quiet").out == ended.out
    facts = json.loads(here("denoise --estimate in --json").out)
    assert facts["table"] == table.to_dict(as_series=False)
    assert here("denoise --estimate in -o found.csv").status == 0
    assert pl.read_csv("found.csv").equals(table)


def test_one_picture_and_what_a_model_was_trained_on(here):
    ended = here("denoise p.isthmus --estimate in/deep.png --json")
    facts = json.loads(ended.out)
    assert facts["trained_on"].startswith("gaussian (deviation ")
    wanted = estimate_noise(np.asarray(Image.open("in/deep.png"))).deviation
    assert facts["table"]["deviation"] == [pytest.approx(wanted, rel=0.005)]


def test_small_pictures_are_named(here):
    save("in/small.png", noisy(20)[:47])
    ended = here("denoise --estimate in")
    assert "in: 1 of 4 pictures, such as small.png, have fewer than 48 x 48 pixels" in ended.err
    assert ended.out.splitlines()[-1] == "small.png,,,,"
    ended = here("denoise --estimate photos")
    assert (ended.status, ended.out) == (1, "")
    assert "photos has only pictures of fewer than 48 x 48 pixels" in ended.err


@pytest.mark.parametrize(
    ("words", "match", "status"),
    [
        ("p.isthmus out --estimate in", "looks at in and cleans nothing: leave out out", 2),
        ("--estimate in --overlap 0", "cleans nothing: leave --overlap out", 2),
        ("--estimate in --noise other", "cleans nothing: leave --noise out", 2),
        ("--estimate in --train-on in", "cleans nothing: leave --train-on out", 2),
        ("--estimate in --id name", "cleans nothing: leave --id out", 2),
        ("--estimate in --size 8x8", "--size would resize the noise too", 2),
        ("--estimate in/clean.png --skip-bad", "is one image: --skip-bad is for folders", 2),
        ("--estimate p.isthmus in", "p.isthmus is a model, and --estimate takes pictures", 2),
        ("--estimate t.csv", "t.csv is no picture and no folder of pictures", 1),
        ("--estimate nowhere", "there is no such file or folder", 1),
        ("none.isthmus --estimate in", "none.isthmus: there is no such file", 1),
        ("m.isthmus --estimate in", "in is a folder of images, but m.isthmus was fitted on", 1),
        ("--estimate in -o found.txt", "must end in .csv", 1),
        ("p.isthmus in", "denoise needs a place for its result", 2),
    ],
)
def test_what_does_not_go_with_it_is_refused(here, words, match, status):
    ended = here(f"denoise {words}")
    assert match in ended.err
    assert (ended.status, ended.out) == (status, "")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(("std", "warns"), [(8, True), (70, False)])
def test_a_model_of_another_noise_is_warned_of(ready, std, warns):
    for i in range(6):
        save(f"in/{i}.png", noisy(std))
    ended = ready("denoise p.isthmus in -o out")
    assert ended.status == 0
    text = "5 of the first 5 pictures have another noise than p.isthmus was trained on, such as"
    assert (text in ended.err) is warns
    assert ended.err.count("\n") == warns
    ended = ready("denoise p.isthmus --estimate in --json")
    assert (text in ended.err) is warns
    deviation = float(json.loads(ended.out)["trained_on"].split()[-1].rstrip(")"))
    assert deviation == pytest.approx(0.3 * 255, rel=0.03)
