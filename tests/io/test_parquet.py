"""Parquet files, those of other writers too: sizes, types without a place, lists, row indexes."""

import base64
import io
import os
import threading
import time
import zlib
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from isthmus.io import foreign, parquet, unpacking
from isthmus.io.columns import choose_columns
from isthmus.io.lists import spread_lists
from isthmus.io.parquet_sizes import Damaged, unpacked_size
from isthmus.io.tables import read_table

# What DuckDB 2.0 wrote for `select i::double a, i b, interval (i) day as iv from range(3) r(i)`.
OF_DUCKDB = zlib.decompress(
    base64.b85decode(
        "c-"
        "n=M&uYRz5XL8q1Q8T+m}M7o$e{*XTG6)N0{w%RLJv|r8?xDihDJlR?!m|EGxUM_2%Q+C*cMzC=G)<$A2Yi<d3Y"
        "HjV1U6T+9YhW0T=+-796ebyPdc{VXp<-MRHAXdV+o^J1S-Jc?6=Z*YTTH;VOPj<`E&V)n&qp02^gg-7~-"
        "r3S@$1rh5V0maYtZaIqy3Bsr0Ce8y*fGZ4*sj=cg7y??Tf!vUm=<pgC%C9qKe)gG7<ux|Gl_&4h~zj2){j=J9R"
        "3^)Fl^>ncCPsVM(Nr4K5TU|pxTYMx-6Xl`Gi(($8Sx#rsUKGoDlxLenUzs6@-"
        "k99uN6#e7RaPuKbKM{G2VPIDvs`<6bQ>#`-01XN1};Fg;hkP#LO<dMgttH*"
    )
)


@pytest.fixture
def write(tmp_path):
    def write(what, **options):
        path = tmp_path / "t.parquet"
        if isinstance(what, bytes):
            path.write_bytes(what)
        elif isinstance(what, pd.DataFrame):
            what.to_parquet(path, **options)
        elif isinstance(what, pl.DataFrame):
            what.write_parquet(path, **options)
        else:
            pq.write_table(pa.table(what), path, **options)
        return path

    return write


# -- columns that cannot be read -----------------------------------------------------------------


def test_columns_beside_an_interval_are_read(write, fails, capfd):
    path = write(OF_DUCKDB)
    assert choose_columns(read_table(path), columns=["a,b"]).X.rows() == [(0, 0), (1, 1), (2, 2)]
    message = "the column 'iv' cannot be read, as it holds intervals: leave out with --ignore 'iv'"
    fails(message, choose_columns, read_table(path))
    fails(message, choose_columns, read_table(path), columns=["a"], ids=["iv"])
    assert choose_columns(read_table(path), ignore=["iv"]).X.columns == ["a", "b"]
    assert capfd.readouterr().err == ""
    assert parquet.INTERVALS not in os.environ


def test_columns_beside_long_decimals_are_read(write, fails):
    long = pa.array([1, 2], pa.int64()).cast(pa.decimal256(60, 2))
    path = write({"a": [1.0, 2.0], "d": long})
    assert choose_columns(read_table(path), columns=["a"]).X.rows() == [(1,), (2,)]
    fails("'d' cannot be read, as it holds decimal numbers of 60", choose_columns, read_table(path))


def test_a_column_that_is_damaged_leaves_the_others(write, fails):
    frame = pl.DataFrame({c: np.random.default_rng(0).normal(size=2000) for c in "abcd"})
    path = write(frame, compression="zstd", statistics=False)
    content = bytearray(path.read_bytes())
    content[content.index(b"\x28\xb5\x2f\xfd")] = 0  # where the first column's data begin
    path.write_bytes(content)
    assert choose_columns(read_table(path), columns=["c"]).X["c"].to_list() == frame["c"].to_list()
    fails("the column 'a' cannot be read, as ", choose_columns, read_table(path))


def test_a_panic_is_one_sentence(write, monkeypatch, fails, capfd):
    def panic(*args, **options):
        os.write(2, b"thread '<unnamed>' panicked\n" * 79)
        raise pl.exceptions.PanicException("out of range\nmore")

    path = write({"a": [1.0]})
    for name in ("read_parquet_schema", "read_parquet"):
        with monkeypatch.context() as patch:
            patch.setattr(pl, name, panic)
            fails(": out of range", lambda: choose_columns(read_table(path)))
    monkeypatch.setattr(pl, "read_csv", panic)
    csv = path.with_suffix(".csv")
    csv.write_text("a\n1\n")
    fails("t.csv cannot be read: out of range.", read_table, csv)
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(foreign, "STANDARD_ERROR", 1000)  # as where it is closed
    fails("t.csv cannot be read: out of range.", read_table, csv)


def test_threads_leave_the_standard_error_where_it_was():
    def read(seconds):
        with foreign.polars_errors("nothing"):
            time.sleep(seconds)

    before = os.fstat(2)
    threads = [threading.Thread(target=read, args=(s,)) for s in (0.02, 0.03, 0.04)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.path.samestat(os.fstat(2), before)


# -- sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("writer", ["polars", "pyarrow", "pandas"])
@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip"])
def test_files_that_unpack_to_much_are_refused(write, monkeypatch, fails, writer, compression):
    columns = {"a": np.zeros(100_000), "s": ["text"] * 100_000}
    made = {"polars": pl.DataFrame, "pyarrow": dict, "pandas": pd.DataFrame}[writer](columns)
    path = write(made, compression=compression)
    assert 2_400_000 <= unpacked_size(path.read_bytes()) < 2_800_000
    monkeypatch.setattr(unpacking, "MOST_UNPACKED", 10**6)
    monkeypatch.setattr(unpacking, "MOST_UNPACKED_RATIO", 20)
    fails(f"would unpack from {path.stat().st_size:,} to 2,", read_table, path)


@pytest.mark.parametrize("writer", ["polars", "pyarrow"])
@pytest.mark.parametrize(("kind", "width"), [("u1", 1), ("i2", 2), ("u4", 4), ("f4", 4), ("i8", 8)])
def test_flags_take_what_their_type_takes(write, writer, kind, width):
    flags = {"a": np.zeros(10**6, kind), "b": np.zeros(10**6, kind)}
    path = write({"polars": pl.DataFrame, "pyarrow": dict}[writer](flags))
    assert unpacked_size(path.read_bytes()) == pytest.approx(2 * 10**6 * width, rel=0.01)


def test_a_million_rows_of_many_rare_flags_may_be_read():
    assert 135 * 8 * 10**6 < unpacking.most_unpacked(733_000) < 4 * 10**9


def test_decimals_are_wide(write):
    cells = pa.array([Decimal(1)] * 10_000, pa.decimal128(9, 0))
    path = write({"a": cells}, store_decimal_as_integer=True)
    assert unpacked_size(path.read_bytes()) == 160_000


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_count_where_the_footer_declares_less(write, version):
    path = write({"a": np.arange(10_000) % 2, "l": [[1.0] * 5] * 10_000}, data_page_version=version)
    content = path.read_bytes()
    size = unpacked_size(content)
    assert 480_000 <= size < 520_000
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    many, few = b"\x16\xa0\x9c\x01", b"\x16\x82\x80\x00"  # 10,000 values, and 1
    assert many in content[start:]
    lying = content[:start] + content[start:].replace(many, few)
    assert unpacked_size(lying) == size


@pytest.mark.parametrize("cut", [0, 3, 8, 11, 200, -1])
def test_headers_that_cannot_be_followed(write, fails, cut):
    content = write({"a": [1.0] * 100, "b": ["x"] * 100}).read_bytes()
    with pytest.raises(Damaged):
        unpacked_size(content[:cut])
    fails("is no Parquet file, or is damaged.", read_table, write(content[:cut]))


def test_damaged_headers_end_in_a_sentence(write):
    content = write({"a": [1.0] * 100, "b": ["x"] * 100}).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(500):
        spoilt = bytearray(content)
        for place in rng.integers(0, len(content), 3):
            spoilt[place] = rng.integers(256)
        try:
            assert unpacked_size(bytes(spoilt)) >= 0
        except Damaged:
            pass


# -- lists ---------------------------------------------------------------------------------------


def test_lists_of_one_length_are_features_by_their_elements(write, fails):
    rows = [[1.0, 2.0], [3.0, 4.0]]
    array, image = pl.Array(pl.Float32, 2), pl.Array(pl.UInt8, (2, 2))
    frame = pl.DataFrame(
        {"x": [7, 8], "e": pl.Series(rows, dtype=array), "l": rows, "w": [[1], [2, 3]]}
    ).with_columns(i=pl.Series([[[1, 2], [3, 4]]] * 2, dtype=image))
    table = read_table(write(frame))
    fails("the column 'w' is not numeric: leave", choose_columns, table)
    fails("through with --id (List(Int64)).", choose_columns, table)
    X = choose_columns(table, ignore=["w"]).X
    assert X.columns == ["x", "e_0", "e_1", "l_0", "l_1", "i_0_0", "i_0_1", "i_1_0", "i_1_1"]
    assert X.row(1) == (8, 3, 4, 3, 4, 1, 2, 3, 4)
    assert choose_columns(table, columns=["e"]).X.columns == ["e_0", "e_1"]
    assert choose_columns(table, names=["e_1"]).X.rows() == [(2,), (4,)]
    assert choose_columns(table, columns=["x"], ids=["e"]).ids.columns == ["e_0", "e_1"]


def test_a_list_whose_elements_have_names_of_columns_stands_in_nobodys_way(write, fails):
    frame = pl.DataFrame({"x": [7, 8], "e": [[1.0, 2.0], [3.0, 4.0]], "e_0": [5, 6]})
    table = read_table(write(frame))
    message = "the column 'e' cannot be read, as one of its elements would be 'e_0', which is there"
    fails(message, choose_columns, table)
    fails(message, choose_columns, table, columns=["e"])
    assert choose_columns(table, columns=["x,e_0"]).X.rows() == [(7, 5), (8, 6)]
    assert choose_columns(table, ignore=["e"]).X.columns == ["x", "e_0"]
    with pytest.raises(
        ValueError, match="'e' cannot be used, as one of its elements would be 'e_0'"
    ):
        spread_lists(frame)


def test_identifiers_are_single_things(write, fails):
    table = read_table(write(pl.DataFrame({"x": [7, 8], "w": [[1], [2, 3]]})))
    message = "the column 'w' is no identifier, but List(Int64): choose others with --id."
    fails(message, choose_columns, table, columns=["x"], ids=["w"])


def test_a_missing_list_is_missing_in_all_its_elements(write, fails):
    frame = pl.DataFrame({"e": [[1.0, 2.0], None, [3.0, None]]})
    fails("has missing cells in 'e_0' (1), 'e_1' (2)", choose_columns, read_table(write(frame)))


# -- row indexes ---------------------------------------------------------------------------------


def test_pandas_row_index_is_no_feature(write):
    frame = pd.DataFrame({"x": np.arange(9.0), "y": np.arange(9.0) ** 2})
    part = frame.iloc[[0, 3, 4]]
    with pytest.warns(UserWarning, match="'__index_level_0__' is the row index that pandas writes"):
        rows = choose_columns(read_table(write(part)))
    assert rows.X.columns == ["x", "y"]
    assert rows.ids["__index_level_0__"].to_list() == part.index.to_list()
    with pytest.warns(UserWarning, match="'x' is the row index that pandas writes: an identifier"):
        assert choose_columns(read_table(write(frame.set_index("x")))).X.columns == ["y"]
    again = pl.read_parquet(write(part))  # polars keeps the name, but not what pandas said of it
    with pytest.warns(UserWarning, match="'__index_level_0__' is"):
        assert choose_columns(read_table(write(again))).X.columns == ["x", "y"]


def test_a_row_index_is_a_feature_where_it_is_asked_for(write, recwarn):
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]}, index=[5, 9])
    table, index = read_table(write(frame)), "__index_level_0__"
    assert choose_columns(table, names=["x", index]).X.rows() == [(1, 5), (2, 9)]
    assert choose_columns(table, columns=[index]).X.columns == [index]
    assert choose_columns(table, ignore=[index]).ids.width == 0
    assert choose_columns(table, names=["x"]).ids[index].to_list() == [5, 9]
    assert choose_columns(read_table(write(frame.reset_index(drop=True)))).ids.width == 0
    assert not recwarn.list


@pytest.mark.parametrize(
    "facts", ["", "[]", "{", '{"index_columns": 3}', '{"index_columns": [[]]}']
)
def test_facts_of_pandas_that_are_none(write, facts):
    file = io.BytesIO()
    table = pa.table({"a": [1.0]}).replace_schema_metadata({"pandas": facts})
    pq.write_table(table, file)
    assert choose_columns(read_table(write(file.getvalue()))).X.columns == ["a"]
