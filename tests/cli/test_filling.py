"""Cells that are filled are written as the others of their column and of their file."""

import re
from datetime import UTC, time, timedelta
from datetime import date as day
from datetime import datetime as moment
from pathlib import Path

import polars as pl
import pytest

from isthmus.cli.filling import filled_file, written_like
from isthmus.io import Style

FEBRUARY = moment(2021, 2, 1, 7, 5)


@pytest.mark.parametrize(
    ("cells", "typed", "value", "mark", "text"),
    [
        (["1.000,5", "2,25"], [1000.5, 2.25], 0.25, ",", "0,25"),
        (["1,000.5", "2.25"], [1000.5, 2.25], 0.25, ".", "0.25"),
        (["7", "8"], [7, 8], 3, ".", "3"),
        (["$51.26", "-$5.00"], [51.26, -5.0], -7.126, ".", "-$7.13"),
        (["1.234,50 EUR", "2,00 EUR"], [1234.5, 2.0], 9.0, ",", "9,00 EUR"),
        (["12 %", "7 %"], [12.0, 7.0], 9.4, ".", "9 %"),
        (["1e-9", "2e-9"], [1e-9, 2e-9], 1.25e-9, ".", "1.25e-09"),
        (["a", " b"], ["a", "b"], "b", ".", " b"),
        (["YES", "NO"], [True, False], True, ".", "YES"),
        (["no", "no"], [False, False], True, ".", "yes"),
        (["3.1.2020", "31.12.2020"], [day(2020, 1, 3), day(2020, 12, 31)], day(2021, 2, 1), ".",
         "1.2.2021"),
        (["03 Jan 2020", "31 Dec 2020", "2020-01-01"],
         [day(2020, 1, 3), day(2020, 12, 31), day(2020, 1, 1)], day(2021, 2, 1), ".",
         "01 Feb 2021"),
        (["01/31/2020 10:30", "02/28/2020 09:05"],
         [moment(2020, 1, 31, 10, 30), moment(2020, 2, 28, 9, 5)], FEBRUARY, ".",
         "02/01/2021 07:05"),
        (["2020-01-03T10:00+02:00"], [moment(2020, 1, 3, 8, tzinfo=UTC)],
         FEBRUARY.replace(tzinfo=UTC), ".", "2021-02-01T07:05:00Z"),
        (["4:05 PM"], [time(16, 5)], time(7, 5), ".", "7:05 AM"),
        (["PT1S"], [timedelta(seconds=1)], timedelta(days=1), ".", "P1D"),
    ],
)  # fmt: skip
def test_a_filled_cell_is_written_like_the_others(cells, typed, value, mark, text):
    cells, typed = pl.Series([*cells, ""]), pl.Series([*typed, None])
    assert written_like(cells, typed, pl.Series([value]), mark).to_list() == [text]


def test_cells_of_typed_files_keep_their_type():
    cells = pl.DataFrame({"a": pl.Series([1, None], dtype=pl.Int8), "w": ["", None]})
    found, filled, left = filled_file(
        cells, cells, pl.DataFrame({"a": [0.0, 3.0], "w": ["x", "y"]}), Style()
    )
    assert (found["a"].to_list(), found["a"].dtype) == ([1, 3], pl.Int8)
    assert (found["w"].to_list(), filled, left) == (["", "y"], {"a": 1, "w": 1}, {})


@pytest.fixture
def with_semicolons(ready):
    """Write the tables as they are where commas are decimal marks."""
    for name in ("gaps.csv", "t.csv"):
        frame = pl.read_csv(name)
        frame.write_csv(name, separator=";", decimal_comma=True)
    return ready


@pytest.mark.parametrize(
    "command",
    ["impute gaps.csv --model mixed.isthmus", "reconstruct mixed.isthmus gaps.csv --id name",
     "reconstruct m.isthmus t.csv"],
)  # fmt: skip
def test_a_table_is_written_back_with_the_marks_of_its_file(with_semicolons, command):
    ended = with_semicolons(f"{command} -o o.csv --quiet")
    assert ended.status == 0, ended
    source, out = Path(command.split()[-1] if "m.is" in command else "gaps.csv"), Path("o.csv")
    first, *lines = out.read_text().splitlines()
    columns = first.split(";")
    assert set(columns) <= set(source.read_text().splitlines()[0].split(";"))
    pay = columns.index("pay" if "pay" in columns else "a")
    assert all(re.fullmatch(r"-?\d+,\d+", line.split(";")[pay]) for line in lines)
