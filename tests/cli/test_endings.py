"""How commands end: lines, one JSON object, or nothing; a table on the standard output stays."""

import json
from pathlib import Path

import polars as pl
import pytest

from isthmus import Autoencoder

WORDS = {
    "audit": "audit t.csv --id name --folds 2 --max-epochs 2 -o o.html",
    "compare": "compare t.csv --label kind --id name,x --n-components 2 --max-epochs 2 --cv 2 -o o.csv",
    "demo": "demo -o out",
    "denoise": "denoise p.isthmus photos -o out",
    "detect": "detect new.csv --model d.isthmus --id name -o o.csv",
    "embed": "embed m.isthmus t.csv -o o.png --colour kind",
    "encode": "encode m.isthmus t.csv --id name -o o.parquet",
    "explain": "explain d.isthmus t.csv --all -o o.csv",
    "export": "export m.isthmus -o o.onnx",
    "fit": "fit t.csv --ignore name,kind,x --max-epochs 2 --test new.csv -o o.isthmus",
    "impute": "impute gaps.csv --max-epochs 2 -o o.csv",
    "info": "info d.isthmus",
    "monitor": "monitor held.isthmus --new new.csv --pvalues conformal -o o.csv",
    "recalibrate": "recalibrate d.isthmus t.csv --id name -o o.isthmus",
    "reconstruct": "reconstruct p.isthmus photos.npy -o o.npy",
    "report": "report m.isthmus t.csv --id name,x --label kind -o o.md",
    "score": "score m.isthmus t.csv -o o.csv",
    "threshold": "threshold d.isthmus t.csv -o o.csv",
    "tune": "tune t.csv --ignore name,kind,x --max-epochs 2 --grid n_components=1,2 -o o.isthmus",
    "warm": "warm m.isthmus --batch 8 -o programs",
}
PRINTED = {
    "compare": "compare t.csv --label kind --id name,x --n-components 2 --max-epochs 2 --cv 2",
    "detect": "detect new.csv --model d.isthmus",
    "explain": "explain d.isthmus t.csv --all",
    "impute": "impute gaps.csv --max-epochs 2",
    "score": "score m.isthmus t.csv",
    "threshold": "threshold d.isthmus x.npy",
}


def test_every_command_is_tested(command):
    assert WORDS[command].split()[0] == command


@pytest.fixture
def words(command):
    if command == "export":
        pytest.importorskip("onnxruntime")
    return WORDS[command]


def only_warnings(err):
    return all(line.startswith("isthmus: warning: ") for line in err.splitlines())


def test_a_summary_is_printed(ready, words):
    ended = ready(words)
    assert ended.status == 0, ended
    assert ended.out


def test_quiet_prints_nothing_but_warnings(ready, words):
    ended = ready(words, "--quiet")
    assert (ended.status, ended.out) == (0, ""), ended
    assert only_warnings(ended.err)


def test_json_is_one_object_with_warnings(ready, words):
    ended = ready(words, "--json", "--quiet")
    facts = json.loads(ended.out)
    assert ended.out.count("\n") == 1
    shown = [line.removeprefix("isthmus: warning: ") for line in ended.err.splitlines()]
    assert facts["warnings"] == shown


@pytest.mark.parametrize("name", PRINTED)
def test_quiet_leaves_a_table_on_the_standard_output(ready, name):
    loud, quiet = ready(PRINTED[name]), ready(PRINTED[name], "--quiet")
    assert only_warnings(quiet.err)
    assert quiet.out.count("\n") == loud.out.count("\n") > 5


@pytest.mark.parametrize("name", PRINTED)
def test_a_table_without_a_file_is_one_of_the_facts(ready, name):
    facts = json.loads(ready(PRINTED[name], "--json").out)
    assert facts["table"]
    assert "output" not in facts


def test_columns_without_names_are_taken_in_order(ready):
    ended = ready("score m.isthmus x.npy --quiet")
    assert ended.out.count("\n") == 61
    text = "x.npy has no names of columns: they are taken to be a, b, c, d, in this order.\n"
    assert ended.err == f"isthmus: warning: {text}"


def test_dates_are_identifiers_too(ready):
    dates = pl.date_range(pl.date(2026, 1, 1), pl.date(2026, 2, 9), eager=True)
    pl.read_csv("t.csv").with_columns(day=dates).write_parquet("t.parquet")
    facts = json.loads(ready("score m.isthmus t.parquet --id day --json").out)
    assert facts["table"]["day"][:2] == ["2026-01-01", "2026-01-02"]


def test_several_identifiers_stand_in_a_report(ready):
    assert ready("report m.isthmus t.csv --id name,kind -o o.json --quiet").status == 0
    rows = json.loads(Path("o.json").read_text())["outliers"]["rows"]
    assert all(row["id"].startswith("n") and row["id"][-3:] in (", u", ", v") for row in rows)


def test_an_interrupted_fit_prints_one_object_too(ready, monkeypatch):
    fit = Autoencoder.fit

    def interrupted(self, X, **more):
        fit(self, X, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(Autoencoder, "fit", interrupted)
    ended = ready("fit t.csv --columns a,b,c --max-epochs 2 -o o.isthmus --json --quiet")
    facts = json.loads(ended.out)
    assert (facts["interrupted"], facts["epochs"]) == (True, 2)
    assert "interrupted after 2 epochs; the model so far is in o.isthmus." in ended.err
    assert facts["resume"] in ended.err


def test_images_in_an_array_are_counted_in_their_shape(ready):
    ended = ready("reconstruct p.isthmus photos.npy -o o.npy")
    assert ended.out == "output  o.npy\ndata    12 rows of shape 8x8\n"


def test_decimal_commas_colour_a_picture(ready):
    text = pl.read_csv("t.csv").with_columns(size=pl.int_range(40) / 4)
    text.write_csv("semi.csv", separator=";", decimal_comma=True)
    ended = ready("embed m.isthmus semi.csv --colour size --id name -o o.csv --quiet")
    assert ended.status == 0, ended
    assert pl.read_csv("o.csv")["size"].to_list() == text["size"].to_list()
