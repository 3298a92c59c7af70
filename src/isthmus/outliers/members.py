"""Members of a detector, and the score of those that judge alone, each by its own reference rows.

Members that were trained on the same rows of plain numbers judge together (see `panel`). Those of
tables of mixed types, and of files before 1.6, have the sum of loss and distance:

score(x) = - mean_k [ loss(x'_k, x) + mean_R min_r mean_j (x'_kj - r'_kj)^2 ]

over members k, with draws R of reference rows r; x' and r' are reconstructions, in scaled units. What
changes of constant columns cost is a part of the loss (see `constants`). Means are over the cells of x
that are there: what a row lacks makes it neither strange nor normal.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from isthmus.autoencoder import number_slots
from isthmus.model import weight_there
from isthmus.outliers.constants import NONE, Constants, constants_of
from isthmus.outliers.nearest import closest_rows
from isthmus.outliers.panel import FEW_REFERENCES, LARGEST, MANY_REFERENCES, Panel, drawn
from isthmus.outliers.weights import ROWS, weighed
from isthmus.parts import plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model import Fitted, History, Model

DRAWS = 8  # of a member, of few references each, where rows may be outliers
# More in the first round, while they cost little: chance then decides less which half is normal.
FIRST_DRAWS, FIRST_VALUES = 32, 2**17


class Measured(NamedTuple):
    """What a member makes of rows: the two terms of the score, before they are added up."""

    losses: np.ndarray  # (n, d), by column; (n, 1) for a loss without columns
    again: np.ndarray  # (n, d), x'
    nearest: list[tuple[np.ndarray, np.ndarray]]  # of each draw, r for each row, and |x' - r'|^2
    weight: (
        np.ndarray | int
    )  # (n,) of a table: of the cells that are there; else how many there are
    there: np.ndarray | None = None  # (n, width): which slots count, where cells are missing


class Member(NamedTuple):
    """A model, the training rows that it compares with, and their constant columns."""

    model: Model
    references: np.ndarray  # (draws, n_references, m), their codes; with a panel the panel's
    history: History  # of the model's training
    constants: Constants = NONE
    panel: Panel | None = None  # of rows of plain numbers: with whom it judges, and by what

    def known(self) -> np.ndarray:
        """Return the reference rows as the model reproduces them, scaled; (draws, k, d)."""
        draws, k, m = self.references.shape
        codes = self.references.reshape(-1, m)
        if self.model.schema is None:
            known = self.model.scaled(self.model.decode(codes))
        else:
            known = self.model.placed(self.model.decode_outputs(codes))
        return known.reshape(draws, k, -1)

    def measured(self, rows: np.ndarray, known: np.ndarray) -> Measured:
        """Return the terms of the score of rows, beside the known ones."""
        model = self.model
        x = model.scaled(rows)
        if model.schema is None:
            again = model.scaled(model.reconstruct(rows))
            losses = model.scaled_losses(x, again)
        else:
            outputs = model.outputs(rows)
            losses, again = model.scaled_losses(x, outputs), model.placed(outputs)
        mixed, there = model.mixed, slots_there(model, rows)
        cells = None if mixed is None else plan(mixed.layout).cells
        losses = self.constants.added(losses, rows, cells)
        nearest = [closest_rows_there(again, drawn, there) for drawn in known]
        weight = model.n_cells if mixed is None else weight_there(mixed, rows)
        return Measured(losses, again, nearest, weight, there)


def slots_there(model: Model, rows: np.ndarray) -> np.ndarray | None:
    """Return which slots of rows belong to cells that are there, (n, width); None if all do."""
    if model.mixed is None or not np.isnan(rows).any():
        return None
    there: np.ndarray = ~np.isnan(rows)[:, plan(model.mixed.layout).owner]
    return there


def with_references(
    fits: Sequence[Fitted],
    pool: np.ndarray,
    rng: np.random.Generator,
    *,
    clean: bool,
    number: int | str,
) -> list[Member]:
    """Return members of a table of mixed types with references from the rows trained on.

    Where these may be outliers, from the half that looks most normal.
    """
    constants = constants_of(fits[0].model, pool)

    def compared(rows: np.ndarray, draws: int) -> list[Member]:
        usual = min(len(rows) // 2, MANY_REFERENCES) if clean else FEW_REFERENCES
        size = min(max(usual if isinstance(number, str) else int(number), 1), len(rows))
        members = []
        for fitted in fits:
            chosen = [rng.choice(len(rows), size, replace=False) for _ in range(draws)]
            codes = fitted.model.encode(rows[np.concatenate(chosen)])
            codes = codes.reshape(draws, size, -1)
            members.append(Member(fitted.model, codes, fitted.history, constants))
        return members

    if clean:
        models = weighed([fitted.model for fitted in fits], pool[drawn(len(pool), ROWS, rng)])
        fits = [replace(f, model=model) for f, model in zip(fits, models, strict=True)]
        return compared(pool, 1)
    members = compared(pool, int(np.clip(FIRST_VALUES // pool.size, DRAWS, FIRST_DRAWS)))
    normal = np.argsort(strangeness(members, pool), kind="stable")[: max(len(pool) // 2, 2)]
    return compared(pool[normal], DRAWS)


def panels_of(members: Sequence[Member]) -> list[Panel]:
    """Return the panels that members belong to, each once; none where they judge alone."""
    panels = (member.panel for member in members if member.panel is not None)
    return list({id(panel): panel for panel in panels}.values())


def strangeness(members: Sequence[Member], rows: np.ndarray) -> np.ndarray:
    """Return minus the score of rows by these members, block by block; shape (n,)."""
    panels = panels_of(members)
    if panels:
        by_panel: np.ndarray = np.mean([panel.strangeness(rows) for panel in panels], axis=0)
        return by_panel
    result = np.zeros(len(rows))
    for member in members:
        known = member.known()
        for b in member.model.blocks(rows):
            found = member.measured(rows[b], known)
            gaps = np.asarray(sum(distance for _, distance in found.nearest))
            gaps = _at_most(gaps / (len(known) * found.weight))
            result[b] += found.losses.sum(axis=1) + gaps
    return result / len(members)


def _at_most(distances: np.ndarray) -> np.ndarray:
    """Return distances, those of reconstructions that no float can hold as large as float32 goes."""
    return np.nan_to_num(distances, nan=LARGEST, posinf=LARGEST)


def usual_value(members: Sequence[Member]) -> float:
    """Return how large scaled values are, by the reference rows of the first member.

    The strangeness of panels has no units: 1 is usual.
    """
    if members[0].panel is not None:
        return 1.0
    known = members[0].known().astype(float)
    return float(np.sqrt(np.mean(known**2))) or 1.0


def strangeness_by_column(
    members: Sequence[Member], rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return what each column adds to the strangeness of rows, and what was expected; (n, d) each.

    See `_by_column`; rows of tables are taken in blocks.
    """
    model, panels = members[0].model, panels_of(members)
    if panels:
        by_panel = zip(*(panel.by_column(rows) for panel in panels), strict=True)
        contribution, near = (np.mean(part, axis=0) for part in by_panel)
        return contribution, near
    whole = model.mixed is None or not len(rows)
    parts = [_by_column(members, rows[b]) for b in [slice(None)] * whole or model.blocks(rows)]
    contributions, expected = zip(*parts, strict=True)
    return np.concatenate(contributions), np.concatenate(expected)


def _by_column(members: Sequence[Member], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what each column adds to the strangeness of rows, and what was expected; (n, d) each.

    What is expected is the nearest reference row, in the data's units; of a table of mixed types the
    members' answer, (n, width), with numbers in the data's units and probabilities of levels.
    """
    contribution, expected, answers = np.zeros(()), np.zeros(()), []
    for member in members:
        known, model = member.known(), member.model
        found = member.measured(rows, known)
        contribution = contribution + found.losses
        counted = len(known) * np.reshape(found.weight, (-1, 1))
        for rows_known, (index, _) in zip(known, found.nearest, strict=True):
            close = rows_known[index].astype(float)
            apart = (found.again - close) ** 2
            apart = apart if found.there is None else np.where(found.there, apart, 0)
            contribution = contribution + _at_most(model.slots_by_cell(apart) / counted)
            if model.schema is None:
                expected = expected + model.scaler.inverse(close) / len(known)
        if model.schema is not None:
            answers.append(model.unscaled(model.outputs(rows)))
    if answers:
        return contribution / len(members), _usual_answer(members[0].model, np.stack(answers))
    return contribution / len(members), expected / len(members)


def _usual_answer(model: Model, answers: np.ndarray) -> np.ndarray:
    """Return the mean probabilities of members, and of each number the answer of the one in the middle:
    where some say 20 and others 60, 40 is in no row.
    """
    assert model.schema is not None
    usual, slots = answers.mean(axis=0), [*number_slots(model.schema).values()]
    usual[:, slots] = np.sort(answers[:, :, slots], axis=0)[(len(answers) - 1) // 2]
    return usual


def closest_rows_there(
    x: np.ndarray, known: np.ndarray, there: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return what `closest_rows` does, of rows of which some slots do not count.

    Whole rows go the usual way, so that one's result is the same whatever rows come with it.
    """
    if there is None:
        return closest_rows(x, known)
    index, distance, whole = np.empty(len(x), int), np.empty(len(x)), there.all(axis=1)
    index[whole], distance[whole] = closest_rows(x[whole], known)
    index[~whole], distance[~whole] = closest_rows(x[~whole], known, there[~whole])
    return index, distance
