"""Small tables: text with each separator, packed, with and without names, and Parquet of many types."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import sqlite3
from contextlib import closing

import polars as pl


def seeds() -> list[bytes]:
    """Return text files; the first is the plainest."""
    plain = "name,a,b\nx,1,2.5\ny,3,-4e2\nz,5,6\n"
    return [text.encode() for text in (
        plain,
        plain.replace(",", ";").replace(".", ","),
        plain.replace(",", "\t"),
        plain.replace(",", "|"),
        plain.replace("\n", "\r\n"),
        "\ufeff" + plain,
        'a,"b, c"\n1,"2"\n"3",4\n',
        'a,note\n1,"two\nlines"\n2,"a ""word"""\n',
        "a\n1\n2\n3\n",
        "a,b\n1,\n,2\nNA,?\n",
        "flag,n\ntrue,1\nFalse,0\n",
        "preis;menge\n1.050,50;950\n2.000,00;1.200\n",
        "date,temp\n2020-01-01,1.5\n2020-01-02,2.5\n",
        "1,2,3\n4,5,6\n7,8,9\n",
        ",a,b\n0,1,2\n1,3,4\n",
        "when,zip,ok\n31.1.2020 10:30,01234,yes\n1.2.2021,90210,no\n",
    )] + ["a,b\né,1\n".encode(encoding) for encoding in ("cp1252", "utf-16")]  # fmt: skip


def packed_seeds() -> list[bytes]:
    """Return the text files packed, and one in two parts."""
    plain = seeds()
    parts = gzip.compress(plain[0][:20], mtime=0) + gzip.compress(plain[0][20:], mtime=0)
    return [*(gzip.compress(text, mtime=0) for text in plain), parts]


def tab_seeds() -> list[bytes]:
    """Return the text files with tabs in the place of commas."""
    return [text.replace(b",", b"\t") for text in seeds()]


def nameless_seeds() -> list[bytes]:
    """Return the text files without their first lines, and as they are."""
    return [*(text.partition(b"\n")[2] for text in seeds()), *seeds()]


def bad_seeds() -> list[bytes]:
    """Return text files of which some rows hold no number, nothing, or infinity; and good ones."""
    odd = ("", "NA", "?", "inf", "nan", "x", "1e999", '"1;2"')
    return [*(f"a,b\n1,2\n3,{cell}\n5,6\n".encode() for cell in odd), *seeds()]


def parquet_seeds() -> list[bytes]:
    """Return Parquet files: numbers of each width, text, dates, lists, categories, each packed."""
    numbers = pl.DataFrame({"a": [1.5, 2.5, None], "b": [1, 2, 3], "c": [True, False, True]})
    kinds = (pl.Int8, pl.UInt16, pl.Int64, pl.UInt64, pl.Float32, pl.Decimal(10, 2))
    widths = pl.DataFrame({str(kind): pl.Series([1, 2, 3]).cast(kind) for kind in kinds})
    others = pl.DataFrame({
        "text": ["x", "é", ""],
        "date": [dt.date(2020, 1, day) for day in (1, 2, 3)],
        "time": [dt.datetime(2020, 1, 1, hour) for hour in (1, 2, 3)],
        "kind": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
        "list": [[1.0], [2.0, 3.0], []],
        "pair": [{"p": 1}, {"p": 2}, {"p": 3}],
        "bytes": [b"1", b"2", None],
    })  # fmt: skip
    vectors = pl.DataFrame(
        {"v": pl.Series([[1.0, 2.0], [3.0, 4.0]], dtype=pl.Array(pl.Float32, 2))}
    )
    files = [(numbers, "uncompressed"), (widths, "uncompressed"), (others, "uncompressed")]
    files += [(vectors, "uncompressed"), (numbers, "zstd"), (numbers, "snappy"), (numbers, "gzip")]
    return [_parquet(frame, kind) for frame, kind in files]


def json_seeds() -> list[bytes]:
    """Return JSON by lines: numbers, words, lists, dates and gaps."""
    return [
        b'{"a": 1, "b": 2.5}\n{"a": 3, "b": null}\n{"b": -4e2}\n',
        b'{"w": "x", "t": true, "d": "2020-01-31"}\n{"w": "", "t": false, "d": "2021-02-01"}\n',
        b'{"e": [1, 2], "s": {"p": 1}}\n\n{"e": [3, 4], "s": {"p": null}}\n',
    ]


def arff_seeds() -> list[bytes]:
    """Return ARFF files, dense and sparse, with quotes and without."""
    head = (
        "% note\n@relation r\n@attribute 'my a' real\n@attribute k {u,'v w'}\n@attribute s string\n"
    )
    return [
        (head + "@data\n1.5,u,x\n?,'v w','it\\'s, so'\n").encode(),
        (head + "@attribute d date\n@data\n1,u,x,2020-01-31\n2,u,y,?\n").encode(),
        (head + "@data\n{0 1, 1 'v w', 2 x}\n{}\n").encode(),
    ]


def arrow_seeds() -> list[bytes]:
    """Return files and streams of Arrow, packed and not."""
    frame = pl.DataFrame({"a": [1.5, None], "b": [1, 2], "w": ["x", None], "t": [True, False]})
    found = []
    for write in (frame.write_ipc, frame.write_ipc_stream):
        for compression in ("uncompressed", "lz4", "zstd"):
            file = io.BytesIO()
            write(file, compression=compression)
            found.append(file.getvalue())
    return found


def sqlite_seeds() -> list[bytes]:
    """Return databases of one table."""
    found = []
    for rows in ("(1, 0.5, 'x'), (2, NULL, 'y')", "('1', x'00', 'u'), ('', 2, 3)"):
        with closing(sqlite3.connect(":memory:")) as held:
            held.execute("CREATE TABLE t (a, b, c)")
            held.execute(f"INSERT INTO t VALUES {rows}")
            held.commit()
            found.append(held.serialize())
    return found


def _parquet(frame: pl.DataFrame, compression: str) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, compression=compression)
    return file.getvalue()
