"""`isthmus denoise --train-on`: noisy pictures are cleaned by a model of these alone."""

from pathlib import Path

import numpy as np
import pytest

import isthmus
from isthmus import images
from isthmus.cli import blind
from isthmus.cli.blind import known_deviation
from isthmus.io import FileError


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("noisy"), np.random.default_rng(0)
    i, j = np.mgrid[:48, :64]
    clean = np.stack(
        [128 + 80 * np.sin(i / a) * np.cos(j / b) for a, b in rng.uniform(4, 9, (6, 2))]
    )
    noisy = np.clip(np.rint(clean + rng.normal(scale=20, size=clean.shape)), 0, 255).astype(
        np.uint8
    )
    images.write_images(folder, [f"{k}.png" for k in range(6)], noisy, overwrite=True)
    return folder, clean, noisy


def test_the_deviation_of_noise_is_found(pictures):
    _, clean, noisy = pictures
    rows = images.patches(noisy, 10, (16, 16))
    assert known_deviation(rows, Path("noisy")) == pytest.approx(20 / 255, rel=0.15)
    rows = images.patches(clean.astype(np.uint8), 10, (16, 16))
    with pytest.raises(FileError, match="clean: no noise was found in most of its pictures"):
        known_deviation(rows, Path("clean"))
    rows = images.patches(noisy[:, :40], 10, (16, 16))
    with pytest.raises(FileError, match="fewer than 48 x 48 pixels cannot be estimated"):
        known_deviation(rows, Path("small"))


def test_noise_of_another_kind_is_told(pictures):
    _, clean, _ = pictures
    struck = np.random.default_rng(1).random(clean.shape)
    peppered = np.select([struck < 0.05, struck > 0.95], [0, 255], clean).astype(np.uint8)
    with pytest.warns(UserWarning, match="looks like saltpepper and is taken for gaussian"):
        known_deviation(images.patches(peppered, 10, (16, 16)), Path("struck"))


def test_pictures_are_cleaned_by_a_model_of_themselves(pictures, tmp_path, cli, monkeypatch):
    folder, _, noisy = pictures
    monkeypatch.setattr(blind, "MANY", 120)
    monkeypatch.setattr(blind, "SIDE", 16)
    out, model = tmp_path / "clean", tmp_path / "m.isthmus"
    words = [
        "denoise",
        "--train-on",
        folder,
        "-o",
        out,
        "--keep",
        model,
        "--max-epochs",
        "6",
        "--quiet",
    ]
    assert cli(*words).status == 0
    found = images.read_images(out)
    assert found.pixels.shape == noisy.shape
    assert list(found.names) == [f"{k}.png" for k in range(6)]
    (learnt,) = isthmus.load(model).slots_.corruption
    assert learnt.std == pytest.approx(20 / 255, rel=0.15)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["-o", "c"], "denoise needs a MODEL and DATA"),
        (["m", "d", "-o", "c", "--noise", "other"], "--noise is for a model that is trained first"),
        (["m", "d", "-o", "c", "--train-on", "p"], "leave MODEL and DATA out"),
        (["-o", "c", "--train-on", "nowhere"], "nowhere"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(words, sentence, cli):
    result = cli("denoise", *words)
    assert result.status == (1 if "nowhere" in words else 2)
    assert sentence in result.err
