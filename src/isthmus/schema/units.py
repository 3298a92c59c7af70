"""Numbers that are written with a unit, such as `$51.26`, `1.234,50 EUR`, `12 %` and `70 kg`."""

from __future__ import annotations

import polars as pl

GAPS = "[ \u00a0\u2009\u202f]*"
CODES = (
    "USD|EUR|GBP|JPY|CNY|INR|CHF|CAD|AUD|NZD|HKD|SGD|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|TRY|ILS|ZAR"
    "|BRL|MXN|KRW|THB"
)
MONEY = rf"(?:[A-Z]{{0,3}}\p{{Sc}}|(?i:{CODES})|kr\.?|K\u010d|z\u0142|Fr\.|Rs\.?)"
MEASURES = (  # those that no code of a letter and a number is taken for
    "%|\u2030|\u00b0[CF]?|kg|mg|g|lbs?|oz|km|cm|mm|mi|ft|m|km/h|mph|h|hrs?|min|sec|s|ms|cl|ml|l|kWh?|"
    "kHz|MHz|GHz|Hz|kB|MB|GB|TB|px|bpm|years?|yrs?|months?|weeks?|days?|hours?|minutes?|seconds?"
)
NUMBER = "[0-9.,][0-9.,'\u2019 \u00a0\u2009\u202f]*(?:[eE][+-]?[0-9]+)?"
WITH_UNIT = (
    rf"^(?P<minus>[+-]?)(?P<before>{MONEY}){GAPS}(?P<after>[+-]?{NUMBER})$"
    rf"|^(?P<number>[+-]?{NUMBER}?){GAPS}(?P<behind>{MONEY}|{MEASURES})$"
)


def without_units(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return cells without their units, and these units, null where a cell has none.

    Examples
    --------
    >>> import polars as pl
    >>> [part.to_list() for part in without_units(pl.Series(["-$5", "1.234,50 EUR", "7", "x"]))]
    [['-5', '1.234,50', '7', 'x'], ['$', 'EUR', None, None]]
    """
    parts = text.str.extract_groups(WITH_UNIT).struct.unnest()
    ahead = parts.select(pl.concat_str("minus", "after")).to_series()
    number = parts["number"].zip_with(parts["number"].is_not_null(), ahead).str.strip_chars()
    unit = parts["behind"].zip_with(parts["behind"].is_not_null(), parts["before"])
    return number.zip_with(unit.is_not_null(), text).alias(text.name), unit
