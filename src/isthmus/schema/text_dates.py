"""Dates and times in text: how they are written, and read; none where a cell has two readings."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

FIRST = 100  # cells that tell whether a closer look is worth it
MOST = 0.9  # of the cells: if so many could be dates, a doubt about them is worth a word
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    "(?P<word>(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?))\.?"
)
_YEAR, _DAY = "(?P<year>[0-9]{4})", "(?P<day>[0-9]{1,2})"
_TIME = (
    "(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]{1,9}))?)?"
    "(?: ?(?P<half>[aApP][mM]))?"
)
_TAIL = f"(?:(?:[Tt]| +){_TIME} ?(?P<zone>Z|UTC|[+-][0-9]{{2}}:?[0-9]{{2}})?)?$"
OF_DAY = f"^{_TIME}$"
SPAN = (  # as ISO 8601 writes it, with days as the longest part
    "^(?P<minus>-?)P(?:(?P<days>[0-9]{1,8})D)?(?:T(?:(?P<hours>[0-9]{1,9})H)?"
    r"(?:(?P<minutes>[0-9]{1,9})M)?(?:(?P<seconds>[0-9]{1,9}(?:\.[0-9]{1,9})?)S)?)?$"
)
DOTS = rf"^{_DAY}\.(?P<month>[0-9]{{1,2}})\.{_YEAR}{_TAIL}"
OPEN = rf"^(?P<one>[0-9]{{1,2}})[-/](?P<two>[0-9]{{1,2}})[-/]{_YEAR}{_TAIL}"  # which is the day?
STYLES = (
    f"^{_YEAR}[-/.](?P<month>[0-9]{{1,2}})[-/.]{_DAY}{_TAIL}",
    DOTS,
    OPEN,
    f"^{_DAY}[ /-]?{_MONTH}[ ,/-]*{_YEAR}{_TAIL}",
    f"^{_MONTH} ?{_DAY},? {_YEAR}{_TAIL}",
)
CLEAR = tuple(style for style in STYLES if style != OPEN)  # what a cell alone says
GROUPS = ("year", "month", "day", "word", "hour", "minute", "second", "part", "half", "zone")


class TwoReadings(Exception):
    """Nothing in a column says whether the day or the month comes first, as in this row of it."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def as_dates(text: pl.Series, styles: Sequence[str] = STYLES) -> pl.Series | None:
    """Return cells as dates, or as moments if some have a time, with null for those that are none.

    Cells may be of several styles. Moments with time zones are in UTC. None if the first cells are of
    no style.

    Examples
    --------
    >>> as_dates(pl.Series(["3.1.2020", "2020-12-31", "x"])).to_list()
    [datetime.date(2020, 1, 3), datetime.date(2020, 12, 31), None]
    >>> as_dates(pl.Series(["Jan 3, 2020 4:05 PM"])).to_list()
    [datetime.datetime(2020, 1, 3, 16, 5)]

    Raises
    ------
    TwoReadings
        If it is not clear which number is the day.
    """
    if not any(_share(text, style) for style in styles):
        return None
    rows = dates_by_style(text, styles)
    order = _order(text.gather(rows[OPEN])) if OPEN in rows else None
    if OPEN in rows and order is None:
        if sum(map(len, rows.values())) >= MOST * text.count():
            raise TwoReadings(rows.pop(OPEN)[0])
        del rows[OPEN]
    found = [_found(text.gather(some), style, order or {}) for style, some in rows.items()]
    if not found:
        return None
    numbers = pl.concat([some.rename("row") for some in rows.values()])
    every = pl.DataFrame({"row": pl.Series(range(len(text)), dtype=numbers.dtype)})
    read = pl.concat(found).with_columns(numbers)
    return _joined(every.join(read, on="row", how="left", maintain_order="left")).alias(text.name)


def dates_by_style(text: pl.Series, styles: Sequence[str] = STYLES) -> dict[str, pl.Series]:
    """Return by each style that cells are of the numbers of their rows, those of most cells first."""
    rows = {style: text.str.contains(style).fill_null(False).arg_true() for style in styles}
    some = sorted(rows.items(), key=lambda item: len(item[1]), reverse=True)
    return {style: numbers for style, numbers in some if len(numbers)}


def _found(text: pl.Series, style: str, order: dict[str, str]) -> pl.DataFrame:
    """Return the parts of dates that are all of one style."""
    fields = text.str.extract_groups(style).struct.unnest()
    fields = fields.rename(order) if style == OPEN else fields
    given = fields.with_columns(pl.lit(None, pl.String).alias(n) for n in GROUPS if n not in fields)
    return given.select(days=_days(), micros=_micros(), offset=_offset(), timed=_is_timed())


def as_times(text: pl.Series) -> pl.Series | None:
    """Return cells as times of the day, null for those that are none; None if the first cells are none.

    Examples
    --------
    >>> as_times(pl.Series(["10:30", "23:59:59.5"])).to_list()
    [datetime.time(10, 30), datetime.time(23, 59, 59, 500000)]
    """
    if not _share(text, OF_DAY):
        return None
    fields = text.str.extract_groups(OF_DAY).struct.unnest()
    return fields.select((_micros() * 1000).cast(pl.Time)).to_series().alias(text.name)


def as_spans(text: pl.Series) -> pl.Series | None:
    """Return cells as spans of time, null for those that are none; None if the first cells are none.

    Examples
    --------
    >>> as_spans(pl.Series(["P1DT2H", "PT0.5S"])).to_list()
    [datetime.timedelta(days=1, seconds=7200), datetime.timedelta(microseconds=500000)]
    """
    if not _share(text, SPAN):
        return None
    fields = text.str.extract_groups(SPAN).struct.unnest()
    given = pl.any_horizontal(pl.col("days", "hours", "minutes", "seconds").is_not_null())
    days, hours, minutes = (_number(n).fill_null(0) for n in ("days", "hours", "minutes"))
    seconds = pl.col("seconds").cast(pl.Float64).fill_null(0.0)
    micros = ((days * 24 + hours) * 60 + minutes) * 60_000_000
    micros += (seconds * 1e6).round().cast(pl.Int64)
    signed = pl.when(pl.col("minus") == "-").then(-micros).otherwise(micros)
    span = pl.when(given).then(pl.duration(microseconds=signed))
    return fields.select(span).to_series().alias(text.name)


def _share(text: pl.Series, pattern: str) -> float:
    """Return how many of the first cells that are there have a pattern, as a share."""
    first = text.drop_nulls().head(FIRST)
    return int(first.str.contains(pattern).sum()) / max(len(first), 1)


def _order(text: pl.Series) -> dict[str, str] | None:
    """Return which of two numbers is the day and which the month, as most cells show; else None."""
    fields = text.str.extract_groups(OPEN).struct.unnest()
    days = fields.select(pl.col("one", "two").cast(pl.Int64).is_between(13, 31).sum()).row(0)
    if days[0] == days[1]:
        return None
    return {"one": "day", "two": "month"} if days[0] > days[1] else {"one": "month", "two": "day"}


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64)


def _is_timed() -> pl.Expr:
    return pl.col("hour").is_not_null()


def _days() -> pl.Expr:
    """Return the date; those that no calendar has are null."""
    names = {month: str(i) for i, month in enumerate(MONTHS, 1)}
    word = pl.col("word").str.to_lowercase().str.slice(0, 3).replace(names)
    month = pl.coalesce("month", word)
    written = pl.concat_str("year", month, "day", separator="-")
    return written.str.to_date("%Y-%m-%d", strict=False)


def _micros() -> pl.Expr:
    """Return microseconds since midnight; null for times that no clock shows."""
    hour, minute, second = _number("hour"), _number("minute"), _number("second").fill_null(0)
    half = pl.col("half").str.to_lowercase()
    on_clock = pl.when(half.is_null()).then(hour < 24).otherwise(hour.is_between(1, 12))
    hour = pl.when(half.is_null()).then(hour).otherwise(hour % 12 + 12 * (half == "pm"))
    part = pl.col("part").fill_null("0").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64)
    whole = ((hour * 60 + minute) * 60 + second) * 1_000_000 + part
    return pl.when(on_clock & (minute < 60) & (second < 60)).then(whole)


def _offset() -> pl.Expr:
    """Return by how many microseconds a clock is ahead of UTC; null without a time zone."""
    digits = pl.col("zone").str.replace(":", "").str.replace("^(Z|UTC)$", "+0000")
    hours, minutes = (digits.str.slice(i, 2).cast(pl.Int64) for i in (1, 3))
    ahead = (hours * 60 + minutes) * 60_000_000
    return pl.when(digits.str.starts_with("-")).then(-ahead).otherwise(ahead)


def _joined(found: pl.DataFrame) -> pl.Series:
    """Return dates, or moments if a cell has a time; either all cells have a time zone or none."""
    if not found["timed"].any():
        return found["days"]
    zoned = found["offset"].is_not_null().any()
    micros = pl.when("timed").then("micros").otherwise(0)
    if zoned:
        micros = micros - pl.col("offset")
    moment = pl.col("days").cast(pl.Datetime("us")) + pl.duration(microseconds=micros)
    moments = found.select(moment).to_series()
    return moments.dt.replace_time_zone("UTC") if zoned else moments
