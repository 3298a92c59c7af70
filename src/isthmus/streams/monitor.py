"""`Monitor`: a fitted detector on rows that arrive one after the other."""

from __future__ import annotations

import numbers
import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.autoencoder import check_one_of, check_real, check_whole
from isthmus.outliers import OutlierDetector
from isthmus.streams.budgets import Budget, Credits, Lord, least_rows
from isthmus.streams.columns import followed, ranked_values
from isthmus.streams.decisions import Decisions
from isthmus.streams.drift import Watch
from isthmus.streams.file import read_state, write_state
from isthmus.streams.metrics import metrics_text
from isthmus.streams.tails import BAD_FIT, DISTINCT, FEWEST, SHARE, Tail, fit_tail

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from numpy.typing import ArrayLike

    from isthmus.streams.drift import Drift

PVALUES = ("tail", "conformal")


class Monitor:
    """Decide on rows as they arrive, with few false alerts among all, and watch for drift.

    Parameters
    ----------
    detector : OutlierDetector
        A fitted one that held rows out, such as one fitted with `contamination="none"`.
    fdr : float in (0, 1)
        The share of false ones among all alerts so far that is to be expected, at most.
    pvalues : {"tail", "conformal"}
        What a row's p-value is. "conformal" ones have a guarantee, see the notes, but are at least
        1 / (n + 1) for n calibration rows: where outliers are rare these must be many, about
        `16 / (fdr * share of outliers)`, or next to nothing is found. "tail" ones go on below by a
        generalised Pareto distribution that is fitted to the strangest fifth of the calibration
        scores: a model, and no guarantee. Its fit is tested first; where that is refused, or
        calibration rows are fewer than 200, p-values are conformal all the same, with a warning.
    reference : array-like, DataFrame or images, optional
        Recent normal rows, such as a detector is recalibrated with: what columns looked like before
        the stream, for the alarm of drift. By default its own first hundred usual rows tell.
    random_state : int
        The seed of the random numbers that break ties in the test for drift.

    Attributes
    ----------
    kind : {"tail", "conformal"}
        What p-values are.
    goodness : float or None
        The p-value of the tail's fit (Anderson and Darling, by a parametric bootstrap).
    rows, unscored, alerts : int
        How many rows were decided on, how many were counted by `skip`, and how many are outliers.
    last : Decisions
        Those of the last call of `update`, also after `load`.
    drift : Drift or None
        Since when rows are known not to be as before, by which columns, and what to do.

    Notes
    -----
    Let normal rows be drawn independently as the calibration rows were, and independently of outliers.
    With "conformal" the expected share of normal rows among the alerts up to any row is then at most
    `fdr`, over the draw of calibration rows and stream, also where scores have ties. It is a theorem of
    the budget that pays for levels (`isthmus.streams.budgets.Credits`), and no property of LORD,
    whose condition p-values that share calibration rows do not meet. Nothing is promised after a drift,
    nor where rows depend on those before.

    With "tail" levels are those of LORD++. Measured shares of false alerts keep the rate, as a rule:
    `python benchmarks/streams.py`.

    The alarm for drift is wrong in at most one of a hundred streams, however long, if usual rows stay
    exchangeable and outliers are at most a tenth of the rows. It compares scores with those of the
    calibration rows, and columns with the reference, or with the stream's own first hundred usual rows.

    Examples
    --------
    >>> import numpy as np
    >>> from isthmus import OutlierDetector
    >>> rng = np.random.default_rng(0)
    >>> fast = {"max_epochs": 5}
    >>> detector = OutlierDetector(fast, n_estimators=2, contamination="none", random_state=0)
    >>> monitor = Monitor(detector.fit(rng.normal(size=(1500, 4))))
    >>> new = rng.normal(size=(30, 4))
    >>> new[20] = 15
    >>> decided = monitor.update(new)
    >>> decided.row[decided.outlier]
    array([20])
    """

    def __init__(
        self,
        detector: OutlierDetector,
        *,
        fdr: float = 0.1,
        pvalues: str = "tail",
        reference: ArrayLike | None = None,
        random_state: int = 0,
    ) -> None:
        check_real("fdr", fdr, "(0, 1)", _is_share(fdr))
        check_one_of("pvalues", pvalues, PVALUES)
        check_whole("random_state", random_state, 0)
        calibration = _calibration(detector, fdr)
        self.detector, self.fdr, self.pvalues = detector, float(fdr), pvalues
        self.random_state = random_state
        self.tail: Tail | None = None
        self.goodness: float | None = None
        self.calibration = -calibration
        self.ordered = np.sort(self.calibration)
        self.watch = Watch(self.calibration, followed(detector))
        if reference is not None:
            self.watch.learn_from(*self.measured(reference))
        self.rows = self.unscored = self.alerts = 0
        self.last = Decisions(np.empty(0, int), np.empty(0), np.empty(0), np.empty(0, bool))
        self.fit_tail()
        self.budget = self.new_budget()

    def fit_tail(self) -> None:
        """Fit the tail and test it, where p-values are to have one."""
        if self.pvalues != "tail":
            return
        found = fit_tail(self.calibration)
        if found is None:
            n = len(self.calibration)
            why = f"has fewer than {FEWEST} of {n} calibration rows, or {DISTINCT} different scores"
        else:
            self.goodness = found[1]
            self.tail = found[0] if self.goodness > BAD_FIT else None
            why = f"is no generalised Pareto distribution (p = {self.goodness:.2g})"
        if self.tail is None:
            warnings.warn(
                f"The tail of the scores, their largest {SHARE:.0%}, {why}: p-values are conformal, at "
                f"least {1 / (len(self.calibration) + 1):.2g}; give more calibration rows.",
                stacklevel=3,
            )

    def new_budget(self) -> Budget:
        """Return the budget at the start of a stream."""
        if self.tail is not None:
            return Lord(self.fdr)
        return Credits(self.fdr, len(self.calibration))

    @property
    def kind(self) -> str:
        """What p-values are."""
        return "conformal" if self.tail is None else "tail"

    @property
    def drift(self) -> Drift | None:
        """What has changed; None as long as nothing is known to have."""
        return self.watch.drift

    def update(self, X: ArrayLike) -> Decisions:
        """Decide on the next rows, in their order.

        Decisions are the same whether rows come one by one or together. To lose none in a crash,
        `save` before they are acted on.

        Parameters
        ----------
        X : array-like (n, d), DataFrame, or images (n, h, w[, c])
            The rows.

        Returns
        -------
        Decisions
            Arrays `row`, `pvalue`, `level` and `outlier`; `frame()` makes a table of them.
        """
        return self.settle(*self.measured(X))

    def measured(self, X: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Return minus the scores of rows, and the values of the columns followed."""
        return -self.detector.score_samples(X), ranked_values(self.detector, X)

    def settle(self, strangeness: np.ndarray, values: np.ndarray) -> Decisions:
        """Decide on the next rows by minus their scores and the values of the columns followed."""
        p = self.pvalues_of(strangeness)
        level, outlier = np.empty(len(p)), np.empty(len(p), bool)
        row = self.rows + self.unscored + np.arange(len(p))
        for i in range(len(p)):
            level[i] = self.budget.level()
            outlier[i] = p[i] <= level[i] * (1 + 1e-12)  # rounding must keep no value off its limit
            self.budget.settle(bool(outlier[i]))
            luck = np.random.default_rng((self.random_state, row[i])).random(1 + values.shape[1])
            self.watch.see(float(strangeness[i]), values[i], luck)
        self.rows += len(p)
        self.alerts += int(outlier.sum())
        self.last = Decisions(row, p, level, outlier)
        return self.last

    def pvalues_of(self, strangeness: np.ndarray) -> np.ndarray:
        """Return the p-values of rows by minus their scores."""
        n = len(self.ordered)
        at_least = n - np.searchsorted(self.ordered, strangeness, side="left")
        p = (1 + at_least) / (n + 1)
        if self.tail is None:
            return p
        above = strangeness > self.tail.threshold
        return np.where(above, self.tail.survival(strangeness), p)

    def skip(self, n: int = 1) -> None:
        """Count rows that could not be scored, such as those with missing cells; they have numbers."""
        self.unscored += n

    def metrics(self) -> str:
        """Return counters and gauges in the text format of Prometheus."""
        return metrics_text(self)

    def save(self, path: str | Path) -> None:
        """Write where the monitor stands to one safe file, whole or not at all; `load` reads it."""
        write_state(path, self)

    @classmethod
    def load(cls, path: str | Path, detector: OutlierDetector) -> Self:
        """Return a monitor that goes on where another stood.

        Parameters
        ----------
        path : path
            What `save` wrote. Reading it runs no code.
        detector : OutlierDetector
            The same detector, which the file does not hold.

        Raises
        ------
        ModelFileError
            If the file is missing, foreign or damaged, or belongs to another detector.
        """
        return read_state(path, detector, cls)[0]


def _calibration(detector: OutlierDetector, fdr: float) -> np.ndarray:
    """Return the scores of rows held out, or raise a ValueError where there are none of use."""
    if not (isinstance(detector, OutlierDetector) or hasattr(detector, "calibration_scores_")):
        kind = detector if isinstance(detector, type) else type(detector)
        raise TypeError(f"A monitor takes a fitted OutlierDetector; got {kind.__name__}.")
    check_is_fitted(detector)
    held = detector.calibration_scores_
    if held is None:
        raise ValueError(
            "A monitor compares rows with rows that were held out, and this detector has none: fit it "
            "with contamination='none', or with target_fpr or alpha."
        )
    if detector.calibration_folds_ is not None:
        raise ValueError(
            "A monitor compares rows by one score, and calibration='cross' has one for each fold: fit "
            "the detector with calibration='split'."
        )
    if len(held) < least_rows(fdr):
        raise ValueError(
            f"A monitor with fdr={fdr:g} needs {least_rows(fdr)} calibration rows at least, and the "
            f"detector has {len(held)}: fit it on more rows, or with a larger calibration_fraction."
        )
    return np.asarray(held, float)


def _is_share(value: object) -> bool:
    return isinstance(value, numbers.Real) and 0 < float(value) < 1
