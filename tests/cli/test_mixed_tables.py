"""Tables as people have them, with words, truths, dates and missing cells, on the command line."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from isthmus import load
from isthmus.cli.commands import detect, fit, impute
from isthmus.cli.kinds import Kinds
from isthmus.cli.terminal import UsageError

FAST = "--max-epochs 2 --quiet"
USED = ["age", "pay", "size", "sure", "day"]
RESULTS = {
    "encode": "encode mixed.isthmus DATA --id name -o",
    "score": "score mixed.isthmus DATA --id name -o",
    "reconstruct": "reconstruct mixed.isthmus DATA --id name -o",
    "denoise": "denoise mixed.isthmus DATA --id name -o",
    "detect": "detect DATA --model dmixed.isthmus --explain 2 --id name -o",
    "detect new": "detect gaps.csv --new DATA --contamination none --n-estimators 2 --max-epochs 2 "
    "--id name -o",
    "explain": "explain dmixed.isthmus DATA --all --id name -o",
    "embed": "embed mixed.isthmus DATA --id name --colour size -o",
    "impute": "impute DATA --model mixed.isthmus -o",
    "compare": "compare DATA --label sure --ignore name --unlabelled drop --cv 2 --max-epochs 2 -o",
}


@pytest.fixture(params=RESULTS)
def result(request):
    """Return a command line that writes a table, for each command that does."""
    return RESULTS[request.param]


def test_every_command_takes_them(ready, result):
    quiet = ready(result.replace("DATA", "gaps.csv"), "o.csv", "--quiet")
    assert (quiet.status, quiet.out) == (0, ""), quiet
    table = pl.read_csv("o.csv")
    if "compare" not in result:
        assert table["name"].unique().sort().to_list() == [f"n{i:02}" for i in range(60)]
    facts = json.loads(ready(result.replace("DATA", "gaps.csv"), "p.csv", "--json", "--quiet").out)
    assert Path("o.csv").read_text() == Path("p.csv").read_text() or "compare" in result
    assert facts["output"] == "p.csv"


def test_columns_are_found_by_name_in_any_order(ready):
    frame = pl.read_csv("gaps.csv")
    frame.select(*reversed(frame.columns), extra=pl.lit("x")).write_csv("other.csv")
    assert ready("score mixed.isthmus other.csv").out == ready("score mixed.isthmus gaps.csv").out
    frame.drop("size").write_csv("less.csv")
    ended = ready("score mixed.isthmus less.csv")
    assert ended.status == 1
    assert "less.csv lacks the column 'size', which the model was fitted on." in ended.err


def test_a_typed_file_gives_what_text_gives(ready):
    frame = pl.read_csv("gaps.csv", try_parse_dates=True)
    frame.write_parquet("gaps.parquet")
    frame.with_columns(pl.col("size").cast(pl.Categorical)).write_ipc("gaps.arrow")
    text = ready("score mixed.isthmus gaps.csv").out
    assert ready("score mixed.isthmus gaps.parquet").out == text
    assert ready("score mixed.isthmus gaps.arrow").out == text


@pytest.mark.parametrize("ending", ["jsonl", "feather", "csv.gz"])
def test_results_go_to_files_that_are_read_again(ready, ending):
    line = "reconstruct mixed.isthmus gaps.csv --id name --quiet -o"
    assert ready(line, f"o.{ending}").status == ready(line, "o.csv").status == 0
    text = ready("score mixed.isthmus o.csv").out
    assert ready(f"score mixed.isthmus o.{ending}").out == text


def test_plain_numbers_are_fitted_as_before(ready):
    frame = pl.read_csv("t.csv", columns=list("abcd"))
    assert ready(f"fit t.csv --columns a,b,c,d {FAST} -o o.isthmus").status == 0
    np.testing.assert_array_equal(
        load("o.isthmus").transform(frame), load("m.isthmus").transform(frame)
    )
    assert load("o.isthmus").schema_ is None


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        ("", {"age": "number", "size": "category", "sure": "boolean", "day": "date"}),
        ("--as age=category --as size,sure=ignore", {"age": "category", "day": "date"}),
        ("--columns age,size", {"age": "number", "size": "category"}),
    ],
)
def test_fit_says_what_columns_are_taken_for(ready, words, kinds):
    ended = ready(f"fit gaps.csv {words} --max-epochs 2 -o o.isthmus --json --quiet")
    facts = json.loads(ended.out)
    assert kinds.items() <= facts["columns_taken"].items()
    left = facts["columns_left_out"]
    if "size" in words and "ignore" in words:
        assert left["size"] == left["sure"] == "asked for"
    if "--columns" not in words:
        assert left["name"] == "all different: an identifier"
        said = (
            "These columns are left out: 'name' (all different: an identifier); --as name=category "
        )
        assert sum(text.startswith(said) for text in facts["warnings"]) == 1
        assert ended.err.count(said) == 1
    info = json.loads(ready("info o.isthmus --json").out)
    assert {c["name"]: c["kind"] for c in info["schema"] if c["kind"] != "ignore"} == facts[
        "columns_taken"
    ]
    assert re.search(r"^  age +(number|category) ", ready("info o.isthmus").out, re.M)
    again = ready(f"fit gaps.csv {words} --max-epochs 2 -o o.isthmus --force")
    assert re.search(r"^(numbers|categories) .*age", again.out, re.M)


@pytest.mark.parametrize(
    "command", ["fit gaps.csv -o o.isthmus", "detect gaps.csv --save o.isthmus"]
)
def test_weights_of_columns_reach_the_model(ready, command):
    more = "--max-epochs 2 --quiet --json --force --ignore name"
    assert ready(f"{command} {more}").status == 0
    plain = load("o.isthmus")
    assert ready(f"{command} {more} --column-weight age,pay=5").status == 0
    heavy = load("o.isthmus")
    frame = pl.read_csv("gaps.csv", try_parse_dates=True)
    assert not np.allclose(plain.score_samples(frame), heavy.score_samples(frame))


@pytest.mark.parametrize(
    ("words", "text", "status"),
    [
        ("fit gaps.csv --as age", "--as 'age' is not of the form A,B=KIND.", 2),
        (
            "fit gaps.csv --as age=numbr",
            "--as has 'numbr', which is no kind. Did you mean 'number'",
            2,
        ),
        (
            "fit gaps.csv --as agee=number",
            "gaps.csv has no column 'agee', which --as names. Did you mean 'age'? It has: name, age",
            2,
        ),
        (
            "fit gaps.csv --ignore age --column-weight age=2",
            "--column-weight names 'age', which is no column that is used. Used: name, pay",
            2,
        ),
        ("fit gaps.csv --as size=date", "line 2: 'small' in the column 'size' is no date", 1),
        ("fit gaps.csv --column-weight age=much", "must give a number, as in age=2; got 'much'", 2),
        ("fit gaps.csv --column-weight age=-1", "column_weights", 2),
        (
            "fit gaps.csv --resume mixed.isthmus --as age=number",
            "keeps its columns: --as cannot be",
            2,
        ),
        ("fit x.npy --as age=number", "--as needs a CSV or Parquet file: x.npy is an array", 2),
        ("fit photos --as age=number", "photos is a folder of images: --as is for tables", 2),
        ("detect gaps.csv --model dmixed.isthmus --as age=number", "--as cannot be given", 2),
        ("impute gaps.csv --model mixed.isthmus --as age=number", "--as cannot be given", 2),
        ("impute gaps.csv --model m.isthmus", "m.isthmus was fitted on plain numbers", 2),
        ("impute gaps.csv --interval 1", "--interval must be between 0 and 1", 2),
        ("impute x.npy", "x.npy has no named columns", 2),
        ("reconstruct mixed.isthmus gaps.csv -o o.npy", "which o.npy cannot hold", 2),
        (
            "score mixed.isthmus bad.csv --bad-rows fail",
            "line 4: 'old' in the column 'age' is no",
            1,
        ),
        ("fit t.csv --sheet a", "t.csv is one table: --sheet chooses a sheet of a", 1),
        ("fit t.csv --from-table a", "t.csv is one table: --from-table chooses a table of a", 1),
        ("fit x.npy --encoding cp1252", "--encoding is for text files, .csv and .tsv: x.npy is", 2),
    ],
)
def test_what_cannot_be_is_refused(ready, words, text, status):
    make_bad()
    ended = ready(words)
    assert (ended.status, ended.out) == (status, ""), ended
    assert text in ended.err
    assert "Traceback" not in ended.err


def make_bad():
    """Write `bad.csv`: a word for a number in row 2, and nothing in row 4."""
    lines = [line.split(",") for line in Path("gaps.csv").read_text().splitlines()]
    lines[3][1] = "old"
    lines[5][1:] = [""] * 5
    Path("bad.csv").write_text("\n".join(map(",".join, lines)) + "\n")


def test_missing_cells_are_not_bad_but_wrong_and_empty_rows_are(ready):
    make_bad()
    ended = ready("score mixed.isthmus bad.csv --id name --json --quiet")
    facts = json.loads(ended.out)
    why = {i: text for i, text in enumerate(facts["table"]["problem"]) if text}
    assert why == {2: "age is 'old', no number", 4: "all cells are missing"}
    assert facts["unscored"] == 2
    assert (
        "2 of 60 rows cannot be used, and their results are empty (the first is line 4" in ended.err
    )


def test_reconstructions_have_the_columns_and_types_of_the_file(ready):
    assert ready("reconstruct mixed.isthmus gaps.csv --id name -o o.parquet --quiet").status == 0
    again = pl.read_parquet("o.parquet")
    types = [pl.String, pl.Int64, pl.Float64, pl.String, pl.Boolean, pl.Date]
    assert again.schema == dict(zip(["name", *USED], types, strict=True))
    assert again.null_count().sum_horizontal()[0] == 0
    assert set(again["size"]) <= {"small", "middle", "large"}


def test_cells_are_explained_in_words(ready):
    ended = ready("explain mixed.isthmus gaps.csv --top 5 --json --quiet")
    table = json.loads(ended.out)["table"]
    seen = dict(
        zip(table["column"], zip(table["observed"], table["expected"], strict=True), strict=True)
    )
    assert seen["size"][0] in ("small", "middle", "large", "missing")
    assert re.fullmatch(r"(small|middle|large) \(p = [01]\.\d\d\)", seen["size"][1])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", seen["day"][1])
    odd = pl.read_csv("gaps.csv").with_columns(pay=pl.lit(1e6))
    odd.write_csv("odd.csv")
    found = ready("detect odd.csv --model dmixed.isthmus --explain 1 --json --quiet")
    because = json.loads(found.out)["table"]["because1"]
    assert re.fullmatch(r"pay: expected .+, got 1,000,000", because[0])


def test_imputed_cells_are_written_like_the_others(ready):
    text = Path("gaps.csv").read_text().replace("2024-", "24/").replace("2025-", "25/")
    lines = [line.split(",") for line in text.splitlines()]
    lines[1][0] = "=odd"
    for line in lines[1:]:
        line[5] = re.sub(r"(\d\d)/(\d\d)-(\d\d)", r"\3.\2.20\1", line[5])
        line[4] = {"true": "yes", "false": "no"}.get(line[4], line[4])
    Path("g.csv").write_text("\n".join(map(",".join, lines)) + "\n")
    ended = ready("impute g.csv --model mixed.isthmus --interval 0.9 -o o.csv --json")
    facts = json.loads(ended.out)
    before, after = (pl.read_csv(name, infer_schema=False) for name in ("g.csv", "o.csv"))
    assert after.columns[:6] == before.columns
    for name in before.columns:
        there = before[name].is_not_null()
        assert after[name].filter(there).equals(before[name].filter(there)), name
        assert after[name].null_count() == 0
        assert facts["filled"].get(name, 0) == before[name].null_count()
    assert facts["still_missing"] == {}
    new = {name: after[name].filter(before[name].is_null()).to_list() for name in USED}
    patterns = (r"\d+", r"\d+\.\d\d", "small|middle|large", "yes|no", r"\d\d\.\d\d\.202\d")
    for name, pattern in zip(USED, patterns, strict=True):
        assert all(re.fullmatch(pattern, text) for text in new[name]), name
    gaps = before["age"].is_null()
    assert after["age_low"].is_not_null().equals(gaps)
    low, age, high = (after.filter(gaps)[n].cast(float) for n in ("age_low", "age", "age_high"))
    assert ((low <= age) & (age <= high)).all()
    assert after["size_levels"].is_not_null().equals(before["size"].is_null())


@pytest.mark.parametrize("model", ["mixed", "dmixed"])
def test_models_of_them_are_exported(ready, model):
    pytest.importorskip("onnxruntime")
    ended = ready(f"export {model}.isthmus -o o.onnx --json")
    assert ended.status == 0, ended
    assert json.loads(ended.out)["bytes"] > 0


@pytest.mark.parametrize(
    "command", ["fit w.csv -o o.isthmus", "impute w.csv -o o.csv", "detect w.csv -o o.csv"]
)
def test_a_column_of_numbers_with_one_word_is_taken_as_numbers(ready, command):
    lines = Path("t.csv").read_text().splitlines()
    lines[7] = re.sub("^[^,]*", "none", lines[7])
    Path("w.csv").write_text("\n".join(lines) + "\n")
    ended = ready(f"{command} --as a=number --max-epochs 1")
    assert ended.status == 0, ended
    assert (
        "w.csv: taken as missing: 1 cell of 'a', asked for as number (line 8: 'none')." in ended.err
    )


def test_a_table_without_gaps_is_copied(ready):
    ended = ready("impute t.csv")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == Path("t.csv").read_text()


def test_a_sheet_and_a_pattern_of_files_are_read(ready):
    frame = pl.read_csv("gaps.csv")
    Path("parts").mkdir()
    frame.head(30).write_csv("parts/a.csv")
    frame.tail(30).write_csv("parts/b.csv")
    whole = ready("score mixed.isthmus gaps.csv").out
    assert ready("score mixed.isthmus parts/*.csv").out == whole
    assert ready("score mixed.isthmus parts").out == whole
    Path("l.csv").write_bytes(frame.rename({"name": "n\xe4me"}).write_csv().encode("cp1252"))
    assert ready("score mixed.isthmus l.csv --encoding cp1252 --id n\xe4me").status == 0


def test_options_say_of_columns_by_name():
    kinds = Kinds(("a,b=number", "x=y=date", "c,d=ignore"), ("a=2", "b,c=0.5"))
    known = ["a", "b", "x=y", "c,d"]
    assert kinds.kinds(known) == {"a": "number", "b": "number", "x=y": "date", "c,d": "ignore"}
    assert kinds.weights(["a", "b", "c"]) == {"a": 2.0, "b": 0.5, "c": 0.5}
    with pytest.raises(UsageError, match="names 'z'"):
        Kinds(("z=number",)).kinds(known)


@pytest.mark.parametrize("command", [fit.fit, detect.detect, impute.impute])
def test_examples_name_what_people_have(command):
    assert "titanic.csv" in command.__doc__


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("info mixed.isthmus", "column  taken for  why"),
        ("impute gaps.csv --model mixed.isthmus -o o.csv", "age"),
        ("explain mixed.isthmus gaps.csv --top 1", "observed"),
    ],
)
def test_a_terminal_shows_them(ready, monkeypatch, words, text):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    ended = ready(words)
    assert ended.status == 0, ended
    assert text in ended.out
    assert "warning" not in ended.err
