"""Cells of text as numbers: one decimal mark for a file, and no cell becomes another number."""

import pytest

from isthmus.io import column_values, columns
from isthmus.io.columns import choose_columns
from isthmus.io.tables import read_table


@pytest.fixture
def read(tmp_path):
    def read(*lines, name="t.csv", **options):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return read_table(path, **options)

    return read


# -- decimal marks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        (["a;b", "0,5;1.050", "1,5;950"], [(0.5, 1050), (1.5, 950)]),
        (["a;b", "0.5;1,050", "1.5;950"], [(0.5, 1050), (1.5, 950)]),
        (["a;b", "7.4;0.076", "7.800;1.050"], [(7.4, 0.076), (7.8, 1.05)]),
        (["a;b", "1.050.000;1,250", "2;3"], [(1_050_000, 1.25), (2, 3)]),
        (["a;b", "1,050.25;1.125", "1;2"], [(1050.25, 1.125), (1, 2)]),
        (["a;b", "1.050,25;1.125", "1;2"], [(1050.25, 1125), (1, 2)]),
        (["a;b", "0,050;1.125", "1;2"], [(0.05, 1125), (1, 2)]),
        (["a;b", "1050,125;1.125", "1;2"], [(1050.125, 1125), (1, 2)]),
        (["a;b", "1,0e-3;-1.125", "1;2"], [(0.001, -1125), (1, 2)]),
        (["a\tb", "0,5\t1.050", "1\t950"], [(0.5, 1050), (1, 950)]),
        (["a,b", '0.5,"1,050"', "1,950"], [(0.5, 1050), (1, 950)]),
        (["a,b", '"0,5",1.050', "1,950"], [(0.5, 1050), (1, 950)]),
        (["a,b", "1.050,1.125", "1,2"], [(1.05, 1.125), (1, 2)]),
        (["a;b", "1;true", "0;False"], [(1, 1), (0, 0)]),
    ],
)
def test_one_decimal_mark_for_a_file(read, lines, rows):
    assert choose_columns(read(*lines)).X.rows() == rows


def test_names_are_no_patterns(read):
    table = read("*,^a.*$,a1", "1,2,x", "3,4,y")
    rows = choose_columns(table, ids=["a1"])
    assert rows.X.rows() == [(1, 2), (3, 4)]
    assert rows.ids.columns == ["a1"]
    assert choose_columns(table, columns=["*"], ignore=["^a.*$"]).X.columns == ["*"]


@pytest.mark.parametrize("separator", [";", "\t", "|"])
@pytest.mark.parametrize("cell", ["1.050", "1,050", "-999.999"])
def test_marks_in_doubt_are_refused(read, fails, separator, cell):
    table = read(separator.join("ab"), separator.join(["1", "950"]), separator.join(["2", cell]))
    message = f"line 3: {cell!r} in the column 'b': its mark may be a decimal one or one between"
    fails(message, choose_columns, table)
    value = float(cell.replace(",", "."))
    point, comma = (value, 1000 * value) if "." in cell else (1000 * value, value)
    for decimal, right in (("point", point), ("comma", comma)):
        told = choose_columns(table._replace(decimal=decimal), columns=["b"])
        assert told.X["b"].to_list() == [950, pytest.approx(right)]


def test_marks_in_doubt_without_separators(read, fails):
    fails("line 2: '1.050' in the column 'a': its mark may be", choose_columns, read("a", "1.050"))
    fails("line 2: '1,050' in the column 'a': its", choose_columns, read("a,b", '"1,050",2.125'))


@pytest.mark.parametrize("telling", ["0.123", "-0.123", "1234.567", "1.2345", "1.05"])
@pytest.mark.parametrize("beside", ["", "\t1.125", ";1.125"])
def test_one_cell_tells_that_three_decimals_are_decimals(read, telling, beside):
    lines = [cell + beside for cell in ("12.340", telling, "1.125")]
    table = read(*lines, header=False)
    assert choose_columns(table, columns=["column_1"]).X.rows() == [
        (12.34,),
        (float(telling),),
        (1.125,),
    ]


def test_columns_that_are_left_out_tell_the_mark_too(read, fails):
    table = read("a;b;c;d", "1.050;0,5;0.5;x", "950;1;1.x;0.5")
    assert choose_columns(table, columns=["a"]).X["a"].to_list() == [1050, 950]
    weighed = choose_columns(read("w;a", "0,5;1.050", "1;950"), weight="w")
    assert (weighed.X["a"].to_list(), weighed.weight.tolist()) == ([1050, 950], [0.5, 1])
    assert column_values(table, "a").to_list() == [1050, 950]
    assert column_values(table, "c").to_list() == ["0.5", "1.x"]


def test_two_decimal_marks_in_a_file_are_refused(read, fails):
    message = "(line 3: '2.5' in the column 'b', line 2: '0,5' in the column 'a'): write all alike"
    fails(message, choose_columns, read("a;b", "0,5;1", "1;2.5"))
    assert choose_columns(read("a;b", "0,5;1", "1;2.5"), columns=["a"]).X["a"].to_list() == [0.5, 1]
    table = read("a;b", "0,5;1", "1;2.5")._replace(decimal="comma")
    fails("line 3: '2.5' in the column 'b' is no number where the comma is", choose_columns, table)


# -- cells ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("\u22125", -5),
        ("1\u202f050", 1050),
        ("1\u00a0050.5", 1050.5),
        ("1 050 000", 1_050_000),
        ("1'050", 1050),
        ("1\u2019050.25", 1050.25),
        (" 7 ", 7),
        ("+.5E2", 50),
        ("7.", 7),
    ],
)
def test_cells_that_are_numbers(read, cell, value):
    assert choose_columns(read("a;b", f"{cell};0.5", "1;2")).X["a"].to_list() == [value, 1]


@pytest.mark.parametrize(
    "cell",
    "- -- 5% (5) $5 1,05,000 1.2.3 1_000 0x1F 1e 5kg \u0661\u0662 01.02.2020 2020-01-02 1.05.000"
    " + . none --5 1,,5".split(),
)
@pytest.mark.parametrize("separator", [",", ";"])
def test_cells_that_are_none_are_named_by_line(read, fails, separator, cell):
    lines = [f"{i}{separator}{i / 4}" for i in range(500)]
    lines[400] = f'"{cell}"{separator}1' if "," in cell else f"{cell}{separator}1"
    message = f"t.csv, line 402: {cell!r} in the column 'a' is no number: mend it, or drop its row"
    fails(message, choose_columns, read(separator.join("ab"), *lines))


def test_missing_and_infinite_cells_are_no_numbers(read, fails):
    table = read("a,b", "1,NaN", "Infinity,nan", "-inf,-nan", "2,NAN", "3,")
    fails("has missing cells in 'b' (5): fill", choose_columns, table)
    others = read("a", "N/A", "n/a", "#N/A", "<NA>", "NaT", "NULL", "1")
    fails("has missing cells in 'a' (6): fill", choose_columns, others)
    fails("has infinite cells in 'a' (2): fill", choose_columns, table, columns=["a"])
    fails("'a' (the first is in line 3).", choose_columns, table, columns=["a"])
    fails("with --id (line 2: 'x').", choose_columns, read("a,b", "x,1", "y,2"))


def test_the_line_is_right_beside_blank_lines_and_quotes(read, fails):
    message = "line 8: 'x' in the column 'a' is no number, and so are 1 more: mend"
    for first in ("1,2", '"1",2'):
        table = read("", "a,b", first, "", "3,4", "5,6", "", "x,8", "7,8", "y,9")
        assert len(table.rows) == 6
        fails(message, choose_columns, table)
    table = read("n,b", '"two', 'lines",1', "", '"three', "", 'lines",2', "z,3", "z,x")
    assert table.lines.tolist() == [2, 5, 8, 9]
    assert table.rows["n"][1] == "three\n\nlines"
    fails("line 9: 'x' in the column 'b'", choose_columns, table, columns=["b"])
    fails("line 3: 'x'", choose_columns, read("1,2", "3,4", "x,6", header=False))


# -- row indexes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", '""', "Unnamed: 0"])
def test_a_first_column_that_counts_rows_is_an_identifier(read, name, recwarn):
    table = read(f"{name},a,b", "4,1,2", "9,3,4")
    known = name.strip('"') or "column_1"
    with pytest.warns(UserWarning, match=f"t.csv: the column '{known}' is the row index that"):
        rows = choose_columns(table)
    assert (rows.X.columns, rows.ids[known].to_list()) == (["a", "b"], ["4", "9"])
    assert choose_columns(table, names=["b", known]).X.rows() == [(2, 4), (4, 9)]
    assert choose_columns(table, names=["b"]).ids.columns == [known]
    assert choose_columns(table, columns=[f"{known},a"]).X.columns == [known, "a"]
    assert choose_columns(table, ignore=[known]).ids.width == 0
    assert not recwarn.list


@pytest.mark.parametrize("cells", ["4,4", "4,5.5", "4,"])
def test_a_first_column_without_a_name_may_be_a_feature(read, cells, recwarn):
    first, second = cells.split(",")
    table = read(",a", f"{first},1", f"{second},2")
    assert table.row_index == ()
    assert read("1,2", "3,4", header=False).row_index == ()
    assert read("a,", "1,2", "3,4").row_index == ()


def test_a_row_index_alone_is_no_table_until_it_is_asked_for(read, fails):
    table = read("Unnamed: 0", "4", "9")
    message = "no columns left to work on: the column 'Unnamed: 0' is taken for the row index that"
    fails(message, choose_columns, table)
    fails("to use it, give --columns 'Unnamed: 0'.", choose_columns, table)
    assert choose_columns(table, columns=["Unnamed: 0"]).X.rows() == [(4,), (9,)]


# -- many columns --------------------------------------------------------------------------------


def test_many_columns_are_looked_up_at_once(read, monkeypatch):
    names = [f"column {i}" for i in range(20_000)]
    lists = []

    class Counted(str):
        def __eq__(self, other):
            lists.append(1)
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    known = [Counted(name) for name in names]
    assert columns._taken(None, known, names, [], known[:5]) == names
    assert columns._taken(None, known, None, [], known[:15_000]) == names[15_000:]
    assert len(lists) < 200_000
