"""An alarm that rows are no longer as they were: a test martingale, and the columns that changed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.stats import beta, ks_2samp

from isthmus.streams.bets import (
    CHANGES,
    EDGE,
    N_BETS,
    RATES,
    SHIFTS,
    kept_back,
    on_places,
    on_strange,
    staked,
)
from isthmus.streams.urns import Urns

ALARM = (
    1000.0  # times the money at the start: one stream in 1,000 without drift gets there, at most
)
NAMED = 20.0  # times the number of columns: at most one stream in 20 has a column named wrongly
STRANGE = 0.1  # the share of calibration rows that are too strange to say how the others changed
WIDEST, SURE = 0.2, 0.9995  # of normal rows at most so many are as strange, nearly for sure
LEARNT = 100  # usual rows at least, from which is learnt what columns look like
MOST_LEARNT = 200
RECENT = 25  # rows that are looked at after an alarm, usual or not
LOOKS = (0, 25, 50, 100)  # rows after it
CLEAR = 0.01  # over the number of columns: the p-value of one that is another in these rows
MOVED = 0.15  # of the mean rank: more is another middle, and less another spread
MOST_COLUMNS = 1000  # that are followed
OF_SCORES, OF_STRANGE, OF_COLUMNS = 0.3, 0.1, 0.6  # of the money


class Drift(NamedTuple):
    """What has changed, and since when that is known.

    Attributes
    ----------
    row : int
        The number of the row at which the alarm came, from 0.
    columns : dict of str to str
        The columns that changed, and how: "higher", "lower", "wider" or "narrower". It is empty where
        no column alone tells.
    advice : str
        What to do, in a sentence.
    """

    row: int
    columns: dict[str, str]
    advice: str


class Watch:
    """Bets that rows change, against rows that do not; who gets rich has an alarm.

    The money is staked bit by bit, so that a change that comes late is seen too: on the scores of
    usual rows, compared with the calibration rows and all before; on values of their columns,
    compared with those of the stream's own first hundred; and on many rows being strange. Usual are
    rows less strange than nine in ten of the calibration rows: outliers, up to a tenth of the rows,
    are no drift. Places of usual rows are exactly uniform (`Urns`), so each stake grows by 1 on
    average, and with it their sum. Where nothing changes, it ever becomes 1,000 times what it was in at
    most one stream in 1,000 (Ville's inequality), however long they are.
    """

    def __init__(self, strangeness: np.ndarray, columns: tuple[str, ...]) -> None:
        ordered, n = np.sort(strangeness), len(strangeness)
        self.cut = ordered[int((1 - STRANGE) * n)]
        self.strange_from = _strange_from(ordered)
        self.columns = columns if len(columns) <= MOST_COLUMNS else ()
        self.scores = Urns(ordered[None, ordered < self.cut])
        self.values: Urns | None = None
        self.first = np.empty((0, len(self.columns)))  # usual rows that are learnt from
        self.recent = np.empty((0, len(self.columns)))
        self.rows, self.since = 0, -1
        self.on_scores, self.on_strange = np.zeros(N_BETS), np.zeros(len(RATES))
        self.on_columns = np.zeros((len(self.columns), N_BETS))
        self.changed = np.full(len(self.columns), -1)  # by which bet, where that is known

    def see(self, strangeness: float, values: np.ndarray, luck: np.ndarray) -> None:
        """Take the next row: its score, its columns' values, and uniform numbers for all of these."""
        self.rows += 1
        more = kept_back(self.rows - 1) - kept_back(self.rows)
        strange = bool(strangeness > self.strange_from)
        usual = bool(strangeness < self.cut)
        self.on_strange = staked(self.on_strange, more, on_strange(strange))
        grown = on_places(self.scores.places(np.array([strangeness]), luck[:1])) if usual else 1.0
        self.on_scores = staked(self.on_scores, more, np.ravel(grown))
        self.on_columns = staked(self.on_columns, more, self._of_columns(values, luck[1:], usual))
        rich = self.kept + self.on_columns.mean(axis=1) >= NAMED * len(self.columns)
        self._name(rich, self.on_columns)
        self.recent = np.concatenate([self.recent, values[None, : len(self.columns)]])[-RECENT:]
        if self.since < 0 and self.money >= ALARM:
            self.since = self.rows - 1
        if self.since >= 0 and self.rows - 1 - self.since in LOOKS:
            self._look()

    def _name(self, clear: np.ndarray, stakes: np.ndarray) -> None:
        """Note how columns have changed that are not noted yet."""
        new = clear & (self.changed < 0)
        self.changed[new] = stakes[new].argmax(axis=1)

    def _look(self) -> None:
        """Compare the last rows with the first, column by column, by Kolmogorov and Smirnov's test.

        After a large change no row is usual, and bets on columns are off.
        """
        if self.values is None:
            return
        pairs = list(zip(self.first.T, self.recent.T, strict=True))
        p = np.array([ks_2samp(*pair, method="asymp").pvalue for pair in pairs])
        self._name(p <= CLEAR / len(p), np.array([_likely(*pair) for pair in pairs]))

    def _of_columns(self, values: np.ndarray, luck: np.ndarray, usual: bool) -> np.ndarray:
        """Return by what stakes on columns grow; nothing is known of them at first."""
        if not usual or not self.columns:
            return np.ones(1)
        if self.values is not None:
            return on_places(self.values.places(values, luck))
        self.first = np.concatenate([self.first, values[None]])
        self.learn()
        return np.ones(1)

    def learn_from(self, strangeness: np.ndarray, values: np.ndarray) -> None:
        """Learn from other rows what columns look like, before the first row of the stream."""
        usual = values[strangeness < self.cut]
        few = np.linspace(0, len(usual) - 1, min(len(usual), MOST_LEARNT)).astype(int)
        self.first = usual[few]
        self.learn()

    def learn(self) -> None:
        """Know from now on what columns look like, if there are rows enough to tell."""
        if len(self.first) >= LEARNT:
            self.values = Urns(self.first.T)

    @property
    def kept(self) -> float:
        """The part of the money that is not yet staked."""
        return kept_back(self.rows)

    @property
    def money(self) -> float:
        """What 1 has become."""
        parts = [(OF_SCORES, self.on_scores.mean()), (OF_STRANGE, self.on_strange.mean())]
        parts += [(OF_COLUMNS, self.on_columns.mean())] if self.columns else []
        whole = sum(part for part, _ in parts)
        return self.kept + sum(part / whole * float(stake) for part, stake in parts)

    @property
    def drift(self) -> Drift | None:
        """What has changed; None without an alarm."""
        if self.since < 0:
            return None
        pairs = zip(self.columns, self.changed, strict=True)
        changed = {name: CHANGES[bet] for name, bet in pairs if bet >= 0}
        return Drift(self.since, changed, _advice(changed))


def _likely(known: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return how likely each change is, by the ranks of values among known ones.

    Where their middle has moved that is the change, though half of them may lie where they did.
    """
    ordered = np.sort(known)
    middle = np.searchsorted(ordered, new, "left") + np.searchsorted(ordered, new, "right")
    ranks = (middle + 1) / (2 * len(known) + 2)
    stakes = on_places(ranks).clip(EDGE).prod(axis=0)
    of_middle = np.arange(N_BETS) < len(SHIFTS)
    moved = abs(ranks.mean() - 0.5) > MOVED
    return np.where(of_middle == moved, stakes, 0)


def _advice(changed: dict[str, str]) -> str:
    named = ", ".join(f"{name} ({how})" for name, how in changed.items())
    what = f"these columns have changed: {named}" if named else "no single column tells why"
    return (
        f"Rows are no longer like those before, and {what}. If the new rows are the new normal, "
        "recalibrate the detector with recent normal rows; fit it again if they stay strange to it. "
        "Then begin a new monitor: until then rates of false alerts are not what they should be."
    )


def _strange_from(ordered: np.ndarray) -> float:
    """Return the score above which at most a fifth of normal rows lie, and about a tenth if many are
    known; infinity where so few are known that nobody can tell.
    """
    n = len(ordered)
    above = np.arange(1, int(STRANGE * n) + 1)
    safe = above[beta.ppf(SURE, above, n - above + 1) <= WIDEST]
    return float(ordered[n - safe[-1]]) if len(safe) else np.inf
