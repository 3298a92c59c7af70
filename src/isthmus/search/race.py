"""The scores of a search: who was trained on which rows for how long, and what it was worth."""

from __future__ import annotations

import math
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from isthmus.autoencoder import (
    advance_training,
    are_few_rows,
    begin_courses,
    need_one_program,
)
from isthmus.search.criteria import Fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from isthmus.autoencoder import Autoencoder, Course, Front
    from isthmus.search.candidates import Candidate, Params
    from isthmus.search.criteria import Criterion
    from isthmus.training import Progress


class Table:
    """The last scores and times of each candidate, by split."""

    def __init__(self, n: int, splits: int) -> None:
        self.scores = np.full((n, splits), np.nan)
        self.first_scores = np.full(n, np.nan)
        self.fit_seconds, self.score_seconds = np.zeros((n, splits)), np.zeros((n, splits))
        self.rung, self.epochs = np.zeros(n, int), np.zeros(n, int)
        self.errors: dict[int, str] = {}

    @property
    def means(self) -> np.ndarray:
        """The mean score of each candidate; NaN where one of its trainings diverged."""
        return self.scores.mean(axis=1)

    def ranks(self) -> np.ndarray:
        """Return ranks from 1, the best; who was trained longer goes first, who diverged last."""
        ranks = np.zeros(len(self.scores), int)
        for k in np.unique(self.rung):
            mine = self.rung == k
            means = np.where(np.isnan(self.means[mine]), -np.inf, self.means[mine])
            ranks[mine] = rankdata(-means, method="min") + np.sum(self.rung > k)
        return ranks

    def results(self, candidates: Sequence[Params], halving: bool) -> dict[str, Any]:
        """Return everything under scikit-learn's names."""
        names = dict.fromkeys(name for params in candidates for name in params)
        found: dict[str, Any] = {}
        for name, times in (("fit", self.fit_seconds), ("score", self.score_seconds)):
            found[f"mean_{name}_time"] = times.mean(axis=1)
            found[f"std_{name}_time"] = times.std(axis=1)
        for name in names:
            found[f"param_{name}"] = _column(candidates, name)
        found["params"] = [dict(params) for params in candidates]
        found |= {f"split{i}_test_score": self.scores[:, i] for i in range(self.scores.shape[1])}
        found["mean_test_score"] = self.means
        found["std_test_score"] = self.scores.std(axis=1)
        found["rank_test_score"] = self.ranks().astype(np.int32)
        return found | ({"iter": self.rung, "n_resources": self.epochs} if halving else {})


def _column(candidates: Sequence[Params], name: str) -> np.ma.MaskedArray:
    column = np.ma.masked_all(len(candidates), dtype=object)
    for i, params in enumerate(candidates):
        if name in params:
            column[i] = params[name]
    return column


class Data(NamedTuple):
    """The rows of a search and their classes, as they were given, and what stands before candidates."""

    X: ArrayLike
    y: ArrayLike | None
    front: Front

    def fold(self, train: np.ndarray, held: np.ndarray, seen: Autoencoder) -> Fold:
        """Return the rows of a split; what stands in front learns from those to train on alone."""
        X, X_held = (_safe_indexing(self.X, part) for part in (train, held))
        y, y_held = (None if self.y is None else _safe_indexing(self.y, n) for n in (train, held))
        front, rows = self.front.learnt(X, y)
        return Fold(rows, y, front.seen(X_held), y_held, seen, front, X_held)


class Scorer(NamedTuple):
    """Trains and scores candidates on each split."""

    candidates: Sequence[Candidate]
    criterion: Criterion
    splits: Sequence[tuple[np.ndarray, np.ndarray]]
    counted: Progress
    courses: dict[tuple[int, int], list[Course]]  # of those that go on, by candidate and split
    seen: Sequence[Autoencoder]  # of each split, one that knows the columns of its rows

    def fill(self, table: Table, chosen: Sequence[int], share: float, data: Data) -> None:
        """Train the chosen candidates up to a share and write their scores into the table.

        Beside the training on few rows, the next split is made ready and the last fit compiled.
        """
        for key in [key for key in self.courses if key[0] not in chosen]:
            del self.courses[key]
        with ThreadPoolExecutor(1) as beside:
            ready = beside.submit(self._ready, 0, chosen, data)
            for k in range(len(self.splits)):
                fold, fresh = ready.result()
                going = [course for i in chosen for course in self.courses[i, k]]
                early, more = are_few_rows(going), k + 1 < len(self.splits)
                if early and more:
                    ready = beside.submit(self._ready, k + 1, chosen, data)
                if early and fresh and k == 0 and need_one_program(going):
                    beside.submit(self._rehearse, data)
                try:
                    advance_training(going, share, self.counted)
                except BaseException:
                    beside.shutdown(cancel_futures=True)
                    raise
                beside.submit(int).result()  # waits: scoring may filter warnings, for all threads
                for i in chosen:
                    self._enter(table, i, k, share, fold)
                    if share == 1:
                        del self.courses[i, k]
                if more and not early:
                    ready = beside.submit(self._ready, k + 1, chosen, data)

    def _ready(self, k: int, chosen: Sequence[int], data: Data) -> tuple[Fold, bool]:
        """Return the rows of a split, and whether candidates were new to it; they have courses now."""
        fold = data.fold(*self.splits[k], self.seen[k])
        new = [i for i in chosen if (i, k) not in self.courses]
        self._begin(new, k, fold)
        return fold, bool(new)

    def _rehearse(self, data: Data) -> None:
        """Fit a candidate for an epoch, so that the last fit finds its programs compiled.

        What goes wrong here goes wrong in the last fit too, and is reported there.
        """
        model = clone(self.candidates[0].autoencoder)
        if model.pretrain is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.set_params(max_epochs=1).fit(data.front.learnt(data.X, data.y)[1])

    def _begin(self, new: Sequence[int], k: int, fold: Fold) -> None:
        """Make the courses of candidates on a split, one for each seed."""
        if not new:
            return
        courses = begin_courses(fold.rows())
        for i in new:
            self.courses[i, k] = [
                self.candidates[i].begin(courses, number) for number in range(self.criterion.seeds)
            ]

    def _enter(self, table: Table, i: int, k: int, share: float, fold: Fold) -> None:
        begin, mine = time.perf_counter(), self.courses[i, k]
        table.fit_seconds[i, k] = sum(one.trainer.state.seconds for one in mine)
        table.epochs[i] = max(round(share * mine[0].run.max_epochs), 1)
        errors = [one.error for one in mine if one.error is not None]
        if errors:
            table.scores[i, k] = np.nan
            table.errors[i] = str(errors[0])
            return
        judged, candidate = self.criterion.judged, self.candidates[i].autoencoder
        models = [fold.fitted(candidate, one.fitted(judged=judged)) for one in mine]
        score = self.criterion.score(models, fold)
        table.scores[i, k] = score if math.isfinite(score) else np.nan
        table.score_seconds[i, k] = time.perf_counter() - begin
        if not math.isfinite(score):
            table.errors[i] = f"Its score is {score}."
