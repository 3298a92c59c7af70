"""Small tables: text with each separator, packed, with and without names, and Parquet of many types."""

from __future__ import annotations

import datetime as dt
import gzip
import io

import polars as pl


def seeds() -> list[bytes]:
    """Return text files; the first is the plainest."""
    plain = "name,a,b\nx,1,2.5\ny,3,-4e2\nz,5,6\n"
    return [text.encode("utf-8") for text in (
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
    )]  # fmt: skip


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


def _parquet(frame: pl.DataFrame, compression: str) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, compression=compression)
    return file.getvalue()
