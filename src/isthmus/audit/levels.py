"""Checks of words: levels that differ by case, white space or a typo, and cells of another pattern."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from isthmus.audit.findings import (
    Finding,
    Guess,
    count_of,
    first_rows,
    guesses_at,
    of_cells,
    value_text,
)
from isthmus.audit.profile import is_mark
from isthmus.words import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.audit.profile import Column, Profile

MOST_LEVELS = 20_000  # of a column that are compared for typos
MOST_DISTANT = 2_000  # for two edits
LONGEST_LEVEL = 64  # characters
RARER = 10  # how many times as frequent as a typo the right level is, for each edit
SHOWN = 4
PATTERN_SHARE = 0.98


class Level(NamedTuple):
    """A level of a column: its code, its text and how often it occurs."""

    code: int
    text: str
    n: int


def levels_of(column: Column) -> list[Level]:
    """Return the levels of a column, the most frequent first."""
    table = column.distinct.filter(~is_mark("value"))
    return [Level(*row) for row in table.select("code", "value", "count").iter_rows()]


def has_levels(column: Column) -> bool:
    """Return whether a column's words are levels rather than names or text."""
    return 2 <= column.n_distinct <= max(20, column.n_known / 2) and not column.looks_numeric


def white_space(profile: Profile) -> Iterator[Finding]:
    """Yield the columns in which cells begin or end with white space."""
    found: dict[str, np.ndarray] = {}
    for column in profile.texts():
        padded = column.distinct.filter(
            pl.col("value").str.strip_chars().str.len_bytes() != pl.col("value").str.len_bytes()
        )
        if padded.height:
            found[column.name] = column.rows_of(padded["code"].to_numpy())
    if found:
        cells = sum(map(len, found.values()))
        text = (
            f"{count_of(cells, 'cell begins or ends', 'cells begin or end')} with white space, in "
            f"{shortened(list(found), SHOWN)}."
        )
        yield of_cells("white space", "note", text, found)


def spelling_variants(profile: Profile) -> Iterator[Finding]:
    """Yield levels that are the same but for case, white space and signs between words."""
    for column in profile.texts():
        if column.n_distinct > MOST_LEVELS or not has_levels(column):
            continue
        groups: dict[str, list[Level]] = defaultdict(list)
        for level in levels_of(column):
            groups[plain_text(level.text)].append(level)
        several = [_by_spelling(group) for group in groups.values()]
        several = [group for group in several if len(group) > 1]
        if several:
            yield _variants(column, several)


def plain_text(text: str) -> str:
    """Return text without case, and with one space where signs part words.

    Examples
    --------
    >>> plain_text(" United-States ") == plain_text("united states")
    True
    """
    return re.sub(r"[\s_\-.,/]+", " ", text).strip().casefold()


def _by_spelling(group: list[Level]) -> list[Level]:
    """Return one level for each spelling; white space at the ends is told of elsewhere."""
    return list({level.text.strip(): level for level in reversed(group)}.values())[::-1]


def _variants(column: Column, groups: list[list[Level]]) -> Finding:
    pairs = [
        f"{value_text(rare.text)} beside {value_text(usual.text)}"
        for usual, *others in groups
        for rare in others
    ]
    guesses: list[Guess] = []
    for usual, *others in groups:
        rows = column.rows_of([level.code for level in others])
        guesses += guesses_at(rows, column.name, value_text(usual.text), 0.9)
    rows = column.rows_of([level.code for _, *others in groups for level in others])
    text = (
        f"{column.name} spells the same in several ways, in {count_of(len(rows), 'row')}: "
        f"{shortened(pairs, SHOWN)}."
    )
    names, first = (column.name,), first_rows(rows)
    return Finding(
        "spelling variants", "error", text, names, first, len(rows), guesses=tuple(guesses[:1000])
    )


# -- typos -------------------------------------------------------------------------------------------


def typos(profile: Profile) -> Iterator[Finding]:
    """Yield rare levels that are an edit or two away from a frequent one."""
    for column in profile.texts():
        if has_levels(column) and column.n_distinct <= MOST_LEVELS:
            pairs = similar_levels(levels_of(column))
            if pairs:
                yield _typos(column, pairs)


def similar_levels(levels: list[Level]) -> list[tuple[Level, Level]]:
    """Return rare levels, each with the most frequent one that it may be a typo of.

    Two words that are one edit apart have a word in common among themselves and those that lack one
    of their letters; so words are compared with few others.
    """
    short = [level for level in levels if 4 <= len(level.text.strip()) <= LONGEST_LEVEL]
    edits = 2 if len(short) <= MOST_DISTANT else 1
    places: dict[str, list[Level]] = defaultdict(list)
    found: dict[Level, Level] = {}
    for level in short:  # the most frequent first
        forms = without_letters(level.text.strip().casefold(), edits)
        near = [other for form in forms for other in places.get(form, ())]
        usual = [other for other in near if is_typo(level, other)]
        if usual:
            found[level] = max(usual, key=lambda other: (other.n, other.text))
        else:  # a typo of a typo is one of the right word
            for form in forms:
                places[form].append(level)
    return list(found.items())


def without_letters(text: str, most: int) -> set[str]:
    """Return a word, and what is left of it without one letter or, if it is long, two."""
    found = last = {text}
    for _ in range(most if len(text) >= 9 else 1):
        last = {word[:i] + word[i + 1 :] for word in last for i in range(len(word))}
        found = found | last
    return found


def is_typo(rare: Level, usual: Level) -> bool:
    """Return whether a level may be a typo of another one: rare beside it, and near.

    Words that differ in their digits are different things, and so are those that are the same but
    for case and white space another finding.
    """
    a, b = plain_text(rare.text), plain_text(usual.text)
    if a == b or re.sub(r"\D", "", a) != re.sub(r"\D", "", b):
        return False
    allowed = 2 if min(len(a), len(b)) >= 9 else 1
    apart = edit_distance(a, b)
    return apart <= allowed and rare.n * RARER**apart <= usual.n


def edit_distance(a: str, b: str) -> int:
    """Return how many letters are changed, added, left out or swapped with the next one.

    Examples
    --------
    >>> edit_distance("female", "femlae"), edit_distance("male", "female")
    (1, 2)
    """
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            cost = min(row[-1] + 1, last[j] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and a[i - 2] == other:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def _typos(column: Column, pairs: list[tuple[Level, Level]]) -> Finding:
    words = [f"{value_text(a.text)} for {value_text(b.text)}" for a, b in pairs]
    guesses: list[Guess] = []
    for rare, usual in pairs:
        sure = 1 - 1 / (2 + np.log10(usual.n / rare.n))
        rows = column.rows_of([rare.code])
        guesses += guesses_at(rows, column.name, value_text(usual.text), float(sure))
    rows = column.rows_of([rare.code for rare, _ in pairs])
    text = (
        f"{column.name} may have typos in {count_of(len(rows), 'row')}: {shortened(words, SHOWN)}."
    )
    names, first = (column.name,), first_rows(rows)
    numbers = {"levels": len(pairs)}
    return Finding(
        "typos", "warning", text, names, first, len(rows), numbers, tuple(guesses[:1000])
    )


# -- patterns ----------------------------------------------------------------------------------------


def odd_patterns(profile: Profile) -> Iterator[Finding]:
    """Yield cells that are written in another way than nearly all of their column, such as a code."""
    for column in profile.texts():
        known = column.distinct.filter(~is_mark("value"))
        if known.height < 20 or column.looks_numeric:
            continue
        shapes = known.with_columns(pattern=pattern_of(pl.col("value")))
        totals = shapes.group_by("pattern").agg(pl.col("count").sum()).sort("count", "pattern")
        usual, count = totals["pattern"][-1], int(totals["count"][-1])
        whole = int(known["count"].sum())
        if PATTERN_SHARE * whole <= count < whole and re.search("[0-9]", usual):
            yield _odd_pattern(column, shapes, usual)


def pattern_of(text: pl.Expr) -> pl.Expr:
    """Return text with 9 for each digit, and a for each run of letters."""
    return text.str.strip_chars().str.replace_all(r"\d", "9").str.replace_all(r"\p{L}+", "a")


def _odd_pattern(column: Column, shapes: pl.DataFrame, usual: str) -> Finding:
    odd = shapes.filter(pl.col("pattern") != usual)
    example = shapes.filter(pl.col("pattern") == usual)["value"][0]
    rows = column.rows_of(odd["code"].to_numpy())
    words = [value_text(v) for v in odd["value"].head(50).to_list()]
    text = (
        f"{column.name} is written in another way than usual (such as {value_text(example)}) in "
        f"{count_of(len(rows), 'row')}: {shortened(words, SHOWN)}."
    )
    guesses = guesses_at(rows, column.name, f"such as {value_text(example)}", 0.8)
    names, first = (column.name,), first_rows(rows)
    return Finding("odd pattern", "warning", text, names, first, len(rows), guesses=guesses)
