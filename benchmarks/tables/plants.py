"""Wrong cells, planted where the right ones are known."""

import numpy as np
import polars as pl

RARE = 0.01  # the share of rows up to which a level is rare


def swapped(column, at, rng):
    """Return cells of other rows for those at `at`, each different from what it replaces."""
    pool = column.drop_nulls()
    return [
        pool.filter(pool != column[int(i)]).sample(1, seed=int(rng.integers(2**31)))[0] for i in at
    ]


def in_other_units(column, at, rng):
    """Return numbers a thousand times as large, or a hundredth of them."""
    factors = rng.choice([1000.0, 0.01], len(at))
    return [column[int(i)] * factor for i, factor in zip(at, factors, strict=True)]


def negated(column, at, rng):
    """Return numbers with the other sign."""
    return [-column[int(i)] for i in at]


def misspelt(word, known, rng):
    """Return a word with two letters turned, or one dropped or doubled, which is no level yet."""
    i = int(rng.integers(len(word)))
    turned = word[:i] + word[i + 1 : i + 2] + word[i] + word[i + 2 :]
    found = [w for w in (turned, word[:i] + word[i + 1 :]) if w and w not in known]
    return rng.choice([*found, word[:i] + word[i] + word[i:]])


def mistyped(column, at, rng):
    """Return rare levels, if there are any, for every second cell, and misspelt ones for the others."""
    counts = column.drop_nulls().value_counts()
    known = set(counts[column.name])
    rare = counts.filter(pl.col("count") <= RARE * len(column))[column.name].sort().to_list()
    words = []
    for i in at:
        other = [w for w in rare if w != column[int(i)]]
        usual = rng.random() < 0.5 or not other
        words.append(misspelt(column[int(i)], known, rng) if usual else rng.choice(other))
    return [str(w) for w in words]


def misdated(column, at, rng):
    """Return dates with day and month exchanged, or a year, ten or a hundred away."""
    days = rng.choice([-36525, -3653, -365, 365, 3653], len(at))
    return [
        column[int(i)] + np.timedelta64(int(d), "D").item() for i, d in zip(at, days, strict=True)
    ]


def several(column):
    """Whether a column has more than one value."""
    return column.drop_nulls().n_unique() > 1


KINDS = {
    "swap": (swapped, several, lambda c: c.is_not_null()),
    "unit": (in_other_units, lambda c: c.dtype.is_numeric(), lambda c: (c != 0).fill_null(False)),
    "sign": (negated, lambda c: c.dtype.is_numeric(), lambda c: (c != 0).fill_null(False)),
    "typo": (mistyped, lambda c: c.dtype == pl.String, lambda c: (c != "").fill_null(False)),
    "date": (misdated, lambda c: c.dtype.is_temporal(), lambda c: c.is_not_null()),
}


def plantable(table, kind):
    """Return which cells can be made wrong in a way."""
    _, columns, cells = KINDS[kind]
    none = np.zeros(len(table), dtype=bool)
    return np.column_stack([cells(c).to_numpy() if columns(c) else none for c in table])


def plant(table, kind, share, seed):
    """Return the table with a share of cells made wrong in a way, and which they are."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    found = np.argwhere(plantable(table, kind))
    chosen = rng.permutation(found)[: max(1, round(share * len(found)))] if len(found) else found
    wrong = np.zeros(table.shape, dtype=bool)
    wrong[tuple(chosen.T)] = True
    planted = [
        planted_column(c, np.flatnonzero(w), kind, rng) for c, w in zip(table, wrong.T, strict=True)
    ]
    return pl.DataFrame(planted), wrong


def planted_column(column, at, kind, rng):
    """Return a column with wrong cells at `at`."""
    if not len(at):
        return column
    values = pl.Series(column.name, KINDS[kind][0](column, at, rng), strict=False)
    wide = column.cast(pl.Float64) if values.dtype == pl.Float64 else column
    return wide.scatter(at, values.cast(wide.dtype))
