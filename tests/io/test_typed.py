"""Columns of mixed tables: what the text of all their cells shows, and which cells are bad."""

import warnings
from datetime import UTC, time
from datetime import date as day
from datetime import datetime as moment
from datetime import timedelta as span

import numpy as np
import polars as pl
import pytest

from isthmus.io.columns import choose_columns
from isthmus.io.tables import read_table
from isthmus.schema import TwoReadings, as_dates, as_times

US, ZONED = pl.Datetime("us"), pl.Datetime("us", "UTC")


def utc(*of_day):
    return moment(2020, 1, 3, *of_day, tzinfo=UTC)


@pytest.fixture
def read(tmp_path):
    def read(*lines, name="t.csv"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return read_table(path)

    return read


def mixed(table, **options):
    return choose_columns(table, mixed=True, **options)


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", "", "-2.5"], pl.Float64, [1, None, -2.5]),
        (["1 050", "NaN", "?"], pl.Float64, [1050, None, None]),
        (["NA", "?", "null"], pl.Float64, [None, None, None]),
        (["N/A", "3", "NULL"], pl.Float64, [None, 3, None]),
        (["01234", "90210", ""], pl.String, ["01234", "90210", None]),
        (["0", "0.5", "00.5"], pl.Float64, [0, 0.5, 0.5]),
        (["A12", "A13"], pl.String, ["A12", "A13"]),
        (["True", "", "false"], pl.Boolean, [True, None, False]),
        (["yes", "NO", "Yes"], pl.Boolean, [True, False, True]),
        (["yes", "true", "no"], pl.String, ["yes", "true", "no"]),
        ([" a ", "?", "NaN"], pl.String, ["a", None, None]),
        (["2020-01-31", "", "1999-12-01"], pl.Date, [day(2020, 1, 31), None, day(1999, 12, 1)]),
        (["31/12/2020", "1/2/2020", ""], pl.Date, [day(2020, 12, 31), day(2020, 2, 1), None]),
        (["12/31/2020", "1/2/2020", ""], pl.Date, [day(2020, 12, 31), day(2020, 1, 2), None]),
        (["2020-01-31", "x", "y"], pl.String, ["2020-01-31", "x", "y"]),
        (["10:30", "23:59:01", ""], pl.Time, [time(10, 30), time(23, 59, 1), None]),
    ],
)  # fmt: skip
def test_a_column_of_text_is_what_all_its_cells_are(read, cells, dtype, values):
    X = mixed(read("a;b", *(f"{cell};w" for cell in cells)), columns=["a"]).X
    assert X.schema == {"a": dtype}
    assert X["a"].to_list() == values


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["3.1.2020"], pl.Date, [day(2020, 1, 3)]),
        (["03-Jan-2020", "4 February 2020"], pl.Date, [day(2020, 1, 3), day(2020, 2, 4)]),
        (["Sept. 3, 2020"], pl.Date, [day(2020, 9, 3)]),
        (["2020-01-03T10:30", "2020-01-03"], US, [moment(2020, 1, 3, 10, 30), moment(2020, 1, 3)]),
        (["2020-01-03 10:30:00.25"], US, [moment(2020, 1, 3, 10, 30, 0, 250_000)]),
        (["1/13/2020 12:05 am", "1/2/2020 3:04 PM"], US,
         [moment(2020, 1, 13, 0, 5), moment(2020, 1, 2, 15, 4)]),
        (["2020-01-03T10:00:00Z", "2020-01-03T10:00:00+02:00"], ZONED,
         [utc(h) for h in (10, 8)]),
        (["2020-01-03T10:00-0130", "2020-01-03 10:00"], ZONED, [utc(11, 30), None]),
        (["2021-02-28", "2021-02-30", "2021-13-01"], pl.Date, [day(2021, 2, 28), None, None]),
        (["2020-01-03 24:00", "2020-01-03 09:60", "2020-01-03 23:00"], US,
         [None, None, moment(2020, 1, 3, 23)]),
        (["13/02/2020", "14/02/2020", "02/15/2020"], pl.Date,
         [day(2020, 2, 13), day(2020, 2, 14), None]),
        (["2020-01-03", "4.2.2020", "5 Mar 2020", "x", "04/13/2020"], pl.Date,
         [day(2020, 1, 3), day(2020, 2, 4), day(2020, 3, 5), None, day(2020, 4, 13)]),
        (["2020-01-03", "4.2.2020 10:30"], US, [moment(2020, 1, 3), moment(2020, 2, 4, 10, 30)]),
    ],
)  # fmt: skip
def test_dates_are_read_in_whatever_style_a_cell_has(cells, dtype, values):
    found = as_dates(pl.Series("a", cells))
    assert (found.name, found.dtype, found.to_list()) == ("a", dtype, values)


def test_what_is_no_date_is_none():
    for cells in (["20200103"], ["1/2/20"], ["2020"], ["1.5"], ["10:30"], ["may"], [None]):
        assert as_dates(pl.Series(cells, dtype=pl.String)) is None
    with pytest.raises(TwoReadings) as caught:
        as_dates(pl.Series(["2020-01-02", "01/02/2020", "03-04-2020"]))
    assert caught.value.row == 1
    assert as_times(pl.Series(["2020-01-01"])) is None


def test_numbers_without_gaps_come_as_they_do_alone(read, tmp_path):
    table = read("a;b", "1.050,5;1", "2;3")
    assert mixed(table).X.equals(choose_columns(table).X)
    frame = pl.DataFrame(
        {"i": pl.Series([1, 2], dtype=pl.Int8), "d": pl.Series(["1.5", "2"]).cast(pl.Decimal(5, 2))}
    )
    frame.write_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert (
        mixed(table).X.schema == choose_columns(table).X.schema == {"i": pl.Int8, "d": pl.Float64}
    )
    np.save(tmp_path / "t.npy", np.array([[1, np.nan], [np.inf, 2]]))
    table = read_table(tmp_path / "t.npy")
    np.testing.assert_array_equal(mixed(table).X, table.rows)
    rows = mixed(table, set_apart=True)
    assert rows.problems.to_list() == [None, "x0 is infinite"]
    assert np.isnan(rows.X).sum() == 1


def test_numbers_of_another_mark_are_text_if_it_is_known(read, fails):
    table = read("g,x", '"18,35",1.5', '"1,2",2')
    way_out = (
        "'g'): write all alike, or say which mark is decimal, with --decimal: others are text then."
    )
    fails(way_out, mixed, table)
    assert mixed(table._replace(decimal="point")).X.rows() == [("18,35", 1.5), ("1,2", 2)]


def test_typed_files_keep_their_types(tmp_path, fails):
    frame = pl.DataFrame({
        "n": pl.Series([1, None], dtype=pl.Int16), "x": [0.5, float("nan")], "w": ["01", ""],
        "t": [True, None], "c": pl.Series(["u", "v"], dtype=pl.Categorical),
        "d": [day(2020, 1, 1), None], "s": [span(1), None],
    })  # fmt: skip
    frame.with_columns(pair=pl.struct("n", "x")).write_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert mixed(table, ignore=["pair"]).X.equals(frame.with_columns(x=pl.Series([0.5, None])))
    fails("the column 'pair' is neither numbers, words nor dates (Struct(", mixed, table)
    fails("leave out with --ignore 'pair'.", mixed, table)
    X = mixed(table, columns=["w", "n"], kinds={"w": "number"}).X
    assert X.rows() == [(1, 1), (None, None)]


def test_the_columns_of_a_model_are_read_as_what_they_are(read, fails):
    kinds = {"a": "number", "b": "category", "d": "date", "t": "boolean", "s": "duration"}
    lines = ["x,s,t,d,b,a", "9,P1DT1H,1,2020-01-01,07,5", "9,,0,,,", "9,PT-1S,maybe,soon,1,n"]
    table = read(*lines)
    options = {"names": ["a", "b", "d", "t", "s"], "kinds": kinds}
    fails(
        "t.csv, line 4: 'n' in the column 'a' is no number: mend it, or drop its row; a",
        mixed,
        table,
        **options,
    )
    rows = mixed(table, **options, set_apart=True)
    assert rows.X.rows() == [
        (5, "07", day(2020, 1, 1), True, span(1, 3600)),
        (None, None, None, False, None),
    ]
    why = (
        "a is 'n', no number, d is 'soon', no date, t is 'maybe', neither true nor false and 1 more"
    )
    assert rows.bad().rows() == [(2, why)]
    fails("lacks the column 'z', which", mixed, table, names=["a", "z"])
    fails(
        " in the column 'd' may begin with its day or its month",
        mixed,
        read("d", "1/2/2020"),
        names=["d"],
        kinds=kinds,
    )
    fails("and so are 1 more: mend", mixed, read("a,b", "x,1", "y,1"), kinds=kinds)
    fails("has infinite cells in 'a' (1)", mixed, read("a,b", "inf,x"))


def test_one_cell_that_makes_a_column_text_is_named(read):
    rows = [
        f"{i},2020-01-{i % 28 + 1:02},01/02/2020,{'yes' if i else 'perhaps'}" for i in range(30)
    ]
    with pytest.warns(UserWarning, match="single cells") as caught:
        X = mixed(read("a,d,o,y", *rows, "x,2020-02-30,01/02/2020,no")).X
    assert str(caught[0].message).endswith(
        "t.csv: taken as text because of single cells: 'a' (line 32: 'x' is no number), 'd' (line 32: "
        "'2020-02-30' is no date), 'o' (line 2: '01/02/2020' may begin with its day or its month); "
        "if the columns are no text, mend these cells, or give --as a=number, which takes such cells "
        "as missing."
    )
    assert set(X.dtypes) == {pl.String}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert mixed(read("a", "x", "1", "2")).X.dtypes == [pl.String]


def test_weights_stay_numbers(read, fails):
    table = read("a,w", "x,1", "y,2", "z,")
    fails("has missing cells in 'w' (1)", mixed, table, weight="w")
    rows = mixed(read("a,w,b", "x,1,inf", "y,2,1"), weight="w", set_apart=True)
    assert (rows.X.rows(), rows.weight.tolist()) == ([("y", 1)], [2])


def test_dates_of_several_styles_are_read_and_said(read):
    with pytest.warns(UserWarning, match="several ways") as caught:
        X = mixed(read("a,d", "x,2020-01-31", "y,1.2.2020", "z,2020-02-29")).X
    assert X["d"].to_list() == [day(2020, 1, 31), day(2020, 2, 1), day(2020, 2, 29)]
    assert str(caught[0].message).endswith(
        "t.csv: dates are written in several ways, and read as such: 'd' (line 2: '2020-01-31', "
        "line 3: '1.2.2020')."
    )


@pytest.mark.parametrize(
    ("cells", "values", "unit"),
    [
        (["$1,051.26", "-$5.5", "$ -1", ""], [1051.26, -5.5, -1, None], "$"),
        (["1.234,50 EUR", "-2,0 eur", "1 000 EUR"], [1234.5, -2, 1000], "EUR"),
        (["12 %", "7%", "?"], [12, 7, None], "%"),
        (["70 kg", "71.5kg"], [70, 71.5], "kg"),
    ],
)
def test_numbers_are_read_without_their_unit(read, cells, values, unit):
    with pytest.warns(UserWarning, match="without their unit") as caught:
        X = mixed(read("a;b", *(f"x;{cell}" for cell in cells))).X
    assert (X["b"].to_list(), X["b"].dtype) == (values, pl.Float64)
    assert [str(w.message).partition("t.csv: ")[2] for w in caught] == [
        f"read as numbers without their unit: 'b' ({unit})."
    ]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (
            ["$5"] * 30 + ["free"],
            "taken as text because of single cells: 'b' (line 32: 'free' is no number); if the columns "
            "are no text, mend these cells, or give --as b=number, which takes such cells as missing.",
        ),
        (
            ["$5"] * 30 + ["7", "8 EUR"],
            "numbers of several units are taken as text: 'b' (line 32: '7' is no number with '$', and "
            "so are 1 more); --as b=number reads them without their units.",
        ),
    ],
)
def test_cells_that_stand_out_among_numbers_with_units_are_said(read, cells, said):
    with pytest.warns(UserWarning, match="as text") as caught:
        mixed(read("a;b", *(f"x;{cell}" for cell in cells)))
    assert [str(w.message).partition("t.csv: ")[2] for w in caught] == [said]


@pytest.mark.parametrize(
    ("kind", "cells", "values", "first"),
    [
        ("number", ["1", "2", "n", "o", "3"], [1, 2, None, None, 3], "line 4: 'n'"),
        ("date", ["2020-01-31", "soon", "", "1.2.2020", "x"],
         [day(2020, 1, 31), None, None, day(2020, 2, 1), None], "line 3: 'soon'"),
        ("boolean", ["yes", "no", "maybe", "yes", "n"], [True, False, None, True, None],
         "line 4: 'maybe'"),
    ],
)  # fmt: skip
def test_cells_that_are_not_what_is_asked_for_are_missing(read, kind, cells, values, first):
    table = read("a,b", *(f"x,{cell}" for cell in cells))
    with pytest.warns(UserWarning, match="taken as missing") as caught:
        X = mixed(table, asked={"b": kind}).X
    assert X["b"].to_list() == values
    lost = [str(w.message) for w in caught if "missing" in str(w.message)]
    assert lost == [
        f"{table.path}: taken as missing: 2 cells of 'b', asked for as {kind} ({first} is the first)."
    ]


def test_numbers_of_several_units_are_read_if_asked_for(read):
    with pytest.warns(UserWarning, match=r"without their unit: 'b' \(\$, kg\)"):
        X = mixed(read("a,b", "x,$1", "y,$2", "z,3 kg", "v,4"), asked={"b": "number"}).X
    assert X["b"].to_list() == [1, 2, 3, 4]


def test_units_are_taken_off_for_models_of_numbers(read):
    rows = choose_columns(read("a", "$5", "$6", "x"), names=["a"], set_apart=True)
    assert (rows.X.rows(), rows.problems.to_list()) == ([(5,), (6,)], [None, None, "a is 'x'"])
