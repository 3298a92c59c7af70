"""The command line: results, one line for each error, exit statuses, signals and start-up."""

import inspect
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus import images
from isthmus.cli import options as _options
from isthmus.cli.commands import fit
from isthmus.io.tables import read_table

VERBS = """fit encode reconstruct score info report demo embed compare tune export detect explain
denoise""".split()
OF_COLUMNS = ("columns", "column_weights")  # --as and --column-weight, beside other options
HEAVY = ("jax", "sklearn", "numpy", "polars", "scipy")
LIGHT = ["--max-epochs", "5", "--random-state", "0", "--quiet"]


@pytest.fixture
def cli(cli, tmp_path):
    """Run a command line in an empty folder with one table, `t.csv`."""
    write_tables(tmp_path)
    return cli


def write_tables(folder):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(120, 2))
    x = z @ rng.normal(size=(2, 4)) + 0.1 * rng.normal(size=(120, 4))
    frame = pl.DataFrame(x, schema=list("abcd"))
    names = pl.Series("name", [f"n{i:03}" for i in range(120)])
    named = frame.insert_column(0, names).with_columns(w=pl.lit(1.0), late=-pl.col("a"))
    named.head(100).write_csv(folder / "t.csv")
    named.tail(20).select("d", "late", "c", "b", "name", "a", "w").write_csv(folder / "new.csv")


@pytest.fixture
def model(cli):
    ended = cli("fit", "t.csv", "--id", "name", "--ignore", "late,w", *LIGHT)
    assert ended.status == 0
    return "t.isthmus"


def refused(ended, text, status=1):
    """Assert that a command line ended with one line on the standard error, and nothing else."""
    assert ended.status == status, ended
    assert ended.out == ""
    assert ended.err.startswith("isthmus: ")
    assert ended.err.count("\n") == 1
    assert text in ended.err


# -- fit -----------------------------------------------------------------------------------------


def test_fit_writes_a_model_and_says_how_good_it_is(cli):
    ended = cli("fit", "t.csv", "--id", "name", "--columns", "a,b,c,d", "--max-epochs", 5)
    assert ended.status == 0
    assert re.search(r"^model +t.isthmus \(22 parameters\)$", ended.out, re.M)
    assert re.search(r"^data +100 rows, 4 features$", ended.out, re.M)
    assert "by PCA" in ended.out
    assert re.search(r"^score +-?\d\.\d+ \(1 is perfect", ended.out, re.M)
    assert "fit: 5 of 5 epochs" in ended.err
    ae = isthmus.load("t.isthmus")
    assert list(ae.feature_names_in_) == list("abcd")
    assert (ae.verbose, ae.warm_start) == (0, False)


def test_fit_equals_the_estimator(cli, model):
    frame = pl.read_csv("t.csv").select(list("abcd"))
    ae = isthmus.Autoencoder(max_epochs=5, random_state=0)
    with pytest.warns(UserWarning, match="PCA"):
        ae.fit(frame)
    codes = isthmus.load(model).transform(frame)
    np.testing.assert_array_equal(codes, ae.transform(frame))


def test_every_parameter_is_an_option(cli):
    signature = inspect.signature(isthmus.Autoencoder).parameters
    options = {f.name for f in fields(_options.AutoencoderOptions)}
    assert options == set(signature) - {"warm_start", "verbose", *OF_COLUMNS}
    words = [
        *("--n-components", 3, "--architecture", "dense:hidden=[6],activation=tanh"),
        *("--corruption", "gaussian:std=0.1", "--corruption", "masking:rate=0.2"),
        *("--sparsity", "kl:rho=0.1", "--penalty", "l2", "--loss", "huber", "--scaling", "minmax"),
        *("--pretrain", 1, "--freeze", "1", "--max-epochs", 2, "--batch-size", 50),
        *("--learning-rate", 0.01, "--early-stopping", "no", "--validation-fraction", 0.2),
        *("--n-iter-no-change", 3, "--tol", 0.01, "--dtype", "float64", "--device", "cpu"),
        *("--random-state", 1),
    ]
    ended = cli("fit", "t.csv", "--ignore", "name,late,w", "--quiet", *words)
    assert ended.status == 0, ended
    told = json.loads(cli("info", "t.isthmus", "--json").out)
    assert [c["name"] for c in told["slots"]["corruption"]] == ["gaussian", "masking"]
    assert told["slots"]["architecture"]["hidden"] == [6]
    assert told["slots"]["sparsity"]["rho"] == 0.1
    params = told["parameters"]
    assert params["early_stopping"] is False
    assert (params["max_epochs"], params["batch_size"], params["tol"]) == (2, 50, 0.01)
    assert (params["dtype"], params["device"]) == ("float64", None)
    assert (params["pretrain"], params["freeze"]) == (1, 1)


def test_the_help_tells_the_true_defaults(cli):
    text = " ".join(re.sub(r"[│╭╮╰╯─\n]", " ", cli("fit", "--help").out).split())
    text = text.partition("The equation")[2]
    for name, parameter in inspect.signature(isthmus.Autoencoder).parameters.items():
        if name in ("warm_start", "verbose", *OF_COLUMNS):
            continue
        about = re.search(rf"--{name.replace('_', '-')} .*?(?= --|$)", text).group()
        told = re.search(r"\[default: (.*?)\]", about)
        if name == "random_state":  # the same command gives the same result
            assert told.group(1) == "0"
            continue
        if told is None:
            assert parameter.default is None
        elif isinstance(parameter.default, float):
            assert float(told.group(1)) == parameter.default
        else:
            assert told.group(1) == str(parameter.default).lower()


def test_fit_as_json_with_test_rows_and_weights(cli):
    words = ("--id", "name", "--ignore", "late", "--weight", "w", "--test", "new.csv", "--json")
    ended = cli("fit", "t.csv", *words, *LIGHT)
    told = json.loads(ended.out)
    assert told["interrupted"] is False
    assert told["features"] == 4
    assert told["epochs"] == 5
    assert told["baseline"]["rows"] == "held-out"
    assert told["test"]["rows"] == 20
    ae = isthmus.load(told["model"])
    assert told["test"]["score"] == ae.score(pl.read_csv("new.csv").select(list("abcd")))
    assert len(told["warnings"]) == 1
    assert ended.err == f"isthmus: warning: {told['warnings'][0]}\n"


def test_test_rows_without_weights_count_alike(cli):
    pl.read_csv("new.csv").drop("w").write_csv("plain.csv")
    words = ("fit", "t.csv", "--columns", "a,b,c", "--weight", "w", "--json", *LIGHT)
    told = [
        json.loads(cli(*words, "--force", "--test", test).out)["test"]
        for test in ("new.csv", "plain.csv")
    ]
    assert told[0] == told[1]


def test_weights_count(cli):
    frame = pl.read_csv("t.csv").with_columns(w=pl.int_range(100) % 2)
    frame.write_csv("w.csv")
    frame.filter(pl.col("w") == 1).write_csv("half.csv")
    words = ["--id", "name", "--ignore", "late", *LIGHT]
    cli("fit", "w.csv", "--weight", "w", *words)
    cli("fit", "half.csv", "--weight", "w", *words)
    assert cli("score", "w.isthmus", "new.csv").out == cli("score", "half.isthmus", "new.csv").out


def test_images_go_through(cli):
    images = np.random.default_rng(0).integers(0, 255, (30, 3, 4)).astype(np.uint8)
    np.save("images.npy", images)
    assert cli("fit", "images.npy", *LIGHT).status == 0
    assert cli("encode", "images.isthmus", "images.npy", "-o", "codes.npy").status == 0
    assert np.load("codes.npy").shape == (30, 2)
    assert cli("reconstruct", "images.isthmus", "images.npy", "-o", "again.npy").status == 0
    assert np.load("again.npy").shape == images.shape
    ended = cli("reconstruct", "images.isthmus", "images.npy", "-o", "again.csv")
    refused(ended, "Images of shape (3, 4) do not fit into again.csv: write them to a .npy file.")
    np.savez("two.npz", a=images, b=images)
    refused(cli("score", "images.isthmus", "two.npz"), "two.npz has 2 arrays; choose one")
    assert cli("score", "images.isthmus", "two.npz", "--key", "b").out.count("\n") == 31


def test_a_model_of_an_array_takes_tables_by_position(cli):
    np.save("x.npy", pl.read_csv("t.csv").select(list("abcd")).to_numpy())
    assert cli("fit", "x.npy", *LIGHT).status == 0
    ended = cli("score", "x.isthmus", "t.csv", "--columns", "a,b,c,d")
    assert ended == cli("score", "x.isthmus", "x.npy")
    assert ended.status == 0
    assert ended.err == ""
    refused(
        cli("score", "x.isthmus", "t.csv", "--columns", "a,b"),
        "t.csv has rows of 2 columns, but x.isthmus was",
    )
    ended = cli("reconstruct", "x.isthmus", "x.npy", "-o", "o.csv", "--quiet")
    assert ended == (0, "", "")
    assert pl.read_csv("o.csv").columns == ["x0", "x1", "x2", "x3"]


# -- folders of images ---------------------------------------------------------------------------


@pytest.fixture
def photos(cli):
    """Write 30 grey images to `photos`, 3 to `new`, and one in colour of another size to `odd`."""
    rng = np.random.default_rng(0)
    shades = rng.integers(0, 255, (33, 1, 1)) + rng.integers(-20, 20, (33, 4, 6))
    grey = np.clip(shades, 0, 255).astype(np.uint8)
    images.write_images("photos", [f"{i:02}.png" for i in range(29)] + ["sub/x.png"], grey[:30])
    images.write_images("new", ["b.tif", "a.png", "sub/c.bmp"], grey[30:])
    colour = rng.integers(0, 255, (1, 8, 8, 3), dtype=np.uint8)
    images.write_images("odd", ["big.png"], colour)
    return grey


@pytest.fixture
def seer(cli, photos):
    """Fit a model on the folder `photos`."""
    assert cli("fit", "photos", *LIGHT).status == 0
    return "photos.isthmus"


def test_a_folder_of_images_is_data(cli, photos, seer):
    assert isthmus.load(seer).sample_shape_ == (4, 6)
    codes = isthmus.load(seer).transform(photos[[31, 30, 32]])
    assert cli("encode", seer, "new", "-o", "codes.parquet").status == 0
    written = pl.read_parquet("codes.parquet")
    assert written.columns == ["file", "autoencoder0", "autoencoder1"]
    assert written["file"].to_list() == ["a.png", "b.tif", "sub/c.bmp"]
    np.testing.assert_array_equal(written.drop("file").to_numpy(), codes)
    assert cli("encode", seer, "new", "-o", "codes.npy").status == 0
    np.testing.assert_array_equal(np.load("codes.npy"), codes)
    scores = isthmus.load(seer).score_samples(photos[[31, 30, 32]])
    frame = pl.read_csv(cli("score", seer, "new").out.encode())
    assert frame.columns == ["file", "score"]
    np.testing.assert_array_equal(frame["score"], scores)
    told = json.loads(cli("score", seer, "new", "--json").out)
    assert told["table"]["file"] == ["a.png", "b.tif", "sub/c.bmp"]


def test_images_are_reconstructed_to_a_folder(cli, photos, seer):
    ended = cli("reconstruct", seer, "new", "-o", "again")
    assert ended == (0, "output  again\ndata    3 images\n", "")
    names, pixels = images.read_images("again")
    assert names == ["a.png", "b.tif", "sub/c.bmp"]
    expected = isthmus.load(seer).reconstruct(photos[[31, 30, 32]])
    np.testing.assert_array_equal(pixels, images.to_pixels(expected))
    refused(cli("reconstruct", seer, "new", "-o", "again"), "a.png exists (and 2 more): overwrite")
    ended = cli("reconstruct", seer, "new", "-o", "again", "--force", "--json")
    assert json.loads(ended.out) == {"output": "again", "images": 3, "warnings": []}
    assert cli("reconstruct", seer, "new", "-o", "again.npy").status == 0
    np.testing.assert_array_equal(np.load("again.npy"), expected)


def test_arrays_of_images_go_to_a_folder(cli, photos, seer):
    np.save("new.npy", photos[30:])
    np.save("deep.npy", photos[30:].astype(np.uint16))
    np.save("floats.npy", photos[30:].astype(np.float32))
    assert cli("reconstruct", seer, "new.npy", "-o", "out", "--quiet") == (0, "", "")
    names, pixels = images.read_images("out")
    assert names == ["0000.png", "0001.png", "0002.png"]
    expected = images.to_pixels(isthmus.load(seer).reconstruct(photos[30:]))
    np.testing.assert_array_equal(pixels, expected)
    assert cli("reconstruct", seer, "deep.npy", "-o", "deep").status == 0
    assert images.read_images("deep").pixels.dtype == np.uint16
    ended = cli("reconstruct", seer, "floats.npy", "-o", "no")
    refused(ended, "these rows are float32: give a .npy file with -o.")
    assert not Path("no").exists()


def test_sizes_and_colours_follow_the_model(cli, photos, seer):
    ended = cli("score", seer, "odd")
    refused(
        ended, "odd/big.png is 8x8 (height x width), but photos.isthmus was fitted on 4x6 images"
    )
    assert "resize with --size 4x6." in ended.err
    assert cli("score", seer, "odd", "--size", "4x6").out.startswith("file,score\nbig.png,-")
    ended = cli("score", seer, "odd", "--size", "8x8")
    refused(
        ended, "--size 8x8 is another size: photos.isthmus was fitted on 4x6 images, so give", 2
    )
    ended = cli("score", seer, "odd", "--size", "4x6", "--mode", "colour")
    refused(ended, "--mode colour is another mode: photos.isthmus was fitted on grey images, so", 2)
    words = ("--size", "4X6", "--mode", "colour", "-o", "c.isthmus")
    assert cli("fit", "photos", *words, *LIGHT).status == 0
    assert isthmus.load("c.isthmus").sample_shape_ == (4, 6, 3)
    assert cli("reconstruct", "c.isthmus", "new", "-o", "coloured").status == 0
    assert images.read_images("coloured").pixels.shape == (3, 4, 6, 3)
    np.save("one.npy", photos[..., None])
    assert cli("fit", "one.npy", *LIGHT).status == 0
    assert cli("reconstruct", "one.isthmus", "new", "-o", "grey").status == 0
    assert images.read_images("grey").pixels.shape == (3, 4, 6)


def test_test_folders(cli, photos, seer):
    words = ("fit", "photos", "--force", "--json", *LIGHT)
    score = isthmus.load(seer).score(photos[30:])
    told = json.loads(cli(*words, "--test", "new").out)
    assert told["test"]["rows"] == 3
    assert told["test"]["score"] == pytest.approx(score)
    np.save("new.npy", photos[30:])
    assert json.loads(cli(*words, "--test", "new.npy").out)["test"]["score"] == pytest.approx(score)
    ended = cli("fit", "photos", "--force", "--test", "odd", *LIGHT)
    refused(ended, "odd/big.png is 8x8 (height x width), but photos has 4x6 images: resize with")
    assert cli(*words, "--test", "odd", "--size", "4x6").status == 0
    np.save("photos.npy", photos)
    words = ("fit", "photos.npy", "--force", "--test", "odd", "--size", "4x6", *LIGHT)
    assert cli(*words).status == 0
    refused(cli("fit", "t.csv", "--columns", "a,b", "--test", "new"), "but t.csv has rows of 2 col")


def test_models_are_named_after_the_folder(cli, photos, tmp_path, monkeypatch):
    (tmp_path / "photos" / "none").mkdir()
    for here, data, model in (
        ("photos", ".", "photos.isthmus"),
        ("photos/none", "..", "photos.isthmus"),
        ("new", "../photos/", "photos.isthmus"),
        (".", "photos/none/..", "photos.isthmus"),
    ):
        monkeypatch.chdir(tmp_path / here)
        assert cli("fit", data, *LIGHT).status == 0
        assert Path(model).is_file()
        Path(model).unlink()
    (tmp_path / "photos").rename(tmp_path / "v1.2")
    assert cli("fit", "v1.2", *LIGHT).status == 0
    assert Path("v1.2.isthmus").is_file()


def test_an_interrupted_fit_on_a_folder_goes_on(cli, photos, monkeypatch):
    Path("photos/bad.png").write_text("no image")
    words = ("fit", "photos", "--size", "3x5", "--mode", "colour", "--skip-bad", "--test", "new")
    words = (*words, "--max-epochs", 6, "--random-state", 0, "--quiet")
    assert cli(*words, "-o", "whole.isthmus").status == 0
    hear = fit.Training._on_epoch

    def interrupt(self, row):
        if row["epoch"] == 3:
            signal.raise_signal(signal.SIGINT)
        return hear(self, row)

    with monkeypatch.context() as patched:
        patched.setattr(fit.Training, "_on_epoch", interrupt)
        ended = cli(*words, "--checkpoint")
    assert ended.status == 130
    told = re.search(r"to go on: isthmus (.*)\n", ended.err).group(1)
    again = "fit photos --resume photos.isthmus --size 3x5 --mode colour --skip-bad --test new"
    assert told == f"{again} --checkpoint --quiet"
    ended = cli(*shlex.split(told))
    assert ended.status == 0
    assert "training starts again" not in ended.err
    same_models("whole.isthmus", "photos.isthmus")
    ended = cli(*shlex.split(told.replace("3x5", "4x6")))
    refused(
        ended, "--size 4x6 is another size: photos.isthmus was fitted on 3x5 images, so give", 2
    )


def test_bad_images_can_be_left_out(cli, photos, seer):
    Path("new/bad.png").write_text("no image")
    ended = cli("score", seer, "new")
    refused(ended, "new/bad.png is no PNG, JPEG, TIFF or BMP image, or is damaged: replace or")
    ended = cli("score", seer, "new", "--skip-bad")
    assert ended.out.count("\n") == 4
    assert ended.err.startswith("isthmus: warning: 1 of 4 files of new are left out: bad.png is no")
    told = json.loads(cli("reconstruct", seer, "new", "--skip-bad", "-o", "out", "--json").out)
    assert (told["images"], len(told["warnings"])) == (3, 1)


@pytest.mark.parametrize(
    ("words", "text", "status"),
    [
        ("fit photos --columns a", "photos is a folder of images: --columns is for tables.", 2),
        ("fit photos --ignore a", "photos is a folder of images: --ignore is for tables.", 2),
        ("fit photos --weight a", "photos is a folder of images: --weight is for tables.", 2),
        ("fit photos --key a", "photos is a folder of images: --key is for tables.", 2),
        ("score M new --id a", "new is a folder of images: --id is for tables.", 2),
        ("encode M new --no-header -o o.csv", "images: --no-header is for tables.", 2),
        ("fit t.csv --size 4x6", "t.csv is a file: --size is for folders of images.", 2),
        ("score M t.csv --skip-bad", "t.csv is a file: --skip-bad is for folders of images.", 2),
        ("fit photos --size 4", "--size must be height x width, such as 28x28; got '4'.", 2),
        ("fit photos --size 0x4", "--size must be height x width, such as 28x28; got '0x4'.", 2),
        (
            "fit photos --mode gray",
            'Invalid value "gray" for --mode. Choose from: "auto", "grey"',
            2,
        ),
        ("fit photoz", "Cannot read photoz: there is no such file or folder.", 1),
        ("fit empty", "empty has no images: files that end in .png, .jpg, .jpeg, .tif,", 1),
        ("fit mixed", "mixed has images of 2 sizes (height x width), 4x6 (2), 8x8 (1), where", 1),
        ("fit photos --test t.csv -o p.isthmus --quiet", "the column 'name' is not numeric", 1),
        ("fit odd --resume M", "odd/big.png is 8x8 (height x width), but photos.isthmus was", 1),
        ("fit photos", "photos.isthmus exists; overwrite it with --force", 1),
        ("score T new", "new is a folder of images, but t.isthmus was fitted on rows of 4 col", 1),
        ("score four.isthmus new", "new gives images of 1 or 3 channels, but four.isthmus was", 1),
        (
            "reconstruct M new -o o.csv",
            "Images do not fit into o.csv: write them to a folder or",
            1,
        ),
        ("reconstruct M new -o new", "The output new is new, the folder that is read; give", 1),
        ("reconstruct M new -o new/out", "The output new/out lies in new, the folder that is", 1),
        ("reconstruct M new -o no/out", "Cannot write to no/out: the folder no does not exist.", 1),
        ("reconstruct M new -o file", "Cannot write to file: it is a file, and a folder is", 1),
        (
            "reconstruct T t.csv -o out",
            "The output out must end in .csv, .csv.gz, .parquet, .feather",
            1,
        ),
        ("reconstruct rows.isthmus rows.npy -o out", "these rows are no images: give a .npy", 1),
        ("reconstruct M twins -o out", "'a.bmp' and 'a.png' would both be written to", 1),
        ("encode M new -o out", "The output out must end in .csv, .csv.gz, .parquet, .feather", 1),
        ("info photos", "Cannot read photos: it is a folder, and a file is needed.", 1),
    ],
)
def test_errors_with_folders(cli, photos, seer, words, text, status):
    folders_for_errors(photos)
    before = sorted(Path().rglob("*"))
    if "T" in words.split():
        assert cli("fit", "t.csv", "--columns", "a,b,c,d", *LIGHT, "-o", "t.isthmus").status == 0
    if "rows.isthmus" in words:
        assert cli("fit", "rows.npy", *LIGHT).status == 0
    if "four" in words:
        assert cli("fit", "four.npy", *LIGHT).status == 0
    named = {"M": seer, "T": "t.isthmus"}
    refused(cli(*(named.get(w, w) for w in words.split())), text, status)
    after = {p for p in Path().rglob("*") if p.suffix != ".isthmus" and "cache" not in p.parts}
    assert after == {p for p in before if p.suffix != ".isthmus" and "cache" not in p.parts}


def folders_for_errors(grey):
    for name in ("empty", "mixed", "twins"):
        Path(name).mkdir()
    images.write_images("mixed", ["a.png", "b.png"], grey[:2])
    images.write_images("mixed", ["c.png"], np.zeros((1, 8, 8), np.uint8))
    deep = grey.astype(np.uint16)
    images.write_images("twins", ["a.png", "b.png"], deep[:2])
    Path("twins/b.png").rename("twins/a.bmp")  # 16 bits, which a .bmp cannot take
    Path("file").write_text("x")
    np.save("rows.npy", grey[:, 0])
    np.save("four.npy", np.stack([grey] * 4, axis=-1))


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("fot", 'Unknown command "fot". Did you mean "fit"?'),
        ("fit", "DATA requires an argument. See isthmus fit --help."),
        ("fit t.csv --los mae", "Unknown option: --los."),
        (
            "fit t.csv u.csv",
            "isthmus fit does not take u.csv as well: give one file or folder.",
        ),
        ("fit t.csv --columns a b c", "Names are given with commas: --columns a,b,c."),
        ("fit t.csv --columns a odd.npy", "does not take odd.npy as well: give one"),
        ("fit a b c d e f", "does not take b, c, d and 2 more as well: give one"),
        (
            "score t.isthmus t.csv -o -",
            "- is no file, and isthmus reads and writes files, by their",
        ),
        ("fit -", "- is no file, and isthmus reads and writes files"),
        ("score - t.csv", "- is no file, and isthmus reads and writes files"),
        ("fit t.csv --n-components x", 'Invalid value for --n-components: unable to convert "x"'),
        ("fit t.csv --scaling big", "The scaling must be 'auto', 'standard', "),
        ("fit t.csv --n-components 0", "n_components must be a whole number of at least 1; got 0."),
        (
            "fit t.csv --max-epochs many",
            "must be 'auto' or a whole number of at least 1; got 'many'",
        ),
        ("fit t.csv --batch-size -3", "batch_size must be 'auto' or a whole number"),
        ("fit t.csv --loss mze", "Unknown loss 'mze'. Did you mean 'mse'?"),
        ("fit t.csv --loss none", "The loss cannot be None."),
        ("fit t.csv --sparsity kl:rho=2", "needs rho to be a number in"),
        (
            "fit t.csv --architecture dense:hidden=64,32",
            "'32' is not of the form parameter=value. A li",
        ),
        ("fit t.csv --sparsity kl:rho", "'rho' is not of the form parameter=value."),
        ("fit t.csv --device tpu:9", "No device 'tpu:9' here; use None or one of"),
        ("fit odd.npy --id a", "--id needs a CSV or Parquet file: odd.npy is an array without"),
        ("encode m.isthmus t.csv", "--output requires an argument. See isthmus encode --help."),
    ],
)
def test_wrong_usage(cli, words, text):
    np.save("odd.npy", np.ones((2, 3)))
    refused(cli(*words.split()), text, status=2)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("fit no.csv", "Cannot read no.csv: there is no such file."),
        (
            "fit /dev/stdin",
            "/dev/stdin is a stream, and isthmus reads files, by their endings: save",
        ),
        ("fit t.csv --test /dev/fd/9", "/dev/fd/9 is a stream"),
        ("fit /dev/null", "/dev/null is a stream"),
        ("fit /dev/shm/no.csv", "Cannot read /dev/shm/no.csv: there is no such file."),
        ("fit parts/*.csv", "no file of this name, and none of tables fits the pattern."),
        ("score . t.csv", "Cannot read .: it is a folder, and a file is needed."),
        ("fit first.csv", "first.csv has one row, and training needs two at least."),
        ("detect first.csv", "first.csv has one row, and training needs two at least."),
        ("fit one.PNG", "one.PNG is one image: give the folder ., all of whose are read."),
        ("fit t.csv --test no.csv", "Cannot read no.csv: there is no such file."),
        ("fit t.csv --resume no.isthmus", "Cannot read no.isthmus: there is no such file."),
        ("fit t.csv --resume t.csv -o m.isthmus", "t.csv is no isthmus model, or is cut off"),
        ("fit t.csv -o no/m.isthmus", "the folder no does not exist."),
        ("fit t.csv -o m.pkl", "The output m.pkl must end in .isthmus."),
        ("fit t.csv --as name=number", "line 2: 'n000' in the column 'name' is no number, and so"),
        ("fit t.csv --id nome", "t.csv has no column 'nome'. Did you mean 'name'?"),
        ("fit t.csv --id name --weight a", "t.csv has the weight -"),
        ("fit t.csv --columns a --test bad.csv", "bad.csv lacks the column 'a', which the model"),
        ("fit empty.csv", "empty.csv has no column to learn from: 'x', 'y' (without any cell)."),
        ("fit bad.csv --key k", "bad.csv is one table: --key chooses an array"),
        ("fit t.csv --columns a,b,c --loss bce", "needs data in [0, 1]"),
        (
            "fit t.csv --columns a,b --test odd.npy",
            "odd.npy has rows of 3 columns, but t.csv has rows of 2 columns.",
        ),
        ("info no.isthmus", "Cannot read no.isthmus: there is no such file."),
        ("info t.csv", "t.csv is no isthmus model"),
        ("demo -o t.csv", "Cannot write t.csv: it is a file, and a folder is needed."),
    ],
)
def test_errors_are_one_sentence(cli, tmp_path, words, text):
    (tmp_path / "bad.csv").write_text("x,y\n1,\n2,3\n")
    (tmp_path / "one.PNG").touch()
    (tmp_path / "empty.csv").write_text("x,y\n,\nNA,?\n")
    (tmp_path / "first.csv").write_text("x,y\n1,2\n")
    np.save("odd.npy", np.array([[1.0, np.nan, 2.0], [1.0, 3.0, 2.0]]))
    refused(cli(*words.split(), *(["--quiet"] if words.startswith("fit") else [])), text)
    assert not list(tmp_path.glob("*.isthmus"))


@pytest.mark.parametrize(
    ("words", "text", "status"),
    [
        ("encode t.isthmus t.csv -o o.csv --layer 7", "The layer must be from 1 to 1", 1),
        ("encode t.isthmus few.csv -o o.csv", "few.csv lacks the columns 'c', 'd', which", 1),
        ("encode t.isthmus t.csv -o t.csv --force", "The output t.csv is also an input", 1),
        ("encode t.isthmus t.csv -o t.isthmus", "must end in .csv, .csv.gz, .parquet, .feather", 1),
        ("encode t.isthmus t.csv -o o.npy --id name", "Identifiers do not fit into o.npy", 2),
        ("reconstruct t.isthmus t.csv -o o.csv --id a", "The identifier 'a' has the name of a", 2),
        ("score t.isthmus t.csv -o new.csv", "new.csv exists; overwrite it with --force", 1),
        ("fit t.csv --columns a,b", "t.isthmus exists; overwrite it with --force", 1),
        ("fit t.csv --resume t.isthmus --n-components 3", "--n-components cannot be changed", 2),
        ("fit t.csv --resume enc.isthmus", "enc.isthmus is an encoder alone and can only enc", 2),
        (
            "score t.csv t.isthmus",
            "t.isthmus is a model, and data are needed in its place: the mod",
            2,
        ),
        ("fit t.isthmus", "t.isthmus is a model, and data are needed in its place.", 2),
        ("score enc.isthmus t.csv", "enc.isthmus is an encoder alone and can only encode", 2),
    ],
)
def test_errors_with_a_model(cli, model, words, text, status):
    pl.read_csv("t.csv").select("a", "b").write_csv("few.csv")
    isthmus.load(model).save("enc.isthmus", part="encoder")
    refused(cli(*words.split()), text, status)
    assert not Path("o.csv").exists()


def test_unexpected_errors_need_debug(cli, monkeypatch):
    def broken(*_, **__):
        raise KeyError("x\ny")

    monkeypatch.setattr("isthmus.cli.commands.info.load_any", broken)
    refused(cli("info", "t.csv"), "unexpected KeyError: 'x\\ny'; --debug shows the traceback.")
    ended = cli("info", "t.csv", "--debug")
    assert ended.status == 1
    assert "Traceback" in ended.err


def test_divergence_is_told(cli):
    words = ("--learning-rate", "1e30", "--columns", "a,b,c", "--architecture", "dense:hidden=[9]")
    ended = cli("fit", "t.csv", *words, "--max-epochs", 50, "--quiet")
    assert ended.status == 1
    assert "learning_rate" in ended.err


def test_a_cache_that_cannot_be_kept_stops_nothing(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "t.csv"))  # a file, where a folder is needed
    ended = cli("fit", "t.csv", "--columns", "a,b,c,d", *LIGHT)
    assert ended.status == 0
    assert "isthmus: warning: Compiled programs are not kept: [Errno " in ended.err


def test_a_file_without_names_is_suspected(cli, tmp_path):
    (tmp_path / "plain.csv").write_text("1,2,3\n" + "4,5,7\n5,6,1\n" * 9)
    ended = cli("fit", "plain.csv", *LIGHT)
    assert "warning: The first line of plain.csv looks like data" in ended.err
    ended = cli("fit", "plain.csv", "--no-header", "--force", "--json", *LIGHT)
    assert "looks like" not in ended.err
    assert json.loads(ended.out)["rows"] == 19


# -- encode, reconstruct, score, info, demo ------------------------------------------------------


def test_encode(cli, model):
    ended = cli("encode", model, "new.csv", "--id", "name", "-o", "codes.csv")
    assert ended == (0, "output  codes.csv\ndata    20 rows, 3 columns\n", "")
    written = pl.read_csv("codes.csv", infer_schema=False)
    assert written.columns == ["name", "autoencoder0", "autoencoder1"]
    assert written["name"][0] == "n100"
    codes = isthmus.load(model).transform(pl.read_csv("new.csv").select(list("abcd")))
    np.testing.assert_array_equal(written.drop("name").cast(pl.Float32).to_numpy(), codes)
    ended = cli("encode", model, "new.csv", "--layer", -1, "-o", "h.parquet", "--json")
    told = json.loads(ended.out)
    assert told["columns"] == ["autoencoder0", "autoencoder1"]  # -1 is the code
    assert pl.read_parquet("h.parquet").shape == (20, 2)


def test_reconstruct_has_names_and_units(cli, model):
    assert cli("reconstruct", model, "new.csv", "--id", "name", "-o", "o.parquet").status == 0
    written = pl.read_parquet("o.parquet")
    assert written.columns == ["name", *"abcd"]
    again = isthmus.load(model).reconstruct(pl.read_csv("new.csv").select(list("abcd")))
    np.testing.assert_array_equal(written.drop("name").to_numpy(), again)


def test_score(cli, model):
    printed = cli("score", model, "new.csv", "--id", "name")
    scores = isthmus.load(model).score_samples(pl.read_csv("new.csv").select(list("abcd")))
    frame = pl.read_csv(printed.out.encode())
    assert frame.columns == ["name", "score"]
    np.testing.assert_array_equal(frame["score"], scores)
    told = json.loads(cli("score", model, "new.csv", "--json", "--id", "name").out)
    assert told["table"]["score"] == scores.tolist()
    assert told["table"]["name"][-1] == "n119"
    assert cli("score", model, "new.csv", "-o", "s.csv.gz", "--json").status == 0
    assert cli("score", model, "new.csv", "-o", "s.csv.gz", "--force").status == 0
    assert read_table(Path("s.csv.gz")).rows.columns == ["score"]


def test_formulas_are_made_harmless_unless_raw(cli, model):
    frame = pl.read_csv("new.csv").with_columns(name=pl.lit("=cmd()"))
    frame.write_csv("evil.csv")
    assert "'=cmd()," in cli("score", model, "evil.csv", "--id", "name").out
    assert "\n=cmd()," in cli("score", model, "evil.csv", "--id", "name", "--raw").out


def test_options_may_come_first(cli, model):
    ended = cli("score", "--id", "name", "--id=late", model, "new.csv")
    assert ended.out.startswith("name,late,score\n")


def test_info(cli, model):
    ended = cli("info", model)
    assert ended.out.startswith("t.isthmus: ")
    assert isthmus.load(model).summary() in ended.out
    assert "Columns\n  a, b, c, d\n" in ended.out
    told = json.loads(cli("info", model, "--json").out)
    assert told["bytes"] == Path(model).stat().st_size
    assert told["slots"]["loss"] == {"name": "mse"}
    assert told["features"] == list("abcd")
    assert told["n_parameters"] == 22
    assert told["resumable"] is False
    assert told["baseline"]["model"] > 0


def test_demo(cli, monkeypatch, tmp_path):
    asked = []

    def run(folder, quick, verbose):
        asked.append((folder, quick, verbose))
        return folder / "report.html"

    monkeypatch.setitem(sys.modules, "isthmus.demo", SimpleNamespace(run=run))
    monkeypatch.delattr(isthmus, "demo", raising=False)
    assert cli("demo") == (0, "report  demo/report.html\n", "")
    told = json.loads(cli("demo", "--output", tmp_path / "d", "--quick", "--json").out)
    assert told["report"] == str(tmp_path / "d" / "report.html")
    assert cli("demo", "--quiet") == (0, "", "")
    assert asked == [(Path("demo"), False, 1), (tmp_path / "d", True, 1), (Path("demo"), False, 0)]


def test_results_on_a_terminal_are_a_table(cli, model, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "│ o.csv " in cli("score", model, "new.csv", "-o", "o.csv").out


# -- interrupts ----------------------------------------------------------------------------------


def long_fit(tmp_path, *words):
    """Return a command line that trains for seconds, in an odd number of steps an epoch."""
    rng = np.random.default_rng(0)
    np.save(tmp_path / "long.npy", rng.normal(size=(700, 20)).astype(np.float32))
    return ["fit", "long.npy", "--random-state", "3", *words]


def same_models(one, two):
    a, b = isthmus.load(one), isthmus.load(two)
    for left, right in zip(
        a.net_.encoder + a.net_.decoder, b.net_.encoder + b.net_.decoder, strict=True
    ):
        np.testing.assert_array_equal(left.weight, right.weight)
        np.testing.assert_array_equal(left.bias, right.bias)
    assert a.history_["loss"] == b.history_["loss"]
    assert a.get_params() == b.get_params()
    assert a.baseline_ == b.baseline_


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_an_interrupted_fit_goes_on_bit_for_bit(cli, tmp_path, monkeypatch, name, status):
    words = long_fit(tmp_path, "--max-epochs", "12", "--checkpoint", "--quiet")
    assert cli(*words, "-o", "whole.isthmus").status == 0
    hear = fit.Training._on_epoch

    def signal_at_five(self, row):
        if row["epoch"] == 5:
            signal.raise_signal(getattr(signal, name))
        return hear(self, row)

    handler = signal.getsignal(getattr(signal, name))
    with monkeypatch.context() as patched:
        patched.setattr(fit.Training, "_on_epoch", signal_at_five)
        ended = cli(*words)
    assert signal.getsignal(getattr(signal, name)) is handler
    assert ended.status == status
    told = re.search(r"to go on: isthmus (.*)\n", ended.err)
    assert "the model so far is in long.isthmus" in ended.err
    assert told.group(1) == "fit long.npy --resume long.isthmus --checkpoint --quiet"
    assert json.loads(cli("info", "long.isthmus", "--json").out)["resumable"]
    assert cli(*shlex.split(told.group(1))).status == 0
    same_models("whole.isthmus", "long.isthmus")


def test_a_killed_process_goes_on_bit_for_bit(cli, tmp_path):
    words = long_fit(tmp_path, "--architecture", "dense:hidden=[64]", "--max-epochs", "400")
    command = [sys.executable, "-m", "isthmus", *words, "--json"]
    env = os.environ | {"ISTHMUS_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as process:
        for line in process.stderr:
            if "epoch" in line:
                process.send_signal(signal.SIGTERM)
                break
        out, err = process.communicate()
    assert process.returncode == 143, err
    told = json.loads(out)
    assert told["interrupted"]
    assert told["epochs"] < 400
    assert told["resume"] == "isthmus fit long.npy --resume long.isthmus --json"
    assert cli(*shlex.split(told["resume"])[1:]).status == 0
    assert cli(*words, "-o", "whole.isthmus").status == 0
    same_models("whole.isthmus", "long.isthmus")


def test_checkpoints_are_models(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "CHECKPOINT_SECONDS", 0.0)
    saved = []
    save = fit.Training._save

    def seen(self, *, resume):
        save(self, resume=resume)
        saved.append((isthmus.load(self.path).n_iter_, resume))

    monkeypatch.setattr(fit.Training, "_save", seen)
    assert cli(*long_fit(tmp_path, "--max-epochs", "3", "--checkpoint", "--quiet")).status == 0
    assert saved[-1] == (3, False)
    assert all(resume for _, resume in saved[:-1])
    assert len(saved) >= 2


def test_a_signal_while_a_file_is_written_waits(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "CHECKPOINT_SECONDS", 0.0)
    save = isthmus.Autoencoder.save

    def interrupted(self, path, **options):
        signal.raise_signal(signal.SIGINT)
        save(self, path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(isthmus.Autoencoder, "save", interrupted)
        ended = cli(*long_fit(tmp_path, "--max-epochs", "5", "--checkpoint", "--quiet"))
    assert ended.status == 130
    assert isthmus.load("long.isthmus").n_iter_ >= 1


def test_an_interrupt_before_training_is_quiet(cli, monkeypatch):
    def interrupted(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr("isthmus.io.tables.read_table", interrupted)
        refused(cli("fit", "t.csv"), "interrupted.", 143)
    monkeypatch.setattr(isthmus.Autoencoder, "fit", interrupted)
    ended = cli("fit", "t.csv", "--columns", "a,b")
    refused(ended, "interrupted before the first step of training; nothing was written.", 143)


def test_resuming_what_cannot_be_resumed_warns(cli, model, tmp_path, monkeypatch):
    words = ("--id", "name", "--ignore", "late,w")
    content, times = Path(model).read_bytes(), Path(model).stat().st_mtime_ns
    ended = cli("fit", "t.csv", *words, "--resume", model, "--max-epochs", "7")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"{model} is trained to its end (5 epochs): nothing was done")
    ended = cli("fit", "t.csv", *words, "--resume", model, "-o", "other.isthmus", "--json")
    assert json.loads(ended.out)["finished_before"]
    assert not Path("other.isthmus").exists()
    assert (Path(model).read_bytes(), Path(model).stat().st_mtime_ns) == (content, times)
    hear = fit.Training._on_epoch

    def interrupt(self, row):
        if row["epoch"] == 3:
            signal.raise_signal(signal.SIGINT)
        return hear(self, row)

    with monkeypatch.context() as patched:
        patched.setattr(fit.Training, "_on_epoch", interrupt)
        assert cli("fit", "t.csv", *words, *LIGHT, "--force", "--checkpoint").status == 130
    ended = cli("fit", "new.csv", "--resume", model, "-o", "other.isthmus", *LIGHT, "--tol", "0.5")
    assert "warning: The rows, slots or settings are not those of the interrupted fit" in ended.err
    assert isthmus.load("other.isthmus").tol == 0.5


# -- the program ---------------------------------------------------------------------------------


def test_help_and_version_are_quick_and_complete(cli):
    assert cli("--version") == (0, f"isthmus {isthmus.__version__}\n", "")
    text = cli("--help").out
    for name in VERBS:
        assert f"│ {name} " in text
        assert "For example:" in cli(name, "--help").out
    assert cli().out == text


def test_options_of_several_verbs_are_told_alike(cli):
    told, names = {}, "force|raw|json|quiet|debug|id|size"
    for verb in VERBS:
        unwrapped = re.sub(r" *│\n│ {9,}", " ", cli(verb, "--help").out)
        for line in unwrapped.split("\n"):
            found = re.match(rf"│[ *]+--({names})(?: A,B| HxW)? +(.*?) *│", line)
            if found:
                told.setdefault(found[1], set()).add(found[2])
    assert len(told) == 7
    assert [texts for texts in told.values() if len(texts) != 1] == []


@pytest.mark.parametrize("words", [["--help"], ["fit", "--help"]])
def test_help_imports_nothing_heavy(words):
    command = [sys.executable, "-X", "importtime", "-m", "isthmus", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.split("\n")
    }
    assert "cyclopts" in imported
    assert not imported & set(HEAVY)


def test_a_closed_pipe_is_quiet(cli, model):
    pl.concat([pl.read_csv("new.csv")] * 2000).write_csv("big.csv")
    command = [sys.executable, "-m", "isthmus", "score", model, "big.csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_a_fit_starts_from_another_model(cli):
    assert cli("fit", "t.csv", "--id", "name", "--ignore", "late", *LIGHT).status == 0
    words = ("--id", "name", "--ignore", "late", "--init", "t.isthmus", *LIGHT)
    assert cli("fit", "t.csv", *words, "-o", "u.isthmus", "--freeze", "encoder").status == 0
    before, after = (isthmus.load(f"{name}.isthmus").net_ for name in "tu")
    assert np.array_equal(before.encoder[0].weight, after.encoder[0].weight)
    assert not np.array_equal(before.decoder[0].weight, after.decoder[0].weight)
    refused(cli("fit", "t.csv", *words), "t.isthmus is also an input")
    ended = cli("fit", "t.csv", *words, "-o", "v.isthmus", "--architecture", "conv1d")
    refused(ended, "A fitted model keeps its layers: --architecture cannot be changed.", 2)
    ended = cli("fit", "t.csv", *words, "-o", "v.isthmus", "--resume", "t.isthmus")
    refused(ended, "--resume goes on with a model, --init starts anew: give one of them.", 2)
    ended = cli("fit", "t.csv", "--columns", "a,b,c", *words[4:], "-o", "v.isthmus")
    refused(ended, "layer 1 of its encoder is 5x2 tanh, not 3x2 tanh")
