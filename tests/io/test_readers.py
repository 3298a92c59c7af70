"""Readers of other formats: what they make of a small file, and the one sentence for a bad one."""

import gzip
import io
import sqlite3
import struct
import sys
import zipfile
from contextlib import closing
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from isthmus.io import reading, tables, unpacking
from isthmus.io.columns import choose_columns
from isthmus.io.folders import table_files
from isthmus.io.reading import options_of
from isthmus.io.tables import check_table_output, read_table, write_table

FRAME = pl.DataFrame({
    "n": [1, 2, None], "x": [0.5, None, -2], "w": ["a", "", None], "t": [True, None, False],
    "d": [date(2020, 1, 31), None, date(2021, 2, 1)],
})  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def write(content, name):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def mixed(path, **options):
    return choose_columns(read_table(path, **options), mixed=True).X


def ipc(frame, **options):
    file = io.BytesIO()
    frame.write_ipc(file, **options)
    return file.getvalue()


# -- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("utf-8-sig", "é\u3042"), ("utf-16", "é\u3042"), ("cp1252", "é€"), ("shift_jis", "\u3042")],
)
def test_text_in_any_encoding(write, encoding, text, recwarn):
    path = write(f"a,b\n{text},1\n".encode(encoding), "t.csv")
    guessed = encoding != "shift_jis"
    assert mixed(path, encoding=None if guessed else encoding).rows() == [(text, 1)]
    warned = [str(w.message).partition("t.csv, ")[2] for w in recwarn]
    assert warned == (
        ["line 2: this is not UTF-8, and is read as cp1252; if letters are wrong, say what it is with "
         "--encoding."] if encoding == "cp1252" else []
    )  # fmt: skip


def test_bad_encodings(write, fails):
    path = write(b"a\n\x81\n", "t.csv")
    fails("t.csv, line 2: this is not cp1252; say what it is with --encoding", read_table, path)
    fails("t.csv, line 2: this is not ascii;", read_table, path, encoding="ascii")
    for name in ("utf8x", "base64", "rot13", "a\0"):
        fails(f"--encoding {name!r} is no encoding of text.", read_table, path, encoding=name)
    fails(" Did you mean 'latin-1'? Known: utf-8", read_table, path, encoding="latin1x")
    assert mixed(path, encoding="latin-1").rows() == [("\x81",)]


def test_packed_text_is_bounded(write, fails, monkeypatch):
    zstandard = pytest.importorskip("zstandard")
    packed = zstandard.compress(b"a,b\n") + zstandard.compress(b"1,2\n" * 10**5)
    assert len(read_table(write(packed, "t.csv.zst")).rows) == 10**5
    assert mixed(write(gzip.compress(b'{"a": 1}\n'), "t.jsonl.gz")).rows() == [(1,)]
    fails("is no Zstandard file, or is damaged.", read_table, write(b"a,b\n1,2\n", "t.csv.zst"))
    monkeypatch.setattr(unpacking, "MOST_UNPACKED", 2**10)
    monkeypatch.setattr(unpacking, "MOST_UNPACKED_RATIO", 1)
    fails("t.csv.zst unpacks to more than 128 bytes", read_table, write(packed[:128], "t.csv.zst"))


def test_json_by_lines(write, fails):
    lines = (
        '{"a": 1, "w": "007", "d": "2020-01-31", "e": [1, 2]}',
        '{"a": null, "w": "", "e": [3, 4], "b": true}',
    )
    X = mixed(write("\n\n".join(lines), "t.jsonl"))
    assert X.rows() == [
        (1, "007", date(2020, 1, 31), 1, 2, None),
        (None, None, None, 3, 4, True),
    ]
    assert X.columns == ["a", "w", "d", "e_0", "e_1", "b"]
    fails(
        "t.ndjson is no JSON by lines, or is damaged", read_table, write('{"a": 1\n{]', "t.ndjson")
    )
    fails("t.ndjson is empty.", read_table, write("\n", "t.ndjson"))


@pytest.fixture
def bounded(monkeypatch):
    """Let no file unpack to more than 64 kB."""
    monkeypatch.setattr(unpacking, "MOST_UNPACKED", 2**16)
    monkeypatch.setattr(unpacking, "MOST_UNPACKED_RATIO", 1)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.jsonl", "\n".join(f'{{"k{i}": 1}}' for i in range(100))),
        ("t.jsonl", "\n".join(f'{{"k": {{"k{i}": 1}}}}' for i in range(100))),
        ("t.jsonl", f'{{"k": [{", ".join(f"""{{"k{i}": 1}}""" for i in range(100))}]}}'),
        (
            "t.arff",
            "\n".join([*(f"@attribute a{i} real" for i in range(100)), "@data", *["{}"] * 100]),
        ),
    ],
    ids=["keys", "keys within keys", "keys within lists", "sparse rows"],
)
def test_rows_that_name_few_of_many_columns_are_bounded(write, fails, bounded, name, text):
    path = write(text, name)
    assert path.stat().st_size < 4000
    fails(f"{name} would unpack to 80,", read_table, path)


# -- typed files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_arrow_files(write, compression):
    assert mixed(write(ipc(FRAME, compression=compression), "t.arrow")).equals(FRAME)
    file = io.BytesIO()
    FRAME.write_ipc_stream(file, compression=compression)
    assert mixed(write(file.getvalue(), "t.feather")).equals(FRAME)


def test_feather_of_the_first_version(write, fails, monkeypatch):
    feather = pytest.importorskip("pyarrow.feather")
    file = io.BytesIO()
    with pytest.warns(DeprecationWarning, match="Feather V1"):
        feather.write_feather(FRAME.drop("d").to_arrow(), file, version=1)
    path = write(file.getvalue(), "t.feather")
    assert mixed(path).equals(FRAME.drop("d"))
    fails(
        "t.feather is no Feather file, or is damaged", read_table, write(b"FEA1xxxx", "t.feather")
    )
    monkeypatch.setitem(sys.modules, "pyarrow.feather", None)
    fails("t.feather needs pyarrow: pip install pyarrow.", read_table, path)


def test_arrow_files_are_bounded(write, fails, monkeypatch):
    content = ipc(pl.DataFrame({"a": np.zeros(10**5)}), compression="zstd")
    monkeypatch.setattr(unpacking, "MOST_UNPACKED", 2**10)
    fails("t.arrow would unpack to ", read_table, write(content, "t.arrow"))
    for cut in (b"ARROW1", content[:-9], content[:100], b"x"):
        fails("t.arrow is no Arrow file, or is damaged", read_table, write(cut, "t.arrow"))
    fails("t.arrow has no rows.", read_table, write(ipc(FRAME.clear()), "t.arrow"))


@pytest.fixture
def workbook(tmp_path):
    pytest.importorskip("fastexcel")
    book = pytest.importorskip("xlsxwriter").Workbook(tmp_path / "t.xlsx")
    one, two = book.add_worksheet("one"), book.add_worksheet("two")
    day, moment = (book.add_format({"num_format": f}) for f in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm"))
    for i, row in enumerate(
        [["n", "w", "", "t", "d", "m"], [1, "01", "", True], [2.5, "x", "", False]]
    ):
        one.write_row(i, 0, row)
    for i in (1, 2):
        one.write_datetime(i, 4, datetime(2020, 1, i), day)
        one.write_datetime(i, 5, datetime(2020, 1, i, 12), moment)
    one.write_blank(6, 0, None, day)
    two.write_row(0, 0, [1, 2])
    two.write_row(1, 0, [3, 4])
    book.close()
    return tmp_path / "t.xlsx"


def test_workbooks(workbook, fails):
    X = mixed(workbook, sheet="one")
    assert X.columns == ["n", "w", "t", "d", "m"]
    noon = [datetime(2020, 1, i, 12) for i in (1, 2)]
    assert X.rows() == [
        (1, "01", True, date(2020, 1, 1), noon[0]),
        (2.5, "x", False, date(2020, 1, 2), noon[1]),
    ]
    assert mixed(workbook, sheet="two", header=False).rows() == [(1, 2), (3, 4)]
    assert mixed(workbook, sheet="two", header=False).columns == ["column_1", "column_2"]
    fails("t.xlsx has 2 sheets; choose one with --sheet: one, two.", read_table, workbook)
    fails("t.xlsx has no sheet 'x'; choose", read_table, workbook, sheet="x")
    fails(
        "t.xlsx is one table: --key chooses an array of a .npz or .mat file.",
        read_table,
        workbook,
        key="x",
    )


def test_open_document_sheets(tmp_path):
    pytest.importorskip("fastexcel")
    names = ("office", "table", "text")
    spaces = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in names)
    rows = [
        ["<text:p>w</text:p>", "<text:p>n</text:p>"],
        ["<text:p>a</text:p>", "<text:p>1.5</text:p>"],
    ]
    kinds = {"w": "string", "n": "string", "a": "string", "1.5": 'float" office:value="1.5'}
    cells = [
        "".join(
            f'<table:table-cell office:value-type="{kinds[text[8:-9]]}">{text}</table:table-cell>'
            for text in row
        )
        for row in rows
    ]
    sheet = "".join(f"<table:table-row>{row}</table:table-row>" for row in cells)
    body = f'<office:body><office:spreadsheet><table:table table:name="s">{sheet}</table:table>'
    with zipfile.ZipFile(tmp_path / "t.ods", "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("META-INF/manifest.xml", "<manifest/>")
        content = f"{body}</office:spreadsheet></office:body></office:document-content>"
        file.writestr("content.xml", f"<office:document-content {spaces}>{content}")
    assert mixed(tmp_path / "t.ods").rows() == [("a", 1.5)]


def test_workbooks_are_bounded(write, workbook, fails, monkeypatch):
    fails(
        "t.ods is no workbook, or is damaged: File is not a zip", read_table, write(b"x", "t.ods")
    )
    fails("t.xls is no workbook, or is damaged: ", read_table, write(b"x", "t.xls"))
    with (
        zipfile.ZipFile(workbook) as held,
        zipfile.ZipFile(workbook.with_name("far.xlsx"), "w") as far,
    ):
        for name in held.namelist():
            far.writestr(name, held.read(name).replace(b'r="B2"', b'r="XFD1048576"'))
    fails(
        "far.xlsx has a sheet of 1,048,576 rows and 16,384 columns",
        read_table,
        workbook.with_name("far.xlsx"),
    )
    monkeypatch.setattr(unpacking, "MOST_UNPACKED", 2**10)
    monkeypatch.setattr(unpacking, "MOST_UNPACKED_RATIO", 1)
    fails("t.xlsx would unpack to ", read_table, workbook)
    monkeypatch.setitem(sys.modules, "fastexcel", None)
    fails("t.xlsx needs fastexcel: pip install fastexcel.", read_table, workbook)


def database(path, *statements):
    with closing(sqlite3.connect(path)) as held, held:
        for statement in statements:
            held.execute(statement)
    return path


def test_sqlite(tmp_path, write, fails):
    path = database(
        tmp_path / "t #1?.db",
        'CREATE TABLE "o\'ne" (n, x, w, m, b, d, e)',
        "INSERT INTO \"o'ne\" VALUES (1, 1, '01', 1, x'00', '2020-01-31', '')",
        "INSERT INTO \"o'ne\" VALUES (2, 0.5, NULL, 'x', NULL, NULL, 3)",
        'CREATE VIEW v AS SELECT n FROM "o\'ne"',
    )
    X = choose_columns(read_table(path), ignore=["b"], mixed=True).X
    assert X.rows() == [(1, 1.0, "01", "1", date(2020, 1, 31), None), (2, 0.5, None, "x", None, 3)]
    assert [str(dtype) for dtype in X.dtypes[:4]] == ["Int64", "Float64", "String", "String"]
    before = path.read_bytes()
    fails(
        "t #1?.db has no table 'z'; choose one with --from-table: o'ne.",
        read_table,
        path,
        table="z",
    )
    database(path, "CREATE TABLE two (a)")
    fails("has 2 tables; choose one with --from-table: o'ne, two.", read_table, path)
    fails("has no rows.", read_table, path, table="two")
    assert before != path.read_bytes()
    with closing(sqlite3.connect(path)) as held:  # one that is written to, whose log counts
        held.executescript("PRAGMA journal_mode = WAL; INSERT INTO two VALUES (7)")
        assert mixed(path, table="two").rows() == [(7,)]
    fails("is no SQLite database, or is damaged", read_table, write(b"x" * 999, "t.sqlite"))


def test_sqlite_is_bounded_while_it_is_read(tmp_path, fails, bounded):
    path = database(
        tmp_path / "t.db",
        "CREATE TABLE one (a, b AS (printf('%.1000c', 'x')))",
        "CREATE TABLE two (a, b AS (hex(zeroblob(1000000))))",
        *["INSERT INTO one VALUES (1)"] * 400,
        "INSERT INTO two VALUES (1)",
    )
    fails("t.db would unpack to 66,", read_table, path, table="one")  # and not to all 400,000 bytes
    fails(
        "t.db is no SQLite database, or is damaged: string or blob", read_table, path, table="two"
    )


def test_duckdb_is_bounded(tmp_path, fails, bounded):
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "t.duckdb"
    with duckdb.connect(path) as held:
        held.execute("CREATE TABLE number AS SELECT 1 AS a FROM range(1000000)")
        held.execute("CREATE TABLE text AS SELECT 1 AS a, repeat('x', 2000) AS b FROM range(1000)")
        held.execute("CREATE TABLE blob AS SELECT repeat('x', 2000)::BLOB AS b FROM range(1000)")
        held.execute("CREATE TABLE list AS SELECT range(300) AS b FROM range(1000)")
    for name, size in (("number", "8,000"), ("text", "2,016"), ("blob", "2,008"), ("list", "")):
        fails(f"t.duckdb would unpack to {size}", read_table, path, table=name)


def test_duckdb(tmp_path, write, fails):
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(tmp_path / "t.duckdb") as held:
        held.execute(
            "CREATE TABLE one AS SELECT i AS n, i / 2 AS x, 'a' AS w, NULL::BOOL AS t, "
            "DATE '2020-01-31' AS d, INTERVAL 1 DAY AS s, [1, 2] AS e FROM range(2) r(i)"
        )
    path = tmp_path / "t.duckdb"
    before = path.read_bytes()
    table = read_table(path)
    fails("the column 's' cannot be read, as it holds INTERVAL", choose_columns, table)
    X = choose_columns(table, ignore=["s"], mixed=True).X
    assert X.rows() == [(i, i / 2, "a", None, date(2020, 1, 31), 1, 2) for i in (0, 1)]
    fails("has no table 'z'; choose one with --from-table: one.", read_table, path, table="z")
    fails("is no DuckDB database, or is damaged", read_table, write(b"x" * 999, "u.duckdb"))
    assert before == path.read_bytes()


# -- formats of collections ----------------------------------------------------------------------

ARFF = """% a comment
@RELATION r

@attribute 'my age' NUMERIC
@Attribute kind {a, 'b c', "d\\"e"}
@attribute note string
@attribute day date "yyyy-MM-dd"
@attribute n {?, yes}
@DATA
% more
1.5, 'b c', 'it\\'s, so', 2020-01-31, yes
?,a,?,?,?

{0 2, 1 'd"e', 2 x, 3 2021-02-01}
"""


def test_arff(write, fails):
    X = mixed(write(ARFF, "t.arff"))
    assert X.columns == ["my age", "kind", "note", "day", "n"]
    assert X.rows() == [
        (1.5, "b c", "it's, so", date(2020, 1, 31), "yes"),
        (None, "a", None, None, None),
        (2, 'd"e', "x", date(2021, 2, 1), None),
    ]
    assert X["kind"].dtype == pl.Enum(["a", "b c", 'd"e'])
    sparse = mixed(write("@attribute a real\n@attribute b {u,v}\n@data\n{}\n{1 v,0 3}\n", "t.arff"))
    assert sparse.rows() == [(0, "u"), (3, "v")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@attribute a real\n", "t.arff is no ARFF file, or is cut off: it has no line @data."),
        ("@data\n1\n", "it declares no attribute."),
        ("@attribute a\n@data\n1\n", "t.arff, line 1: this declares no attribute: '@attribute a'."),
        ("@attribute a relational\n@data\n1\n", "the attribute 'a' is of the type 'relational'"),
        ("@attribute a real\n@data\n", "t.arff has no rows."),
        ("@attribute a real\n@data\n1,2\n", "t.arff, line 3: 2 cells, but the header declares 1."),
        ("@attribute a real\n@data\n'1\n", "t.arff, line 3: a quote does not end"),
        ("@attribute a real\n@data\nx\n", "row 0: 'x' in the column 'a' is no number."),
        (
            "@attribute a {u}\n@data\nv\n",
            "'v' in the column 'a' is no level that the header declares.",
        ),
        ("@attribute a real\n@data\n{1 2}\n", "t.arff, line 3: '1 2' is no cell of a sparse row."),
        ("@attribute a real\n@attribute a real\n@data\n1,2\n", "two columns named 'a'"),
    ],
)
def test_bad_arff(write, fails, text, message):
    fails(message, read_table, write(text, "t.arff"))


@pytest.mark.parametrize("compressed", [True, False])
def test_matlab_files(write, fails, compressed):
    savemat = pytest.importorskip("scipy.io").savemat
    file = io.BytesIO()
    X = np.array([[1.5, 2], [3, np.nan], [5, 6]])
    held = {"X": X, "y": np.array([[0], [1], [0]], "u1"), "s": "text", "i": np.array([[7]], "i2")}
    savemat(file, held, do_compression=compressed)
    path = write(file.getvalue(), "t.mat")
    rows = choose_columns(read_table(path), mixed=True)
    assert rows.X.columns == ["x0", "x1"]
    assert rows.X.rows() == [(1.5, 2), (3, None), (5, 6)]
    assert rows.ids["y"].to_list() == [0, 1, 0]
    assert choose_columns(read_table(path), columns=["x0,y"]).X["y"].to_list() == [0, 1, 0]
    assert mixed(path, key="i").rows() == [(7,)]
    fails("t.mat has no array 's'; choose one with --key: X, y, i.", read_table, path, key="s")
    fails(
        "t.mat is no MATLAB file of version 5, or is damaged.",
        read_table,
        write(file.getvalue()[:200], "t.mat"),
    )


def test_bad_matlab_files(write, fails, monkeypatch):
    savemat = pytest.importorskip("scipy.io").savemat
    head = b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x100) + b"IM"
    damaged = "is no MATLAB file of version 5, or is damaged."
    for content in (
        b"",
        head[:-2] + b"xx",
        head + struct.pack("<II", 14, 2**31),
        head + struct.pack("<II", 14, 0),
    ):
        fails(damaged, read_table, write(content, "t.mat"))
    file = io.BytesIO()
    savemat(file, {"X": np.ones((1, 2))})
    uneven = file.getvalue().replace(struct.pack("<II", 9, 16), struct.pack("<II", 9, 15))
    fails(damaged, read_table, write(uneven, "t.mat"))
    new = b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n"
    fails(
        "t.mat is a MATLAB file of version 7.3: save it with -v7.", read_table, write(new, "t.mat")
    )
    file = io.BytesIO()
    savemat(file, {"X": np.zeros((10**4, 2))}, do_compression=True)
    monkeypatch.setattr(unpacking, "MOST_UNPACKED", 2**10)
    fails("t.mat unpacks to more than ", read_table, write(file.getvalue(), "t.mat"))


# -- several files -------------------------------------------------------------------------------


def test_a_folder_or_a_pattern_is_one_table(write, tmp_path, fails):
    for name, text in (("b", "b,a\n9,x\n"), ("a", "a,b\nu,1\nv,2\n"), ("_c", "z\n1\n")):
        write(text, f"parts/{name}.csv")
    write("notes", "parts/README.md")
    folder = tmp_path / "parts"
    table = read_table(folder)
    assert choose_columns(table, mixed=True).X.rows() == [("u", 1), ("v", 2), ("x", 9)]
    assert [table.row(i) for i in range(3)] == [
        "line 2 of a.csv",
        "line 3 of a.csv",
        "line 2 of b.csv",
    ]
    fails(
        "the column 'a' is not numeric: leave it out with --ignore 'a', choose",
        choose_columns,
        table,
    )
    rows = choose_columns(table, mixed=True, kinds={"b": "number", "a": "number"}, columns=["b"])
    assert rows.X.rows() == [(1,), (2,), (9,)]
    assert [p.name for p in table_files(folder / "[ab].csv")] == ["a.csv", "b.csv"]
    assert len(read_table(folder / "b*.csv").rows) == 1
    fails("c*.csv: there is no table; they end in .arff,", read_table, folder / "c*.csv")
    write("c,a\n1,2\n", "parts/c.csv")
    fails("c.csv lacks the column 'b', which ", read_table, folder)
    write('{"a": 1}', "parts/d.jsonl")
    fails(
        "parts has files that end in .csv and .jsonl: give those of one format", read_table, folder
    )
    write(b"", "parts/sub.png")
    assert table_files(folder) == []
    assert table_files(folder / "a.csv") is None


def test_parts_have_the_same_types(tmp_path, fails):
    folder = tmp_path / "parts"
    folder.mkdir()
    whole, parts = pl.DataFrame({"n": [1], "w": ["x"]}), pl.DataFrame({"n": [0.5], "w": [None]})
    for name, frame in (("a", whole), ("b", parts)):
        frame.write_parquet(folder / f"{name}.parquet")
    table = read_table(folder)
    assert table.rows.rows() == [(1.0, "x"), (0.5, None)]
    assert table.row(1) == "row 0 of b.parquet"
    assert table.only(pl.Series([False, True])).row(0) == "row 0 of b.parquet"
    pl.DataFrame({"n": ["1"], "w": [None]}).write_parquet(folder / "c.parquet")
    fails("c.parquet: the column 'n' holds String, and Int64 in ", read_table, folder)
    np.save(folder / "n.npy", np.eye(2))
    fails("n.npy is an array, which is no part of a larger table", read_table, folder / "n*.npy")


def test_a_reader_takes_the_options_that_it_has_parameters_for(write, fails, monkeypatch):
    monkeypatch.setattr(reading, "_READERS", {**reading.all_readers()})

    @reading.reader(".list")
    def read(path, *, table=None):
        return read_table(write(f"{table}\n1\n", "inner.csv"))

    path = write("", "t.list")
    assert options_of(path) == {"table"}
    assert read_table(path, table="x", header=False).rows.columns == ["x"]
    fails(
        "--sheet chooses a sheet of a .xlsx, .xlsm, .xls or .ods file", read_table, path, sheet="x"
    )
    assert options_of(write("", "t.doc")) == frozenset()


@pytest.mark.parametrize("name", ["t.jsonl", "t.arrow", "t.xlsx"])
def test_mixed_tables_are_written(tmp_path, name, fails, monkeypatch):
    if name == "t.xlsx":
        pytest.importorskip("xlsxwriter")
        pytest.importorskip("fastexcel")
    frame = FRAME.with_columns(w=pl.Series(["=1+1", "01", "x"]), x=pl.Series([0.5, None, 2]))
    write_table(tmp_path / name, frame)
    assert mixed(tmp_path / name).rows() == frame.rows()
    if name == "t.xlsx":
        write_table(tmp_path / name, pl.DataFrame({"s": [timedelta(1)], "b": [b"x"]}))
        assert mixed(tmp_path / name).rows() == [("P1D", "78")]
        monkeypatch.setattr(tables, "LARGEST_SHEET", (2, 9))
        fails(
            "3 rows and 5 columns are more than a sheet holds", write_table, tmp_path / name, frame
        )
        monkeypatch.setitem(sys.modules, "xlsxwriter", None)
        fails("needs xlsxwriter: pip install", write_table, tmp_path / name, frame)
        fails(
            "needs xlsxwriter", check_table_output, tmp_path / "new.xlsx", (".xlsx",), force=False
        )
