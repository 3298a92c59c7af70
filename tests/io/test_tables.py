"""Tables in and out: what is read, how columns are chosen, and the one sentence for what is not."""

import datetime
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.lib import format as npy

from isthmus.io import tables, unpacking
from isthmus.io.columns import choose_columns, looks_headless
from isthmus.io.endings import file_ending, file_stem
from isthmus.io.tables import read_table

CSV = "id,a,b\n007,1,2.5\n008,3,4\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


# -- text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_and_line_ends_are_found(write, separator, end):
    table = read_table(write(CSV.replace(",", separator).replace("\n", end)))
    assert table.separator == separator
    rows = choose_columns(table, ids=["id"])
    assert rows.X.rows() == [(1.0, 2.5), (3.0, 4.0)]
    assert rows.ids["id"].to_list() == ["007", "008"]  # identifiers stay as they are written


def test_one_column_needs_no_separator(write):
    assert choose_columns(read_table(write("a\n1\n2\n"))).X.rows() == [(1.0,), (2.0,)]


@pytest.mark.parametrize("other", ";|\t:")
def test_text_with_other_separators_does_not_mislead(write, other):
    rows = "".join(f'{i},"a{other} b{other}{i}",{i / 2}\n' for i in range(30))
    table = read_table(write("n,note,x\n" + rows))
    assert table.separator == ","
    assert table.rows.columns == ["n", "note", "x"]


def test_gzip_bom_tsv_blank_lines_and_quotes(write):
    packed = write(gzip.compress(b"\xef\xbb\xbf" + CSV.encode()), "t.csv.gz")
    assert read_table(packed).rows.columns == ["id", "a", "b"]
    assert read_table(write("a\tb,c\n1\t2\n", "t.TSV")).rows.columns == ["a", "b,c"]
    assert read_table(write("a,b\n1,2\n", "t.tsv.csv")).rows.columns == ["a", "b"]
    assert len(read_table(write("a,b\n1,2\n\n3,4\n\n")).rows) == 2
    quoted = read_table(write('n,a\n"x, ""y""\nz",1\n\n"w",2\n\n')).rows
    assert quoted["n"][0] == 'x, "y"\nz'


def test_numbers_in_text(write):
    text = "a,b,c,d\n 1,True,1e3,-.5\n2 ,false,nan,7\n3,TRUE,?,8\n"
    X = choose_columns(read_table(write(text)), columns=["a,b,d"]).X
    assert X.rows() == [(1.0, 1, -0.5), (2.0, 0, 7.0), (3.0, 1, 8.0)]
    decimal = choose_columns(read_table(write("a;b\n1,5;2\n-3;4,25\n"))).X
    assert decimal.rows() == [(1.5, 2.0), (-3.0, 4.25)]


def test_types_that_change_late_are_seen(write, fails):
    text = "a\n" + "1\n" * 20_000 + "0.5\n"
    assert choose_columns(read_table(write(text))).X["a"][-1] == 0.5
    fails(
        "line 20003: 'x' in the column 'a' is no", choose_columns, read_table(write(text + "x\n"))
    )


def test_without_header(write):
    path = write("1,2\n3,4\n")
    assert read_table(path, header=False).rows.columns == ["column_1", "column_2"]
    assert len(read_table(path, header=False).rows) == 2
    table = read_table(path)
    assert looks_headless(table, table.rows.columns)
    assert not looks_headless(read_table(write(CSV)), ["a", "b"])
    mixed = read_table(write("39,Private,7\n40,State,8\n41, Private,9\n"))
    assert looks_headless(mixed, ["39", "Private", "7"])
    assert not looks_headless(
        read_table(write("age,work\n40,State\n41,Private\n")), ["age", "work"]
    )
    assert read_table(write(",x\n1,2\n")).rows.columns == ["column_1", "x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv is empty."),
        ("\n\n", "t.csv is empty."),
        ("a,b\n", "t.csv has a header, but no rows."),
        ("a,b\n1,2\n3\n", "t.csv, line 3: 1 cells, but the first line has 2"),
        ("a,b\n1,2\n3,4,5\n", "t.csv, line 3: 3 cells, but the first line has 2"),
        ('a,b\n"1",2\n\n3,4,5\n', "t.csv, line 4: 3 cells"),
        ('a,b\n1,2\n"3,4\n5,6\n', "t.csv, line 4: unexpected end of data."),
        ('a,b\n1,"2"\n3\r,4\n', "t.csv, line 3: new-line character seen in unquoted field"),
        ("a,b,a\n1,2,3\n", "t.csv has two columns named 'a', 1 and 3: rename one"),
        (b"a,b\n1,2\n\xff\0,4\n", "t.csv, line 3: this is not UTF-8, and no other text either."),
    ],
)
def test_bad_text(write, text, message, fails):
    fails(message, read_table, write(text))


def test_bad_files(write, tmp_path, fails):
    fails(
        "t.doc has the ending '.doc'; tables end in .arff, .arrow,", read_table, write("", "t.doc")
    )
    fails("no.csv: No such file", read_table, tmp_path / "no.csv")
    fails("is no gzip file, or is cut off", read_table, write("a", "t.csv.gz"))
    cut = gzip.compress(CSV.encode())[:-9]
    fails("is no gzip file, or is cut off", read_table, write(cut, "t.csv.gz"))
    fails("is no Parquet file, or is damaged", read_table, write("PAR1", "t.parquet"))
    fails("--key chooses an array of a .npz", read_table, write(CSV), key="x")


# -- Parquet -------------------------------------------------------------------------------------


def test_parquet_keeps_types(tmp_path, fails):
    path = tmp_path / "t[1]*.parquet"  # no pattern
    frame = pl.DataFrame({"n": ["x", "y"], "i": [1, 2], "f": [0.5, 1], "b": [True, False]})
    frame.write_parquet(path)
    rows = choose_columns(read_table(path), ids=["n"])
    assert rows.X.rows() == [(1, 0.5, 1), (2, 1.0, 0)]
    assert rows.X["i"].dtype == pl.Int64
    fails("the column 'n' is not numeric", choose_columns, read_table(path))
    frame.clear().write_parquet(path)
    fails("has no rows", read_table, path)


def test_parquet_gaps_and_odd_types(tmp_path, fails):
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"a": [1.0, None, float("nan")], "i": [1, 2, 3], "e": [None] * 3})
    frame = frame.with_columns(
        d=pl.col("i").cast(pl.Decimal(10, 2)), w=pl.col("i").cast(pl.UInt128), t=pl.lit("2020")
    )
    frame.write_parquet(path)
    table = read_table(path)
    fails(
        "missing cells in 'a' (2), 'e' (3): fill",
        choose_columns,
        table,
        ignore=["t"],
    )
    assert choose_columns(table, columns=["d", "w"]).X.dtypes == [pl.Float64, pl.Float64]
    fails("'t' is not numeric", choose_columns, table, columns=["t"])


# -- columns -------------------------------------------------------------------------------------


def test_columns_are_chosen(write):
    table = read_table(write('id,a,b,"x,y",w\nq,1,2,3,4\nr,5,6,7,8\n'))
    assert choose_columns(table, columns=["b", "a"]).X.columns == ["b", "a"]
    assert choose_columns(table, columns=["b, a"]).X.columns == ["b", "a"]
    assert choose_columns(table, columns=["x,y"]).X.columns == ["x,y"]
    rows = choose_columns(table, ignore=["a"], ids=["id"], weight="w")
    assert rows.X.columns == ["b", "x,y"]
    assert rows.weight.tolist() == [4.0, 8.0]
    assert choose_columns(table, names=["b", "a"]).X.rows() == [(2.0, 1.0), (6.0, 5.0)]


def test_bad_columns(write, fails):
    table = read_table(write("id,age,sex,pay\n1,2,m,\n3,inf,f,NA\n"))
    advice = "leave it out with --ignore 'sex', choose others with --columns, or carry"
    fails("the column 'sex' is not numeric: " + advice, choose_columns, table)
    fails(
        "has no column 'agee'. Did you mean 'age'? It has: id", choose_columns, table, ids=["agee"]
    )
    fails("has no column 'zzz'. It has: id, age", choose_columns, table, weight="zzz")
    fails(
        "lacks the columns 'u', 'v', which the model",
        choose_columns,
        table,
        names=["u", "age", "v"],
    )
    fails(
        "'age' cannot be both chosen and left out",
        choose_columns,
        table,
        columns=["age"],
        ids=["age"],
    )
    fails("has no columns left", choose_columns, table, ignore=["id,age,sex,pay"])
    fails("has missing cells in 'pay' (2)", choose_columns, table, columns=["age,pay"])
    fails("has infinite cells in 'age' (1)", choose_columns, table, columns=["age"])


# -- arrays --------------------------------------------------------------------------------------


def packed(array):
    return tables.array_bytes(array)


@pytest.mark.parametrize("dtype", ["u1", "?", "i8", "<f4", ">f4", ">i2", "f2"])
def test_arrays_keep_their_numbers(write, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    read = read_table(write(packed(array), "t.npy")).rows
    np.testing.assert_array_equal(read, array)
    assert read.dtype.isnative
    assert read.flags.writeable


def test_array_shapes(write, fails):
    images = np.zeros((3, 4, 5), np.uint8)
    assert read_table(write(packed(images), "t.npy")).rows.shape == (3, 4, 5)
    file = io.BytesIO()
    np.save(file, np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    np.testing.assert_array_equal(
        read_table(write(file.getvalue(), "f.npy")).rows, np.arange(6.0).reshape(2, 3)
    )
    for shape in [(5,), (), (0, 4), (4, 0), (1, 1, 1, 1, 1)]:
        file = io.BytesIO()
        np.save(file, np.zeros(shape))
        fails(f"has shape {shape}", read_table, write(file.getvalue(), "t.npy"))


def header(shape, descr="<f8"):
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def test_bad_arrays(write, fails):
    read = lambda content: read_table(write(content, "t.npy"))  # noqa: E731
    fails("is no .npy array, or is damaged", read, b"")
    fails("is no .npy array, or is damaged", read, b"\x93NUMPY\x01\x00\xff\xff{")
    fails("format version 4.0 is unknown", read, b"\x93NUMPY\x04\x00" + b" " * 20)
    fails(
        "shape (1000000, 1000000) needs 8,000,000,000,000 bytes, and 4",
        read,
        header((10**6,) * 2) + b"1234",
    )
    fails("is cut off or damaged", read, header((-3, -4)) + b"0" * 96)
    objects = io.BytesIO()
    np.save(objects, np.array([[{}]]), allow_pickle=True)
    fails("has dtype object, which is no plain number", read, objects.getvalue())
    fails("has dtype complex128", read, header((1, 1), "<c16") + b"0" * 16)
    fails("has dtype <U3", read, header((1, 1), "<U3") + b"0" * 12)


def test_gzip_bombs(write, monkeypatch, fails):
    path = write(gzip.compress(b"a,b\n" + b"1,2\n" * 10**5), "t.csv.gz")
    assert len(read_table(path).rows) == 10**5
    monkeypatch.setattr(unpacking, "MOST_UNPACKED", 8 * 10**5)
    fails("t.csv.gz unpacks to more than ", read_table, path)


def test_npz(tmp_path, fails):
    path = tmp_path / "t.npz"
    np.savez_compressed(path, x=np.eye(3), y=np.zeros((2, 2)))
    fails("has 2 arrays; choose one with --key: x, y.", read_table, path)
    fails("has no array 'z'; choose one with --key: x, y.", read_table, path, key="z")
    np.testing.assert_array_equal(read_table(path, key="x").rows, np.eye(3))
    np.savez(path, only=np.eye(2))
    np.testing.assert_array_equal(read_table(path).rows, np.eye(2))
    fails(
        "--columns, --ignore, --id and --weight need a CSV",
        choose_columns,
        read_table(path),
        ids=["a"],
    )
    path.write_bytes(path.read_bytes()[:-30])
    fails("is no .npz file, or is damaged", read_table, path)


def test_npz_bombs(tmp_path, monkeypatch, fails):
    path = tmp_path / "t.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header((10**9, 10**9)) + bytes(10**6))
    fails("t.npz, array 'x.npy' is cut off or damaged: shape", read_table, path)
    monkeypatch.setattr(unpacking, "MOST_UNPACKED", 10**5)
    fails("would unpack from", read_table, path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", packed(np.eye(3)))
    content = bytearray(path.read_bytes())
    content[content.index(b"\xf0?")] ^= 1  # a flipped bit within the data
    path.write_bytes(content)
    fails("is damaged: Bad CRC-32", read_table, path)


# -- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical, pl.Enum])
def test_formulas_in_text_are_made_harmless(kind):
    text = ["=1+1", "+x", "-x", "@a", "\tb", "\rc", "plain", "-5", "+3.2", None, "a=b"]
    dtype = pl.Enum([t for t in text if t]) if kind is pl.Enum else kind
    ids = pl.Series(text, dtype=dtype)
    frame = pl.DataFrame({"=id": ids, "score": range(len(text))})
    out = pl.read_csv(tables.csv_text(frame).encode(), infer_schema=False)
    assert out.columns == ["'=id", "score"]
    harmless = ["'=1+1", "'+x", "'-x", "'@a", "'\tb", "'\rc", "plain", "-5", "+3.2", None, "a=b"]
    assert out["'=id"].to_list() == harmless
    assert "'" not in tables.csv_text(frame, raw=True)


def test_identifiers_of_all_kinds_are_written():
    day, span = datetime.date(2020, 1, 2), datetime.timedelta(days=1, seconds=2)
    frame = pl.DataFrame({"b": [b"\xff="], "d": [day], "s": [span], "e": ["a"], "n": [None]})
    assert tables.csv_text(frame) == "b,d,s,e,n\nff3d,2020-01-02,P1DT2S,a,\n"


@pytest.mark.parametrize(
    "name", [f"o.{kind}" for kind in "csv csv.gz parquet npy arrow feather jsonl xlsx".split()]
)
def test_what_is_written_is_read_back(tmp_path, name):
    if name == "o.xlsx":
        pytest.importorskip("xlsxwriter")
        pytest.importorskip("fastexcel")
    frame = pl.DataFrame({"a": [0.1, 1e-300], "b": [1 / 3, -7.0]})
    tables.write_table(tmp_path / name, frame)
    X = choose_columns(read_table(tmp_path / name)).X
    np.testing.assert_array_equal(np.asarray(X), frame.to_numpy())
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_outputs_are_checked(tmp_path, fails):
    check = lambda name, **k: tables.check_table_output(  # noqa: E731
        tmp_path / name, (".csv", ".parquet"), force=False, **k
    )
    check("new.csv")
    fails("must end in .csv or .parquet", check, "new.txt")
    fails("the folder", check, "no/new.csv")
    (tmp_path / "d.csv").mkdir()
    fails("d.csv: it is a folder", check, "d.csv")
    (tmp_path / "old.csv").write_text("x")
    fails("old.csv exists; overwrite it with --force", check, "old.csv")
    fails("is also an input", check, "old.csv", inputs=[tmp_path / "old.csv", None])


def test_folders_that_cannot_be_written_are_found_early(tmp_path, monkeypatch, fails):
    def full(dir):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.tempfile, "TemporaryFile", full)
    match = "new.csv: No space left on device."
    fails(match, tables.check_table_output, tmp_path / "new.csv", (".csv",), force=False)


def test_names():
    assert file_ending(Path("a.b.CSV.gz")) == ".csv.gz"
    assert file_stem(Path("x/a.b.csv.gz")) == "a.b"
    assert file_stem(Path("a")) == "a"
    assert file_ending(Path("a.gz")) == ".gz"
