"""Audits: cells judged out of fold, at a rate that the user sets, and what becomes of them."""

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest

from isthmus import Audit
from isthmus.audit import cells
from isthmus.audit.cells import parted
from isthmus.audit.evidence import (
    NumberEvidence,
    Tail,
    level_evidence,
    wrong_levels,
    wrong_numbers,
)
from isthmus.audit.expected import expected_ranges
from isthmus.audit.page import cells_text
from isthmus.schema import Column

COLUMNS = ["row", "name", "column", "value", "expected", "sure", "p", "why"]


def test_wrong_cells_come_first(audit, people):
    assert audit.cells_.columns == COLUMNS
    wages = audit.cells_.filter(pl.col("column") == "wage")
    assert set(wages["row"][:2]) == people[1]
    row = wages.row(0, named=True)
    assert row["name"] == f"<b>{row['row']}</b>"
    assert row["sure"] > 10 * audit.cells_["sure"][-1]
    low, high = (float(v.replace(",", "")) for v in row["expected"].split(" to "))
    assert not low <= float(row["value"].replace(",", "")) <= high
    assert audit.cells_["sure"].is_sorted(descending=True)


@pytest.mark.parametrize("rate", [0.005, 0.01, 0.1])
def test_the_share_that_is_flagged_is_the_target(audit, people, rate):
    p = audit.judgements.p[np.isfinite(audit.judgements.p)]
    assert (p <= rate).mean() == pytest.approx(rate, abs=1 / len(p))
    flagged = audit.cells_.filter(pl.col("p").is_not_null())
    assert flagged.height == (p <= audit.target_fpr).sum()


def test_a_cell_that_is_missing_is_not_judged(audit):
    column = [c.name for c in audit.schema_.used].index("wage")
    assert np.isnan(audit.judgements.surprise[3, column])
    assert np.isfinite(audit.judgements.surprise).sum() == audit.judgements.p.size - 1


def test_no_row_is_judged_by_a_model_that_trained_on_it(people):
    """A row that is like no other stays surprising, however long the other fold's model trains."""
    table = (
        people[0]
        .drop("name")
        .with_columns(job=pl.when(pl.int_range(pl.len()) == 9).then(pl.lit("spy")).otherwise("job"))
    )
    audit = Audit(table, folds=2, max_epochs=60)
    column = [c.name for c in audit.schema_.used].index("job")
    assert audit.judgements.p[9, column] <= 2 / 2000


def test_the_same_seed_gives_the_same_cells(people):
    table = people[0].head(60)
    first, again, other = (
        Audit(table, folds=2, max_epochs=3, random_state=s).judgements.surprise for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other, equal_nan=True)


@pytest.mark.parametrize("library", ["pandas", "arrow"])
def test_tables_of_other_libraries_give_the_same(people, library):
    table = people[0].head(60)
    other = table.to_arrow() if library == "arrow" else pd.DataFrame(table.to_dict(as_series=False))
    one, two = (Audit(t, folds=2, max_epochs=3).cells_ for t in (table, other))
    assert one.drop("value").equals(two.drop("value"))


def test_without_folds_checks_alone_are_made(people):
    table = (
        people[0]
        .with_columns(city=pl.lit("Rome"))
        .with_columns(
            city=pl.when(pl.col("job") == "baker").then(pl.lit("Berlin")).otherwise("city")
        )
    )
    table[5, "city"] = "Rmoe"
    audit = Audit(table, folds=0)
    assert audit.judgements is None
    assert audit.cells_.select("row", "column", "value", "p", "why").rows() == [
        (5, "city", "Rmoe", None, "typos, broken function")
    ]


def test_text_that_is_nearly_all_numbers_is_judged_as_numbers(people):
    table = people[0].with_columns(pl.col("wage").cast(pl.String))
    table[8, "wage"] = "12k"
    audit = Audit(table, folds=2, max_epochs=2)
    taken = audit.taken_for()
    assert taken["wage"][0] == "number"
    assert audit.cells_.filter(row=8, column="wage")["expected"].to_list() == ["a number"]


def test_small_whole_numbers_are_levels_unless_the_user_says_otherwise(people):
    table = people[0].with_columns(rank=pl.int_range(pl.len()) % 3)
    assert Audit(table, folds=0).taken_for()["rank"][0] == "category"
    assert Audit(table, folds=0, columns={"rank": "number"}).taken_for()["rank"][0] == "number"
    assert Audit(table, folds=0, columns={"rank": "ignore"}).taken_for()["rank"][0] == "left out"


@pytest.mark.parametrize(
    ("table", "given", "says"),
    [
        ({"a": [1]}, {"target_fpr": 0}, "target_fpr must be between 0 and 1"),
        ({"a": [1]}, {"folds": 1}, "folds must be 0, for checks alone, or at least 2; got 1"),
        ({"a": [1]}, {"ids": ["b"]}, "ids names the column 'b', which the table lacks"),
        ({"p": [1]}, {"ids": ["p"]}, "ids names the column 'p', and the suspicious cells have"),
        ({"age": [1]}, {"columns": {"aeg": "number"}}, "Did you mean 'age'?"),
        ({}, {}, "there is nothing to audit"),
    ],
)
def test_what_cannot_be_audited_is_refused_in_a_sentence(table, given, says):
    with pytest.raises(ValueError, match=says.replace("?", r"\?")):
        Audit(pl.DataFrame(table), **given)


def test_only_tables_are_audited():
    with pytest.raises(TypeError, match="got ndarray"):
        Audit(np.ones((3, 3)))


def test_names_that_repeat_are_refused():
    table = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(ValueError, match="the column 'a' more than once"):
        Audit(table)


# -- evidence ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("heavy", [False, True])
def test_the_tail_goes_on_as_it_began(heavy):
    rng = np.random.default_rng(0)
    x = rng.pareto(2, 20_000) if heavy else rng.exponential(size=20_000)
    far = np.quantile(x, 0.999) * 4
    true = (1 + far) ** -2.0 if heavy else np.exp(-far)
    assert true / 30 < Tail.of(x).probability(np.array([far]))[0] < 30 * true
    x[:100] = far  # wrong cells
    assert Tail.of(x).probability(x)[0] < 1e-3


def test_evidence_against_levels_grows_with_how_odd_they_are():
    shares = np.array([[0.9, 0.09, 0.01]] * 4)
    lines = level_evidence(np.array([0, 1, 2, -1]), shares, np.array([80, 19, 1]))
    assert (np.diff(lines[:, :2], axis=0) > 0).all()
    assert (np.diff(lines[:, 2:4], axis=0) >= 0).all()
    np.testing.assert_allclose(lines[:3, 0], -np.log([1.0, 0.1, 0.01]))


def test_evidence_against_numbers_grows_with_how_odd_they_are():
    rng = np.random.default_rng(0)
    true = rng.normal(size=1000).round(2)
    made = true + rng.normal(0, 0.1, 1000)
    odd = np.array([made[0], made[0] + 0.5, 40.0, 4000.0])
    lines = NumberEvidence(true, true, made).against(odd, odd, np.zeros(4, int))
    assert (np.diff(lines[:, :2], axis=0) >= 0).all()
    assert (np.diff(lines[:, 1]) > 0).all()
    assert (np.diff(lines[1:, 3]) > 0).all()


def test_evidence_is_weighed_by_mistakes_of_the_usual_kinds():
    rng = np.random.default_rng(0)
    columns = {"number": Column("x", "number", ""), "date": Column("x", "date", "")}
    pool = rng.uniform(1, 2, 400)
    number = wrong_numbers(pool, columns["number"], pool, rng)
    assert set(number.kinds) == {0, 1, 2, 3}
    np.testing.assert_allclose(number.values[number.kinds == 1], 1000 * pool[number.kinds == 1])
    assert (wrong_numbers(pool, columns["date"], pool, rng).kinds % 4 == 0).all()
    levels = wrong_levels(np.zeros(300, int), np.array([290, 9, 1]), rng)
    assert (levels.values[levels.kinds == 2] == -1).all()
    assert (levels.values[levels.kinds == 1] == 2).all()


def test_ranges_hold_nine_and_five_of_ten():
    rng = np.random.default_rng(0)
    made = rng.uniform(0, 10, 4000)
    true = made + rng.normal(0, 0.1 + made / 5)
    true[:40] = np.nan
    ends = expected_ranges(true, made, np.arange(40, 4000))
    for share, low, high in ((0.9, 0, 1), (0.5, 2, 3)):
        inside = (ends[:, low] <= true[40:]) & (true[40:] <= ends[:, high])
        assert inside.mean() == pytest.approx(share, abs=0.03)
        assert inside[made[40:] < 2].mean() == pytest.approx(share, abs=0.05)


# -- what becomes of it ------------------------------------------------------------------------------


def test_json_says_all_that_was_found(audit, tmp_path):
    found = json.loads(audit.save(tmp_path / "a.json").read_text())
    assert found == audit.to_dict()
    assert found["rows"] == 400
    assert len(found["cells"]) == audit.frame().height
    assert found["taken_for"]["since"] == "date"
    assert found["taken_for"]["name"] == "identifier"


def test_other_endings_are_refused(audit, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.html or \.json"):
        audit.save(tmp_path / "a.pdf")


def test_one_wrong_cell_explains_a_broken_sum():
    rng = np.random.default_rng(0)
    price, fee = rng.uniform(5, 50, 200).round(2), rng.uniform(1, 3, 200).round(2)
    table = pl.DataFrame({"price": price, "fee": fee, "total": (price + fee).round(2)})
    table[7, "price"] = 4_000_000.0
    cells = Audit(table, folds=0).cells_
    assert cells.select("row", "column", "why").rows() == [(7, "price", "far number")]


def test_a_wrong_cell_is_surer_than_the_others_of_its_row(audit, people):
    """The tax of those whose wage is wrong is right."""
    names = [column.name for column in audit.schema_.used]
    for row in people[1]:
        assert names[int(np.nanargmax(audit.judgements.sure[row]))] == "wage"


def test_equal_rows_are_in_one_fold():
    X = np.array([[1.0, np.nan], [2.0, 3.0], [4.0, 1.0]])[np.arange(60) % 3]
    held = parted(X, 3, np.random.default_rng(0))
    assert sorted(map(len, held)) == [20, 20, 20]
    assert all(len(np.unique(np.nan_to_num(X[rows]), axis=0)) == 1 for rows in held)


# -- tables with little in them ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sparse", "folds"),
    [
        ([None] * 30, 2),  # no cell has a p-value of at most the target
        ([1.5, 2.5, 3.7] + [None] * 27, 5),  # folds without any cell of a column,
        (["u", "v", "u"] + [None] * 27, 5),  # and too few mistakes to learn from
    ],
)
def test_cells_are_judged_where_there_are_few(people, sparse, folds):
    table = people[0].select("wage", "tax").head(30).with_columns(sparse=pl.Series(sparse))
    judged = Audit(table, folds=folds, max_epochs=1).judgements
    assert judged.flagged.is_empty()
    assert np.isfinite(judged.surprise).sum() == (~np.isnan(judged.p)).sum() >= 59


@pytest.mark.parametrize(
    "table",
    [
        {"a": [1.5, 2.5, 3.5] * 10, "b": ["x", "y", "x"] * 10},
        {"a": [1.5, 2.5, *[None] * 28], "b": ["x", "y", *[None] * 28]},
        {"name": [f"name {i}" for i in range(30)]},
    ],
    ids=["rows that repeat", "rows without cells", "identifiers"],
)
def test_no_model_learns_from_a_few_different_rows(table):
    audit = Audit(pl.DataFrame(table), folds=2)
    assert audit.judgements is None
    assert audit.cells_.columns == [c for c in COLUMNS if c != "name"]


# -- tables with too much in them --------------------------------------------------------------------


def test_an_infinite_number_is_found_and_missing_for_the_models(people):
    table = people[0].select("wage", pay=pl.col("wage").cast(pl.String), tax="tax").head(60)
    table[[3, 8], "wage"] = np.inf
    table[5, "pay"] = "inf"
    audit = Audit(table, folds=2, max_epochs=1)
    finding = audit.findings_[0]
    assert (finding.kind, finding.rows) == ("infinite number", (3, 8))
    assert np.isnan(audit.judgements.p[[3, 8], 0]).all()
    wrong = audit.cells_.filter(pl.col("value").is_in(["inf"])).select("row", "column").rows()
    assert set(wrong) == {(3, "wage"), (8, "wage"), (5, "pay")}


def test_of_too_many_cells_those_of_some_rows_are_judged(people, monkeypatch):
    table = people[0].select("wage", "tax").head(60)
    whole = Audit(table, folds=2, max_epochs=1)
    monkeypatch.setattr(cells, "most_rows", lambda *_: 20)
    audit = Audit(table, folds=2, max_epochs=1)
    assert audit.judgements.n_rows == (~np.isnan(audit.judgements.p[:, 1])).sum() == 20
    [text] = [f.text for f in audit.findings_ if f.kind == "rows not judged"]
    assert text.startswith("Models judged the cells of 20 rows of 60, drawn at random: ")
    assert cells_text(audit).startswith("Each cell of 20 rows, drawn at random, was judged")
    assert whole.judgements.n_rows == 60
    assert cells_text(whole).startswith("Each cell was judged")


def test_what_nets_make_of_folds_is_made_again_where_it_is_too_much_to_keep(people, monkeypatch):
    table = people[0].select("wage", "tax").head(60)
    kept = Audit(table, folds=2, max_epochs=1, target_fpr=0.2)
    monkeypatch.setattr(cells, "KEPT_VALUES", 100)
    assert Audit(table, folds=2, max_epochs=1, target_fpr=0.2).cells_.equals(kept.cells_)


def test_the_work_of_judging_is_bounded():
    assert cells.most_rows(15, 60) > 10_000_000
    assert cells.most_rows(2000, 4000) < 10_000


@pytest.mark.parametrize("column", [["a", "b", "c"] * 20, np.linspace(0, 4600, 60)])
def test_a_table_of_one_column_is_judged_too(column):
    audit = Audit(pl.DataFrame({"only": column}), folds=2, max_epochs=2)
    assert audit.schema_ is not None
    assert not audit.cells_["value"].str.contains(",").any()  # numbers as programs read them
