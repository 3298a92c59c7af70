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
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus import _options, commands, tables
from isthmus.__main__ import main

HEAVY = ("jax", "sklearn", "numpy", "polars", "scipy")
LIGHT = ["--max-epochs", "5", "--random-state", "0", "--quiet"]


class Ended(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def cli(capsys, monkeypatch, tmp_path):
    """Run a command line in an empty folder with one table, `t.csv`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("isthmus.runtime.enable_compilation_cache", lambda: None)
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "cache"))
    write_tables(tmp_path)

    def run(*words):
        status = main([str(w) for w in words])
        return Ended(status, *capsys.readouterr())

    return run


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
    assert "fit: epoch 5/5" in ended.err
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
    options = {f.name for f in fields(_options.Model)}
    assert options == set(signature) - {"warm_start", "verbose"}
    words = [
        *("--n-components", 3, "--architecture", "dense:hidden=[6],activation=tanh"),
        *("--corruption", "gaussian:std=0.1", "--corruption", "masking:rate=0.2"),
        *("--sparsity", "kl:rho=0.1", "--penalty", "l2", "--loss", "huber", "--scaling", "minmax"),
        *("--pretrain", "layerwise", "--max-epochs", 2, "--batch-size", 50),
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
    assert (params["dtype"], params["device"], params["pretrain"]) == (
        "float64",
        None,
        "layerwise",
    )


def test_the_help_tells_the_true_defaults(cli):
    text = " ".join(re.sub(r"[│╭╮╰╯─\n]", " ", cli("fit", "--help").out).split())
    text = text.partition("The equation")[2]
    for name, parameter in inspect.signature(isthmus.Autoencoder).parameters.items():
        if name in ("warm_start", "verbose"):
            continue
        about = re.search(rf"--{name.replace('_', '-')} .*?(?= --|$)", text).group()
        told = re.search(r"\[default: (.*?)\]", about)
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
    refused(cli("score", "x.isthmus", "t.csv", "--columns", "a,b"), "X has 2 features, but")
    ended = cli("reconstruct", "x.isthmus", "x.npy", "-o", "o.csv", "--quiet")
    assert ended == (0, "", "")
    assert pl.read_csv("o.csv").columns == ["x0", "x1", "x2", "x3"]


# -- errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("fot", 'Unknown command "fot". Did you mean "fit"?'),
        ("fit", "DATA requires an argument. See isthmus fit --help."),
        ("fit t.csv --los mae", "Unknown option: --los."),
        ("fit t.csv u.csv", "Unused Tokens: ['u.csv']."),
        ("fit t.csv --n-components x", 'Invalid value for --n-components: unable to convert "x"'),
        ("fit t.csv --scaling big", 'Invalid value "big" for --scaling. Choose from: "auto", '),
        ("fit t.csv --n-components 0", "n_components must be a whole number of at least 1; got 0."),
        (
            "fit t.csv --max-epochs many",
            "must be 'auto' or a whole number of at least 1; got 'many'",
        ),
        ("fit t.csv --batch-size -3", "batch_size must be 'auto' or a whole number"),
        ("fit t.csv --loss mze", "Unknown loss 'mze'. Did you mean 'mse'?"),
        ("fit t.csv --loss none", "The loss cannot be None."),
        ("fit t.csv --sparsity kl:rho=2", "needs rho to be a number in"),
        ("fit t.csv --sparsity kl:rho", "'rho' is not of the form parameter=value."),
        ("fit t.csv --device tpu:9", "No device 'tpu:9' here; use None or one of"),
        ("encode m.isthmus t.csv", "--output requires an argument. See isthmus encode --help."),
    ],
)
def test_wrong_usage(cli, words, text):
    refused(cli(*words.split()), text, status=2)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("fit no.csv", "Cannot read no.csv: there is no such file."),
        ("fit t.csv --test no.csv", "Cannot read no.csv: there is no such file."),
        ("fit t.csv --resume no.isthmus", "Cannot read no.isthmus: there is no such file."),
        ("fit t.csv --resume t.csv -o m.isthmus", "t.csv is no isthmus model, or is cut off"),
        ("fit t.csv -o no/m.isthmus", "the folder no does not exist."),
        ("fit t.csv -o m.pkl", "The output m.pkl must end in .isthmus."),
        ("fit t.csv", "the column 'name' is not numeric: leave them out with --ignore"),
        ("fit t.csv --id nome", "t.csv has no column 'nome'. Did you mean 'name'?"),
        ("fit t.csv --id name --weight a", "Negative values in data passed to `sample_weight`"),
        ("fit t.csv --columns a --test bad.csv", "bad.csv lacks the column 'a', which the model"),
        ("fit bad.csv", "bad.csv has missing cells in 'y' (1): fill them or drop"),
        ("fit bad.csv --key k", "bad.csv is one table: --key chooses an array"),
        ("fit t.csv --columns a,b,c --loss bce", "needs data in [0, 1]"),
        ("fit odd.npy", "Input X contains NaN in column 1"),
        ("fit odd.npy --id a", "odd.npy is an array without column names"),
        ("fit t.csv --columns a,b --test odd.npy", "odd.npy has rows of shape (3,), but those of"),
        ("info no.isthmus", "Cannot read no.isthmus: there is no such file."),
        ("info t.csv", "t.csv is no isthmus model"),
        ("demo -o t.csv", "Cannot write t.csv: it is a file, and a folder is needed."),
    ],
)
def test_errors_are_one_sentence(cli, tmp_path, words, text):
    (tmp_path / "bad.csv").write_text("x,y\n1,\n2,3\n")
    np.save("odd.npy", np.array([[1.0, np.nan, 2.0], [1.0, 3.0, 2.0]]))
    refused(cli(*words.split(), *(["--quiet"] if words.startswith("fit") else [])), text)
    assert not list(tmp_path.glob("*.isthmus"))


@pytest.mark.parametrize(
    ("words", "text", "status"),
    [
        ("encode t.isthmus t.csv -o o.csv --layer 7", "The layer must be from 1 to 1", 1),
        ("encode t.isthmus few.csv -o o.csv", "few.csv lacks the columns 'c', 'd', which", 1),
        ("encode t.isthmus t.csv -o t.csv --force", "The output t.csv is also an input", 1),
        ("encode t.isthmus t.csv -o t.isthmus", "must end in .csv, .csv.gz, .parquet or .npy", 1),
        ("encode t.isthmus t.csv -o o.npy --id name", "Identifiers do not fit into o.npy", 2),
        ("reconstruct t.isthmus t.csv -o o.csv --id a", "The identifier 'a' has the name of a", 2),
        ("score t.isthmus t.csv -o new.csv", "new.csv exists; overwrite it with --force", 1),
        ("fit t.csv --columns a,b", "t.isthmus exists; overwrite it with --force", 1),
        ("fit t.csv --resume t.isthmus --n-components 3", "--n-components cannot be changed", 2),
        ("fit t.csv --resume enc.isthmus", "enc.isthmus is an encoder alone and cannot", 2),
        ("score enc.isthmus t.csv", "This model was saved as an encoder alone", 1),
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

    monkeypatch.setattr(commands, "info", broken)
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
    assert told["columns"] == ["layer-1_0", "layer-1_1"]
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
    assert told["scores"] == scores.tolist()
    assert told["ids"]["name"][-1] == "n119"
    assert cli("score", model, "new.csv", "-o", "s.csv.gz", "--json").status == 0
    assert cli("score", model, "new.csv", "-o", "s.csv.gz", "--force").status == 0
    assert tables.read_table(Path("s.csv.gz")).rows.columns == ["score"]


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

    def run(folder, quick):
        asked.append((folder, quick))
        return folder / "report.html"

    monkeypatch.setitem(sys.modules, "isthmus.demo", SimpleNamespace(run=run))
    monkeypatch.delattr(isthmus, "demo", raising=False)
    assert cli("demo") == (0, "report  demo/report.html\n", "")
    told = json.loads(cli("demo", "--output", tmp_path / "d", "--quick", "--json").out)
    assert told["report"] == str(tmp_path / "d" / "report.html")
    assert asked == [(Path("demo"), False), (tmp_path / "d", True)]


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


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_an_interrupted_fit_goes_on_bit_for_bit(cli, tmp_path, monkeypatch, name, status):
    words = long_fit(tmp_path, "--max-epochs", "12", "--checkpoint", "--quiet")
    assert cli(*words, "-o", "whole.isthmus").status == 0
    hear = commands.Training._on_epoch

    def signal_at_five(self, row):
        if row["epoch"] == 5:
            signal.raise_signal(getattr(signal, name))
        return hear(self, row)

    handler = signal.getsignal(getattr(signal, name))
    with monkeypatch.context() as patched:
        patched.setattr(commands.Training, "_on_epoch", signal_at_five)
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
    monkeypatch.setattr(commands, "CHECKPOINT_SECONDS", 0.0)
    saved = []
    save = commands.Training._save

    def seen(self, *, resume):
        save(self, resume=resume)
        saved.append((isthmus.load(self.path).n_iter_, resume))

    monkeypatch.setattr(commands.Training, "_save", seen)
    assert cli(*long_fit(tmp_path, "--max-epochs", "3", "--checkpoint", "--quiet")).status == 0
    assert saved[-1] == (3, False)
    assert all(resume for _, resume in saved[:-1])
    assert len(saved) >= 2


def test_a_signal_while_a_file_is_written_waits(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "CHECKPOINT_SECONDS", 0.0)
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
        patched.setattr(tables, "read_table", interrupted)
        refused(cli("fit", "t.csv"), "interrupted.", 143)
    monkeypatch.setattr(isthmus.Autoencoder, "fit", interrupted)
    ended = cli("fit", "t.csv", "--columns", "a,b")
    refused(ended, "interrupted before the first step of training; nothing was written.", 143)


def test_resuming_what_cannot_be_resumed_warns(cli, model, tmp_path, monkeypatch):
    words = ("--id", "name", "--ignore", "late,w")
    ended = cli("fit", "t.csv", *words, "--quiet", "--resume", model)
    assert ended.status == 0
    assert "warning: The model was trained to its end: training starts again" in ended.err
    assert isthmus.load(model).max_epochs == 5
    hear = commands.Training._on_epoch

    def interrupt(self, row):
        if row["epoch"] == 3:
            signal.raise_signal(signal.SIGINT)
        return hear(self, row)

    with monkeypatch.context() as patched:
        patched.setattr(commands.Training, "_on_epoch", interrupt)
        assert cli("fit", "t.csv", *words, *LIGHT, "--force", "--checkpoint").status == 130
    ended = cli("fit", "new.csv", "--resume", model, "-o", "other.isthmus", *LIGHT, "--tol", "0.5")
    assert "warning: The rows, slots or settings are not those of the interrupted fit" in ended.err
    assert isthmus.load("other.isthmus").tol == 0.5


# -- the program ---------------------------------------------------------------------------------


def test_help_and_version_are_quick_and_complete(cli):
    assert cli("--version") == (0, f"isthmus {isthmus.__version__}\n", "")
    text = cli("--help").out
    for name in ("fit", "encode", "reconstruct", "score", "info", "demo"):
        assert f"│ {name} " in text
        assert "For example:" in cli(name, "--help").out
    assert cli().out == text


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
