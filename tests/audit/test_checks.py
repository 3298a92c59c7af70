"""Checks of tables: each finds what was planted, and nothing in tables without faults."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from isthmus.audit import find_problems
from isthmus.audit.dates import odd_dates
from isthmus.audit.levels import Level, is_typo, similar_levels
from isthmus.audit.profile import Profile
from isthmus.audit.repeats import Cells, near_duplicates
from isthmus.schema import infer_schema

N = 600
RNG = np.random.default_rng(0)
X = RNG.normal(50, 10, N).round(3)
CITIES = RNG.choice(["Berlin", "Hamburg", "Munich", "Cologne"], N, p=[0.4, 0.3, 0.2, 0.1])
DAYS = [dt.date(2023, 1, 1) + dt.timedelta(days=int(d)) for d in RNG.integers(0, 400, N)]


def changed(values, rows, value):
    values = list(values)
    for row in np.atleast_1d(rows):
        values[row] = value
    return values


def found(kind, **columns):
    """Return the findings of a kind in a table of these columns."""
    return [f for f in find_problems(pl.DataFrame(columns)) if f.kind == kind]


def the_one(kind, **columns):
    [finding] = found(kind, **columns)
    assert finding.text.endswith(".")
    return finding


def guessed(finding):
    return [(g.row, g.column, g.expected) for g in finding.guesses]


def test_a_table_without_faults_has_none():
    y = RNG.normal(size=N)
    table = pl.DataFrame({"x": X, "y": y, "city": CITIES, "day": DAYS, "n": RNG.integers(0, 90, N)})
    assert find_problems(table) == []


# -- rows --------------------------------------------------------------------------------------------


def test_rows_that_repeat_are_found_and_chance_is_told_apart():
    table = pl.DataFrame({f"x{j}": RNG.normal(size=N).round(3) for j in range(5)})
    twice = pl.concat([table, table[[5, 9]]])
    [finding] = [f for f in find_problems(twice) if f.kind == "duplicate rows"]
    assert (finding.rows, finding.count, finding.severity) == ((N, N + 1), 2, "warning")
    few = the_one("duplicate rows", a=[1, 0] * 50, b=[0, 0, 1, 1] * 25)
    assert few.severity == "note"
    assert "chance may do that" in few.text


def test_rows_that_repeat_but_for_an_identifier_are_found():
    columns = {"x": X, "y": RNG.normal(size=N).round(2), "city": CITIES}
    columns = {name: changed(v, 17, v[3]) for name, v in columns.items()}
    finding = the_one("duplicates but for identifiers", id=[f"c{i}" for i in range(N)], **columns)
    assert finding.rows == (17,)
    assert finding.columns == ("id",)


@pytest.mark.parametrize("cells", [1, 2])
def test_rows_equal_in_all_but_one_or_two_cells_are_found(cells):
    columns = {f"x{j}": RNG.normal(size=N).round(4) for j in range(6)} | {"city": CITIES.copy()}
    for name in list(columns)[cells:]:
        columns[name][80] = columns[name][20]
    finding = the_one("near duplicates", **columns)
    assert set(finding.rows) == {20, 80}
    assert finding.columns == tuple(f"x{j}" for j in range(cells))
    assert finding.numbers["cells"] == cells


@pytest.mark.parametrize(("width", "tried"), [(30, {1, 2}), (300, {1})])
def test_pairs_of_very_many_columns_are_not_tried(width, tried, monkeypatch):
    sizes = set()
    monkeypatch.setattr(Cells, "pairs", lambda _, out, __: sizes.add(len(out)) or [])
    table = pl.DataFrame(RNG.normal(size=(30, width)).round(3))
    assert list(near_duplicates(Profile(table))) == []
    assert sizes == tried


def test_rows_of_few_levels_are_near_each_other_by_chance():
    columns = {f"c{j}": RNG.integers(0, 3, N) for j in range(6)}
    assert found("near duplicates", **columns) == []


def test_what_goes_missing_together_is_no_agreement():
    columns = {f"x{j}": changed(RNG.normal(size=N), [4, 90], None) for j in range(8)}
    assert found("near duplicates", **columns, city=CITIES) == []
    assert the_one("nearly empty rows", **columns, city=CITIES).rows == (4, 90)


# -- single columns ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values", "rows"),
    [
        ("constant column", ["a"] * N, ()),
        ("empty column", pl.Series([None] * N, dtype=pl.String), ()),
        ("almost constant column", changed(["a"] * N, 3, "b"), (3,)),
        ("mostly missing column", changed(X, range(400), None), ()),
        ("repeated identifiers", changed([f"u{i}" for i in range(N)], 8, "u5"), (5, 8)),
        ("missing stretch", changed(X, range(100, 150), None), tuple(range(100, 150))),
        ("missing marks", changed(CITIES, [3, 7], "N/A"), (3, 7)),
        ("white space", changed(CITIES, 3, "Berlin "), (3,)),
        ("numbers in text", [str(v) for v in X], ()),
        ("numbers in text", [f"{v} kg" for v in X], ()),
        ("mixed types", changed([str(v) for v in X], 5, "12a"), (5,)),
        ("nested column", [[1]] * N, ()),
    ],
)
def test_odd_columns_are_found(kind, values, rows):
    finding = the_one(kind, a=values, x=X)
    assert finding.columns == ("a",)
    assert finding.rows == rows


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.30000001] * N, "a is 0.30000001 in every row"),
        (pl.Series([0.3] * N, dtype=pl.Float32), "a is 0.3 in every row"),
        ([1234567.25] * N, "a is 1,234,567.25 in every row"),
        ((1000.00125 * X.round(6)).round(3), "a is 1,000.00125 \u00d7 x, and so adds nothing"),
        ((1000 * X.round(6)).round(3), "a is 1,000 \u00d7 x, and so adds nothing"),
    ],
)
def test_numbers_are_told_with_the_figures_that_they_have(values, told):
    kind = "reckoned column" if "\u00d7" in told else "constant column"
    assert the_one(kind, x=X.round(6), a=values).text.startswith(told)


def test_units_that_differ_are_told():
    finding = the_one("numbers in text", a=[f"{v} kg" for v in X[:-1]] + ["12 lb"], x=X)
    assert finding.rows == (N - 1,)
    assert "'kg', 'lb'" in finding.text


def test_columns_that_are_missing_together_are_told():
    gaps = RNG.choice(N, 40, replace=False)
    columns = {"a": changed(X, gaps, None), "b": changed(CITIES, gaps, None), "c": X[::-1]}
    finding = the_one("missing together", **columns)
    assert (finding.columns, finding.count) == (("a", "b"), 40)


# -- numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values", "rows"),
    [
        ("sentinel number", changed(X, [4, 9], 999.0), (4, 9)),
        ("sentinel number", changed(np.abs(X), 4, -1.0), (4,)),
        ("far number", changed(X, 7, 50_123.0), (7,)),
        ("far number", changed([str(v) for v in X], 7, "50123"), (7,)),
        ("odd sign", changed(np.abs(X) + 1, 7, -31.5), (7,)),
        ("odd sign", changed(RNG.integers(1, 4, N), 7, -2), (7,)),
        ("far number", changed(RNG.integers(0, 2, N), 7, 1000), (7,)),
        ("far number", np.where(np.arange(N) < 8, 50_000 + X, X), tuple(range(8))),
        ("odd decimals", changed(RNG.integers(0, 3, N).astype(float), 7, 0.01), (7,)),
        ("limit", np.minimum(RNG.integers(0, 300, N), 200), None),
    ],
)
def test_odd_numbers_are_found(kind, values, rows):
    finding = the_one(kind, a=values, x=X)
    assert finding.columns == ("a",)
    if rows is not None:
        assert finding.rows == rows
        assert [g.row for g in finding.guesses] == list(rows)


@pytest.mark.parametrize(
    "values",
    [
        RNG.lognormal(0, 2, N),
        RNG.standard_t(2, N),
        RNG.pareto(1, N),
        RNG.poisson(3, N),
        RNG.integers(-1, 30, N),
    ],
)
def test_usual_numbers_are_left_alone(values):
    kinds = ("sentinel number", "far number", "odd sign")
    assert [f.kind for f in find_problems(pl.DataFrame({"a": values})) if f.kind in kinds] == []


# -- dates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "day"),
    [
        ("sentinel date", dt.date(1900, 1, 1)),
        ("sentinel date", dt.date(9999, 12, 31)),
        ("far date", dt.date(1923, 5, 17)),
        ("future date", dt.date(2024, 9, 1)),
    ],
)
@pytest.mark.parametrize("form", [None, "%Y-%m-%d", "%d.%m.%Y"])
def test_odd_dates_are_found(kind, day, form):
    days = changed(DAYS, 11, day)
    if form is not None:
        days = [d.strftime(form).zfill(10) for d in days]
    profile = Profile(pl.DataFrame({"day": days}))
    [finding] = odd_dates(profile, today=dt.date(2024, 6, 1))
    assert (finding.kind, finding.rows) == (kind, (11,))


def test_days_that_no_calendar_has_are_found():
    days = changed([d.isoformat() for d in DAYS], 11, "2023-02-30")
    finding = the_one("impossible date", day=days)
    assert guessed(finding) == [(11, "day", "a day")]


# -- words -------------------------------------------------------------------------------------------


def test_levels_that_differ_by_case_or_a_typo_are_found():
    variant = the_one("spelling variants", city=changed(CITIES, 2, "BERLIN"))
    assert guessed(variant) == [(2, "city", "'Berlin'")]
    typo = the_one("typos", city=changed(CITIES, 2, "Berlni"))
    assert guessed(typo) == [(2, "city", "'Berlin'")]


@pytest.mark.parametrize(
    ("rare", "usual", "typo"),
    [
        ("Untied-States", "United-States", True),
        ("Amstredxam", "Amsterdam", True),
        ("Iran", "Iraq", True),
        ("room 12", "room 13", False),
        ("male", "female", False),
        ("Berlin ", "Berlin", False),
        ("cat", "car", False),
    ],
)
def test_what_a_typo_is(rare, usual, typo):
    levels = [Level(0, usual, 1000), Level(1, rare, 1)]
    assert bool(similar_levels(levels)) == typo


def test_a_frequent_level_is_no_typo():
    assert not is_typo(Level(1, "Iran", 300), Level(0, "Iraq", 1000))


def test_cells_of_another_pattern_are_found():
    codes = [f"AB-{i:04}" for i in RNG.integers(0, 300, N)]
    finding = the_one("odd pattern", code=changed(codes, 9, "AB12-x"))
    assert finding.rows == (9,)


# -- between columns ---------------------------------------------------------------------------------

LEVELS = RNG.integers(0, 12, N)


def test_equal_columns_are_found_once():
    finding = the_one("duplicate columns", a=X, b=CITIES, c=X)
    assert finding.columns == ("a", "c")


def test_columns_that_say_the_same_and_rows_where_they_do_not():
    names = np.array([f"level {chr(97 + v)}" for v in LEVELS])
    assert the_one("one-to-one columns", a=LEVELS, b=names).columns == ("a", "b")
    broken = the_one(
        "broken one-to-one", a=LEVELS, b=changed(names, 5, names[LEVELS != LEVELS[5]][0])
    )
    assert broken.rows == (5,)
    assert (5, "b", f"'{names[5]}'") in guessed(broken)


def test_functions_of_a_column_and_rows_where_they_are_none():
    group = np.array(["x", "y", "z"])[LEVELS % 3]
    function = the_one("function of a column", a=LEVELS, b=group)
    assert function.columns == ("a", "b")
    other = "x" if group[5] != "x" else "y"
    broken = the_one("broken function", a=LEVELS, b=changed(group, 5, other))
    assert guessed(broken) == [(5, "b", f"'{group[5]}'")]


def test_functions_of_columns_with_many_levels_are_found():
    many = RNG.integers(0, 2000, 20_000)
    also = many * 7 % 1999
    finding = the_one("broken function", a=many, b=changed(also // 3, 77, -5))
    assert finding.rows == (77,)


def test_a_level_that_breaks_a_rule_is_found():
    who = RNG.choice(["husband", "wife", "child"], 4000)
    sex = np.where(
        who == "husband", "m", np.where(who == "wife", "f", RNG.choice(["m", "f"], 4000))
    )
    row = int(np.flatnonzero(who == "husband")[3])
    finding = the_one("broken rule", who=who, sex=changed(sex, row, "f"))
    assert guessed(finding) == [(row, "sex", "'m'")]


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda a, b: a + b, "a + b"),
        (lambda a, b: (a * b).round(2), "a \u00d7 b"),
        (lambda a, b: 2.54 * a, "2.54 \u00d7 a"),
        (lambda a, b: 1.8 * a + 32, "1.8 \u00d7 a + 32"),
        (lambda a, b: a - b, "a"),
    ],
)
def test_reckoned_columns_and_rows_where_they_are_not(made, words):
    a, b = RNG.integers(1, 500, N) / 4, RNG.integers(1, 40, N)
    total = made(a, b)
    finding = the_one("reckoned column", a=a, b=b, total=total)
    assert words in finding.text
    broken = the_one("broken sum", a=a, b=b, total=changed(total, 13, total[13] + 7))
    assert broken.rows == (13,)


def test_a_million_cells_take_little_memory_and_rows_are_bounded():
    finding = the_one("white space", a=[" a", "b"] * 2000)
    assert (len(finding.rows), finding.count) == (1000, 2000)


def test_findings_are_plain_data_too():
    finding = the_one("typos", city=changed(CITIES, 2, "Berlni")).to_dict()
    assert finding["guesses"][0]["row"] == 2
    assert finding["severity"] == "warning"


@pytest.mark.parametrize(
    ("values", "identifies"),
    [
        (range(N), True),
        (range(0, 10 * N, 10), True),
        ([i * i for i in range(N)], False),
        ([i / 2 for i in range(N)], False),
        ([f"c{i}" for i in range(N)], True),
        (range(12), False),
    ],
)
def test_an_audit_and_a_schema_take_the_same_for_identifiers(values, identifies):
    values = list(values)
    frame = pl.DataFrame({"a": values, "b": [0.5, 1.5] * (len(values) // 2)})
    [column] = [c for c in infer_schema(frame, warn=False).columns if c.name == "a"]
    assert Profile(frame).columns[0].is_identifier is identifies
    assert ("identifier" in column.why) is identifies
