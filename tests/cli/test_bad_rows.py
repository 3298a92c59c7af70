"""One bad row does not stop a day: it is marked and counted, and the others keep their results."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

CELLS = {"": "b is missing", "none": "b is 'none'", "inf": "b is infinite"}
REASONS = {2: "b is missing", 5: "b is 'none'", 7: "b is infinite, d is missing"}


@pytest.fixture
def ready(ready):
    """Run commands beside `bad.csv`, whose rows 2, 5 and 7 are bad, and `good.csv` without these."""
    lines = Path("t.csv").read_text().splitlines()
    cells = [line.split(",") for line in lines]
    names = cells[0]
    good = [line for i, line in enumerate(lines) if i - 1 not in REASONS]
    for row, text in zip(REASONS, CELLS, strict=True):
        cells[row + 1][names.index("b")] = text
    cells[8][names.index("d")] = "NA"
    Path("bad.csv").write_text("\n".join(",".join(row) for row in cells) + "\n")
    Path("good.csv").write_text("\n".join(good) + "\n")
    return ready


COMMANDS = {
    "score": "score m.isthmus DATA --id name",
    "encode": "encode m.isthmus DATA --id name",
    "reconstruct": "reconstruct m.isthmus DATA --id name",
    "denoise": "denoise m.isthmus DATA --id name",
    "detect": "detect DATA --model d.isthmus --id name --explain 1",
    "detect new": "detect t.csv --ignore kind,x --new DATA --contamination none --n-estimators 2"
    " --max-epochs 2 --id name",
}
COUNTED = (
    "isthmus: warning: bad.csv: 3 of 40 rows cannot be used, and their results are empty (the first "
    "is line 4: b is missing); --bad-rows fail refuses such files.\n"
)


@pytest.mark.parametrize("name", COMMANDS)
def test_bad_rows_are_marked_beside_the_others(ready, name):
    words = f"{COMMANDS[name]} --quiet -o"
    assert ready(words.replace("DATA", "good.csv"), "good.parquet").status == 0
    ended = ready(words.replace("DATA", "bad.csv"), "bad.parquet")
    assert (ended.status, ended.out) == (0, "")
    assert COUNTED in ended.err
    good, bad = pl.read_parquet("good.parquet"), pl.read_parquet("bad.parquet")
    assert bad.columns == [*good.columns, "problem"]
    assert bad.filter(pl.col("problem").is_null()).drop("problem").equals(good)
    odd = bad.with_row_index().filter(pl.col("problem").is_not_null())
    assert dict(zip(odd["index"], odd["problem"], strict=True)) == REASONS
    assert odd["name"].to_list() == ["n02", "n05", "n07"]
    assert odd.drop("index", "name", "problem").null_count().row(0) == (3,) * (good.width - 1)


def test_the_json_of_bad_rows(ready):
    facts = json.loads(ready("score m.isthmus bad.csv --json").out)
    assert (facts["rows"], facts["unscored"]) == (40, 3)
    assert [facts["table"]["score"][i] for i in REASONS] == [None] * 3
    assert facts["table"]["problem"][:3] == [None, None, "b is missing"]
    assert len(facts["warnings"]) == 1
    facts = json.loads(ready("detect bad.csv --model d.isthmus --json").out)
    assert (facts["rows"], facts["unscored"]) == (40, 3)
    assert facts["table"]["outlier"][2] is None
    assert json.loads(ready("score m.isthmus t.csv --json").out)["unscored"] == 0


def test_explanations_have_a_line_for_each_bad_row(ready):
    ended = ready("explain d.isthmus bad.csv --all --top 1 --id name -o o.csv")
    assert "explained  37\n" in ended.out
    assert "unscored   3\n" in ended.out
    table = pl.read_csv("o.csv")
    assert table.height == 40
    assert table["name"].to_list() == [f"n{i:02}" for i in range(40)]
    assert table["column"].null_count() == 3
    assert table["problem"][5] == "b is 'none'"
    few = ready("explain d.isthmus bad.csv -o p.csv --json")
    assert json.loads(few.out)["unscored"] == 3


def test_arrays_have_nan_where_a_row_is_bad(ready):
    x = np.load("x.npy")
    holes = x.copy()
    holes[3, 1], holes[8, 2] = np.nan, np.inf
    np.save("holes.npy", holes)
    for words in ("score m.isthmus", "encode m.isthmus", "reconstruct m.isthmus"):
        assert ready(f"{words} x.npy -o good.npy --force").status == 0
        ended = ready(f"{words} holes.npy -o bad.npy --force --quiet")
        assert "2 of 60 rows cannot be used" in ended.err
        assert "(the first is row 3: x1 is missing)" in ended.err
        expected = np.load("good.npy")
        expected[[3, 8]] = np.nan
        np.testing.assert_array_equal(np.load("bad.npy"), expected)
    pixels = np.load("photos.npy").astype(np.float32)
    pixels[4, 2, 2] = np.nan
    np.save("pixels.npy", pixels)
    facts = json.loads(ready("reconstruct p.isthmus pixels.npy -o again.npy --json").out)
    assert (facts["rows"], facts["unscored"]) == (12, 1)
    assert np.flatnonzero(np.isnan(np.load("again.npy")).all(axis=(1, 2))).tolist() == [4]


def test_numbers_beyond_the_precision_are_marked(ready):
    frame = pl.read_csv("t.csv").with_columns(
        c=pl.when(pl.int_range(40) == 9).then(1e300).otherwise("c")
    )
    frame.with_columns(b=pl.when(pl.int_range(40) != 6).then("b")).write_csv("far.csv")
    reasons = {6: "b is missing", 9: "c is 1e+300, beyond the model's precision"}
    for words in (
        "score m.isthmus far.csv",
        "detect far.csv --model d.isthmus",
        "detect t.csv --ignore name,kind,x --new far.csv --n-estimators 2 --max-epochs 2",
    ):
        ended = ready(words, "--json", "--quiet")
        table = json.loads(ended.out)["table"]
        assert {i: text for i, text in enumerate(table["problem"]) if text} == reasons
        assert [i for i, score in enumerate(table["score"]) if score is None] == [6, 9]
        assert ended.err.count("rows") == 2  # one warning, with the option that it names
        place = "line 8" if "csv" in words else "row 6"
        assert (
            f"2 of 40 rows cannot be used, and their results are empty (the first is {place}"
            in (ended.err)
        )
    ended = ready("score m.isthmus far.csv --bad-rows fail")
    assert ended.status == 1


def test_a_number_beyond_the_precision_is_placed_by_its_line(ready):
    frame = pl.read_csv("t.csv")
    frame.with_columns(c=pl.when(pl.int_range(40) == 9).then(1e300).otherwise("c")).write_csv(
        "f.csv"
    )
    ended = ready("score m.isthmus f.csv --quiet -o o.csv")
    assert "1 of 40 rows cannot be used" in ended.err
    assert "(the first is line 11: c is 1e+300, beyond the model's precision)" in ended.err


def test_pages_and_pictures_leave_bad_rows_out(ready):
    left_out = COUNTED.replace("their results are empty", "they are left out")
    for beside in ("--colour kind", "--colour score --id name"):
        assert ready(f"embed m.isthmus good.csv -o g.csv --force {beside}").err == ""
        ended = ready(f"embed m.isthmus bad.csv -o b.csv --force {beside} --quiet")
        assert (ended.status, ended.err) == (0, left_out)
        g, b = pl.read_csv("g.csv"), pl.read_csv("b.csv")
        assert b.drop("row", strict=False).equals(g.drop("row", strict=False))
        assert "name" in b.columns or b["row"].to_list() == [
            i for i in range(40) if i not in REASONS
        ]
    told = json.loads(ready("report m.isthmus bad.csv --label kind -o r.json --json").out)
    assert (told["rows"], told["skipped"]) == (37, 3)
    strange = json.loads(Path("r.json").read_text())["outliers"]["rows"]
    places = [i + 2 for i in range(40) if i not in REASONS]
    assert [s["id"] for s in strange] == [f"line {places[s['row']]}" for s in strange]
    ended = ready("report m.isthmus bad.csv --bad-rows fail -o fail.json")
    assert (ended.status, Path("fail.json").exists()) == (1, False)


def test_frames_of_numbers_have_bad_rows_too(ready):
    frame = pl.read_csv("t.csv").with_columns(b=pl.when(pl.int_range(40) != 6).then("b"))
    frame.write_parquet("bad.parquet")
    table = json.loads(ready("score m.isthmus bad.parquet --json").out)["table"]
    assert {i: text for i, text in enumerate(table["problem"]) if text} == {6: "b is missing"}


def test_a_result_of_the_same_name_is_kept(ready):
    Path("bad.csv").write_text(Path("bad.csv").read_text().replace("name", "problem", 1))
    ended = ready("score m.isthmus bad.csv --id problem")
    assert ended.out.startswith("problem,score,problem_\n")


@pytest.mark.parametrize(
    ("words", "text", "status"),
    [
        ("score m.isthmus bad.csv --bad-rows fail", "bad.csv, line 7: 'none' in the column 'b'", 1),
        ("detect t.csv --bad-rows mark", "--bad-rows is for rows that are decided on", 2),
        ("score m.isthmus all.csv", "the column 'b' is not numeric, and the model was", 1),
        ("score m.isthmus none.csv", "has missing cells in 'b' (40): fill them or drop", 1),
        (
            "score m.isthmus t.csv --ignore b",
            "fitted on the column 'b', and needs what --ignore",
            1,
        ),
        ("score m.isthmus t.csv --columns a,b", "on the columns 'c', 'd', and needs what --col", 1),
        ("score p.isthmus photos --bad-rows fail", "--bad-rows is for tables", 2),
    ],
)
def test_what_cannot_be_marked_is_refused(ready, words, text, status):
    frame = pl.read_csv("t.csv")
    frame.with_columns(b=pl.lit("w")).write_csv("all.csv")
    frame.with_columns(b=pl.lit("")).write_csv("none.csv")
    ended = ready(words)
    assert (ended.status, ended.out) == (status, "")
    assert text in ended.err
    if "--ignore" not in words and "--columns" not in words and "detect" not in words:
        assert "--ignore" not in ended.err  # a model's columns cannot be left out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (
            "detect gap.csv --n-estimators 2",
            1,
            "isthmus: gap.csv: line 4 has no cell that is there",
        ),
        ("tune gap.csv --grid n_components=1,2", 1, "isthmus: gap.csv: line 4 has no cell that is"),
        ("compare gap.csv --label kind --cv 2", 1, "isthmus: gap.csv: line 4 has no cell that is"),
        ("fit gap.csv", 0, "isthmus: warning: gap.csv: A row has no cell that is there among the"),
        ("fit gap.csv", 0, "columns used, the first is line 4: nothing is learned from it.\n"),
    ],
)
def test_a_row_to_train_on_without_a_cell_is_named_by_its_line(ready, words, status, said):
    lines = Path("t.csv").read_text().splitlines()
    cells = lines[3].split(",")
    kind = lines[0].split(",").index("kind")
    lines[3] = ",".join(
        cell if i == kind and "compare" in words else "" for i, cell in enumerate(cells)
    )
    Path("gap.csv").write_text("\n".join(lines) + "\n")
    ended = ready(f"{words} --max-epochs 1 --quiet")
    assert (ended.status, said in ended.err) == (status, True), ended.err
