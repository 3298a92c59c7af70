"""What a fitted detector says of rows: scores, p-values and decisions."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.outliers.conformal import conformal_pvalues, discoveries, warn_of_few_held
from isthmus.outliers.members import strangeness
from isthmus.outliers.parameters import DetectorParameters
from isthmus.outliers.rules import rate_by
from isthmus.outliers.what_if import ThresholdTable, threshold_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from isthmus.outliers.judges import Judged
    from isthmus.outliers.members import Member


class Deciding(DetectorParameters):
    """A detector, but for how it is fitted and stored; methods take the group of each row where `fit`
    was given groups.
    """

    @abstractmethod
    def _judged(self, X: ArrayLike, groups: ArrayLike | None) -> Judged:
        """Return rows, checked, and what judges each."""

    @abstractmethod
    def _scores(self, given: Judged, members: Sequence[Member] | None = None) -> np.ndarray:
        """Return the scores of rows by these members, or by all, and by their groups."""

    def score_samples(self, X: ArrayLike, groups: ArrayLike | None = None) -> np.ndarray:
        """Return the score of each row: the higher, the more normal."""
        return self._scores(self._judged(X, groups))

    def decision_function(self, X: ArrayLike, groups: ArrayLike | None = None) -> np.ndarray:
        """Return `score_samples` minus `offset_`: negative for outliers, but where `by_pvalues`."""
        scores: np.ndarray = self.score_samples(X, groups) - self.offset_
        return scores

    def predict(self, X: ArrayLike, groups: ArrayLike | None = None) -> np.ndarray:
        """Return -1 for outliers and +1 for the others.

        With `fdr` the decision on a row depends on the rows that it comes with.
        """
        check_is_fitted(self)
        if self.calibration_folds_ is None:
            return self.decide(self.score_samples(X, groups))
        return self._by_rate(self.pvalues(X, groups))

    def decide(self, scores: np.ndarray, pvalues: np.ndarray | None = None) -> np.ndarray:
        """Return what `predict` makes of rows with these scores.

        Parameters
        ----------
        scores : array (n,)
            Of `score_samples`, or of an exported file.
        pvalues : array (n,), optional
            Of `pvalues`, which scores alone do not tell where calibration is crossed.
        """
        if not self.by_pvalues:
            return np.where(scores >= self.offset_, 1, -1)
        return self._by_rate(self._pvalues(scores) if pvalues is None else pvalues)

    def _by_rate(self, p: np.ndarray) -> np.ndarray:
        """Return the decisions on rows with these p-values."""
        assert self.calibration_scores_ is not None
        n = len(self.calibration_scores_)
        rate = rate_by(self, n)
        if not self.fdr:
            return np.where(p <= rate, -1, 1)
        found = discoveries(p, rate)
        if not found.any():
            warn_of_few_held(p, n, rate)
        return np.where(found, -1, 1)

    @property
    def by_pvalues(self) -> bool:
        """Whether decisions compare p-values with a rate, and not scores with `offset_`."""
        return self.fdr or self.calibration_folds_ is not None

    def pvalues(self, X: ArrayLike, groups: ArrayLike | None = None) -> np.ndarray:
        """Return conformal p-values: how often a normal row is at least as strange, in (0, 1].

        Raises
        ------
        ValueError
            Where no rows were held out.
        """
        given = self._judged(X, groups)
        if self.calibration_folds_ is None:
            return self._pvalues(self._scores(given))
        return self._crossed_pvalues(given.rows)

    def _crossed_pvalues(self, rows: np.ndarray) -> np.ndarray:
        """Return p-values by the score of each fold, whose members were not trained on it."""
        folds, held = self.calibration_folds_, self.calibration_scores_
        assert folds is not None
        assert held is not None
        k = folds.max() + 1
        by_fold = np.stack([strangeness(self.members_[i::k], rows) for i in range(k)], axis=1)
        return conformal_pvalues(by_fold, -held, folds)

    def _pvalues(self, scores: np.ndarray) -> np.ndarray:
        if self.calibration_scores_ is None:
            raise ValueError(
                "p-values compare with rows that were not trained on, and none were held out: fit "
                "with contamination='none', or with target_fpr or alpha, or recalibrate with normal "
                "rows."
            )
        if self.calibration_folds_ is not None:
            raise ValueError(
                "Scores alone do not tell p-values where calibration is crossed: give decide those "
                "of pvalues(X), too."
            )
        return conformal_pvalues(-scores, -self.calibration_scores_)

    def threshold_table(self, X: ArrayLike, groups: ArrayLike | None = None) -> ThresholdTable:
        """Return how many rows would be outliers at other rates, without changing anything.

        The rates are those that the calibration rows permit. Without calibration rows they are shares
        of outliers among X, which `recalibrate(X, rows="any")` would settle.

        Parameters
        ----------
        X : array-like (n, d), DataFrame, or images
            The rows, such as those of a recent day.

        Returns
        -------
        ThresholdTable
            Arrays `rate`, `threshold`, `alerts`, `false_alarms` (as many as are expected among so many
            normal rows) and `current`, a line for each rate; `frame()` makes a table of them.
        """
        found = (self.pvalues if self.by_pvalues else self.score_samples)(X, groups)
        return threshold_table(self, found)
