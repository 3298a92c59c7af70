"""What a model of a table knows of cells that it does not see, measured where they are hidden.

The estimate of a missing cell goes a share of the way from the best constant answer to the model's::

    estimate = constant + share_c (x'_c - constant)

of numbers and of probabilities alike. Cells of held-out rows are hidden, one of a row at a time where
there are few columns, and estimated; the share of each column is the least that is no worse than the
best. How far these estimates are off settles intervals of new ones (split conformal prediction).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.io import ModelFileError
from isthmus.model.record import array_of
from isthmus.parts import SURE, plan
from isthmus.training import Aside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from isthmus.model.model import Model
    from isthmus.model.record import Record
    from isthmus.parts import Layout, Mixed
    from isthmus.training import ScaledRows

ROUNDS = 4  # of asking the net, each time with its answers in the places of missing cells
TURNS = 16  # in which the cells of a row are hidden, at most
ROWS, SLOTS = 512, 2**20  # whose cells are hidden, and slots of theirs, at most
GAIN = 0.02  # of the cost, that more rounds must bring
SHARES = np.linspace(0, 1, 21)
ASIDE = 2**12  # rows at most of which cells are taken out of training
DRAWN = 0  # the seed of the rows whose cells are hidden


class Gaps(NamedTuple):
    """How missing cells are estimated best, and how far off that is.

    Attributes
    ----------
    rounds : int
        How often the net is asked, each time with its last answers in the places of missing cells.
    shares : ndarray (cells,)
        What of the way from the best constant answer to the model's is gone.
    misses : tuple of ndarray
        Of each column in ascending order how far estimates of hidden cells were off: in scaled units,
        or what their level's probability lacked of 1.
    held_out : bool
        Whether the rows were held out from training.
    """

    rounds: int
    shares: np.ndarray
    misses: tuple[np.ndarray, ...]
    held_out: bool

    def radius(self, cell: int, level: float) -> float:
        """Return what a new estimate is off by at most with this probability; it may be infinite."""
        misses = self.misses[cell]
        rank = int(np.ceil(np.round((len(misses) + 1) * level, 9)))
        return float(misses[rank - 1]) if rank <= len(misses) else np.inf


def unmeasured(n_cells: int) -> Gaps:
    """Return what is assumed of a model that nobody measured."""
    return Gaps(1, np.ones(n_cells), (np.zeros(0),) * n_cells, held_out=False)


def estimates(model: Model, mixed: Mixed, X: np.ndarray, gaps: Gaps) -> np.ndarray:
    """Return outputs for compact rows, of which missing cells are taken; see `Gaps`."""
    if not len(X):
        return np.zeros((0, mixed.width))
    *_, outputs = _answers(model, X, gaps.rounds)
    return nearer(mixed, outputs, gaps.shares)


def nearer(mixed: Mixed, outputs: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return outputs at a share of the way from the best constant answer, by cell."""
    p = plan(mixed.layout)
    constant = np.asarray(mixed.constant)
    moved: np.ndarray = constant + shares[p.cells[p.owner]] * (outputs - constant)
    return moved


def _answers(model: Model, X: np.ndarray, rounds: int) -> Iterator[np.ndarray]:
    """Yield outputs, each of rows whose missing cells have the answers before in their places."""
    missing, rows = np.isnan(X), X
    for _ in range(rounds):
        outputs = model.outputs(rows)
        yield outputs
        rows = np.where(missing, model.compact(outputs), X)


# -- measured on hidden cells ----------------------------------------------------------------------


class Hidden(NamedTuple):
    """What was said of hidden cells: estimates and truth of numbers, probabilities of true levels."""

    said: np.ndarray  # (rounds, n, cells), NaN where a cell was not there
    constant: np.ndarray  # (n, cells), by the best constant answer
    truth: np.ndarray  # (n, cells), of a number its scaled value, else 1
    number: np.ndarray  # (cells,): whether it is one


def measure_gaps(model: Model, rows: ScaledRows) -> Gaps | None:
    """Measure how missing cells are estimated best; None for plain numbers."""
    if model.mixed is None:
        return None
    if rows.aside is not None:
        return settled(_of_aside(model, model.mixed, rows, rows.aside), held_out=True)
    x = rows.judged[0]
    most = int(np.clip(SLOTS // model.mixed.width, 32, ROWS))
    if len(x) > most:
        x = x[np.random.default_rng(DRAWN).choice(len(x), most, replace=False)]
    return settled(_hidden(model, model.mixed, x), held_out=rows.held_out)


def _hidden(model: Model, mixed: Mixed, x: np.ndarray) -> Hidden:
    """Hide each cell of scaled rows once, and return what the model says of it."""
    p, first = plan(mixed.layout), _first_values(mixed)
    X, true = model.scaler.inverse(x.astype(float)), x[:, first]
    n, cells = true.shape
    turns = min(cells, TURNS)
    found = np.full((ROUNDS, n, cells), np.nan)
    turn = (np.arange(cells) + np.arange(n)[:, None]) % turns
    for now in range(turns):
        hide = (turn == now) & ~np.isnan(true)
        shown = np.where(hide[:, p.cells], np.nan, X)
        for answer, outputs in zip(found, _answers(model, shown, ROUNDS), strict=True):
            np.copyto(answer, _said(mixed, outputs, true), where=hide)
    constant = _said(mixed, np.broadcast_to(mixed.constant, (n, mixed.width)), true)
    number = np.isin(first, p.numbers)
    return Hidden(found, constant, np.where(number, true, 1.0), number)


def put_aside(rows: ScaledRows, layout: Layout, seed: int) -> ScaledRows:
    """Take some cells out of the rows to train on, so that estimates of them can be judged.

    Some 30 of each column: a 20th of them where there are many rows, a 5th at most. No row loses
    half of what it has.
    """
    cells, rng = plan(layout).cells, np.random.default_rng((seed, 2**34))
    n = min(len(rows.x), ASIDE, max(2**22 // (len(SHARES) * (int(cells[-1]) + 1)), 64))
    share = float(np.clip(30 / n, 0.05, 0.2))
    numbers = np.sort(rng.choice(len(rows.x), n, replace=False))
    out = rng.random((n, int(cells[-1]) + 1)) < share
    before = rows.x[numbers]
    there = ~np.isnan(before[:, np.unique(cells, return_index=True)[1]])
    out &= there
    out[2 * out.sum(axis=1) > there.sum(axis=1)] = False
    some = out.any(axis=1)
    numbers, before, out = numbers[some], before[some].copy(), out[some]
    rows.x[numbers] = np.where(out[:, cells], np.nan, before)
    return rows._replace(aside=Aside(numbers, before))


def _of_aside(model: Model, mixed: Mixed, rows: ScaledRows, aside: Aside) -> Hidden:
    """Return what the model says of the cells that were taken out of the rows trained on."""
    first = _first_values(mixed)
    shown, true = rows.x[aside.numbers], aside.rows[:, first]
    out = np.isnan(shown[:, first]) & ~np.isnan(true)
    answers = _answers(model, model.scaler.inverse(shown.astype(float)), ROUNDS)
    found = np.stack([np.where(out, _said(mixed, a, true), np.nan) for a in answers])
    constant = _said(mixed, np.broadcast_to(mixed.constant, (len(true), mixed.width)), true)
    number = np.isin(first, plan(mixed.layout).numbers)
    return Hidden(found, constant, np.where(number, true, 1.0), number)


def _first_values(mixed: Mixed) -> np.ndarray:
    """Return the place in compact rows of each cell's first value, which says what it is."""
    first: np.ndarray = np.unique(plan(mixed.layout).cells, return_index=True)[1]
    return first


def _said(mixed: Mixed, outputs: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return what outputs say of cells: numbers, and the probabilities of what is true."""
    p, (k, f) = plan(mixed.layout), mixed.counts
    begin, known = np.zeros(len(p.cells), int), np.nan_to_num(true).astype(int)
    begin[p.numbers], begin[p.flags] = np.arange(k), k + np.arange(f)
    for g in p.groups:
        begin[g.values] = g.begin + g.size * np.arange(len(g.values))
    first = _first_values(mixed)
    several = ~np.isin(first, np.concatenate([p.numbers, p.flags]))
    found = np.take_along_axis(outputs, begin[first] + np.where(several, known, 0), axis=1)
    unlike = np.isin(first, p.flags) & (known == 0)
    return np.where(unlike, 1 - found, found)


def settled(hidden: Hidden, *, held_out: bool) -> Gaps:
    """Return the rounds and shares that estimate hidden cells best, and how far these are off."""
    found = [_shares(hidden, answer) for answer in hidden.said]
    costs = np.array([cost for _, cost in found])
    rounds = int(np.argmax(costs <= (1 + GAIN) * costs.min()))
    shares = found[rounds][0]
    off = np.abs(hidden.truth - _moved(hidden, hidden.said[rounds], shares))
    misses = tuple(np.sort(c[~np.isnan(c)]).astype(np.float32) for c in off.T)  # as files have them
    return Gaps(rounds + 1, shares, misses, held_out)


def _shares(hidden: Hidden, answer: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the share of each cell that estimates it best, and what it costs.

    All columns together tell one share: the least that is no worse than the best, by half a standard
    error, so that it is 0 where nothing is known. A column has one of its own only where that is
    better by a standard error, since few of its cells are hidden.
    """
    there = ~np.isnan(answer)
    count = np.maximum(there.sum(axis=0), 1)
    costs = [_costs(hidden, answer, np.full(len(count), share)) for share in SHARES]
    unit = np.where(there, costs[0], 0).sum(axis=0) / count
    unit = np.where(unit > 0, unit, 1.0)
    alike = np.stack([np.where(there, cost / unit, 0) for cost in costs])  # (shares, n, cells)
    common = _least(alike.sum(axis=2).T[..., None])[0]
    own = _least(np.moveaxis(alike, 0, -1).transpose(0, 2, 1))
    columns = np.arange(len(count))
    gap = np.where(there, alike[common] - alike[own, :, columns].T, 0)
    mean = gap.sum(axis=0) / count
    error = np.sqrt(np.maximum((gap**2).sum(axis=0) / count - mean**2, 0) / count)
    chosen = np.where(mean > error, own, common)
    paid = alike[chosen, :, columns].sum(axis=1) / count
    return SHARES[chosen], float(np.mean(paid))


def _least(costs: np.ndarray) -> np.ndarray:
    """Return the number of the least share that is no worse than the best by half a standard error, of
    costs (n, shares, columns).
    """
    means = costs.mean(axis=0)
    best = means.argmin(axis=0)
    gap = costs - np.take_along_axis(costs, best[None, None], axis=1)
    enough = gap.mean(axis=0) <= gap.std(axis=0) / np.sqrt(len(costs)) / 2
    return np.asarray(enough.argmax(axis=0))


def _moved(hidden: Hidden, answer: np.ndarray, shares: np.ndarray) -> np.ndarray:
    moved: np.ndarray = hidden.constant + shares * (answer - hidden.constant)
    return moved


def _costs(hidden: Hidden, answer: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return squared errors of numbers, and the surprise of levels."""
    moved = _moved(hidden, answer, shares)
    surprise = -np.log(np.clip(moved, SURE, 1))
    costs: np.ndarray = np.where(hidden.number, (hidden.truth - moved) ** 2, surprise)
    return costs


# -- in files --------------------------------------------------------------------------------------


def pack_gaps(gaps: Gaps) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Return what was measured as arrays by name and JSON."""
    arrays: dict[str, np.ndarray] = {
        "gaps.shares": np.asarray(gaps.shares, np.float64),
        "gaps.counts": np.array([len(misses) for misses in gaps.misses], np.int64),
        "gaps.misses": np.concatenate(gaps.misses).astype(np.float32),
    }
    return arrays, {"rounds": gaps.rounds, "held_out": gaps.held_out}


def unpack_gaps(arrays: dict[str, np.ndarray], record: Record, n_cells: int) -> Gaps:
    """Return what a file says was measured, after checks."""
    shares = array_of(arrays, "gaps.shares", (n_cells,), "float64")
    counts = array_of(arrays, "gaps.counts", (n_cells,), "int64")
    total = len(arrays["gaps.misses"]) if arrays["gaps.misses"].ndim == 1 else -1
    misses = array_of(arrays, "gaps.misses", (total,), "float32")
    rounds = record.whole("rounds", 1)
    if (counts < 0).any() or counts.sum() != total or (shares < 0).any() or (shares > 1).any():
        raise ModelFileError("The file's measurements of hidden cells do not fit one another.")
    if rounds > ROUNDS:
        raise ModelFileError(f"The file's rounds of estimates are {rounds}, beyond {ROUNDS}.")
    parts = np.split(misses, np.cumsum(counts)[:-1])
    return Gaps(rounds, shares, tuple(map(np.sort, parts)), record.flag("held_out"))
