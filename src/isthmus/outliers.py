"""`OutlierDetector`: a population of autoencoders as a scikit-learn outlier detector."""

import math
import numbers
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import polars as pl
from scipy.special import ndtri
from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from isthmus import _candidates, _checks, conformal, judging
from isthmus._members import Member, closest, shaped
from isthmus.estimator import Autoencoder
from isthmus.progress import Counted
from isthmus.runtime import draw_seed
from isthmus.scaling import blocks

FEW, DRAWS = 16, 8  # reference rows in a draw, and a member's draws, where rows may be outliers
MANY = 2048  # reference rows at most, in one draw, where they are clean
STEPS = 200  # of the default autoencoder: long training learns the outliers too
SHARES = (0.75, 0.9, 0.97)  # of rows below the quantile that tells their deviation
USUAL = 0.05  # the false-positive rate on clean training data where none is given


class Explanation(NamedTuple):
    """What made each row as strange as it is, by column; see `OutlierDetector.explain`."""

    columns: tuple[str, ...]
    contribution: np.ndarray  # (n, d); the sum of a row is minus its score
    observed: np.ndarray  # (n, d), in the data's units
    expected: np.ndarray  # (n, d)

    def frame(self, top: int | None = None) -> pl.DataFrame:
        """Return a table with a line for each row and column, the largest contributions first.

        Parameters
        ----------
        top : int, optional
            How many columns to list for each row; all by default.
        """
        order = np.argsort(-self.contribution, axis=1, kind="stable")[:, :top]
        table = {
            "row": np.repeat(np.arange(len(order)), order.shape[1]),
            "column": [self.columns[j] for j in order.ravel()],
        }
        for name in ("contribution", "observed", "expected"):
            table[name] = np.take_along_axis(getattr(self, name), order, axis=1).ravel()
        return pl.DataFrame(table)


class OutlierDetector(OutlierMixin, TransformerMixin, BaseEstimator):
    """Find rows unlike the others, or unlike those trained on, by a population of autoencoders.

    A row x is as strange as it is far from the training rows as the autoencoders see them: off the
    surface on which they lie, and along it from the nearest of a few reference rows r::

        score(x) = - mean_k [ loss(x'_k, x) + mean_R min_r mean_j (x'_kj - r'_kj)^2 ]

    where x'_k and r'_k are reconstructions by member k, in scaled units, R is a random draw of
    reference rows and r one of them, another row than x. The distance is a sum over columns, and so
    are most losses.

    Where training rows may be outliers, each member compares with several draws of few rows (a
    group of outliers then seldom has one of its own among them) out of the half that looks most
    normal; where they are clean, with one random half of all.

    Parameters
    ----------
    autoencoder : Autoencoder, optional
        What the members are, but for their seeds. By default a denoising one that is as wide as the
        data, up to 32 units, trained for some 200 steps.
    n_estimators : int
        The number of members, trained in one program.
    contamination : "auto", "none" or float in [0, 0.5]
        What is known of the training rows. A number is the share of outliers among them, and
        `predict` finds that share, unless `target_fpr` or `alpha` is given. With "auto" the share is
        unknown, and rows are outliers where the cube root of minus the score lies two robust
        deviations above the median, which two to four per cent of rows do where all are normal.
        "none" says that they are clean, and `predict` finds new rows that differ (novelties), at a
        false-positive rate of 5 %, or the least that the rows held out allow, unless `target_fpr` or
        `alpha` is given.
    target_fpr : float in (0, 1), optional
        The share of normal rows that may be called outliers; the threshold is a quantile of the
        scores of rows held out.
    alpha : float in (0, 1), optional
        Rows with a p-value of at most alpha are outliers; with `fdr`, alpha bounds the expected share
        of normal rows among those that one call of `predict` finds, where training rows are clean.
    fdr : bool
        Whether alpha is a false-discovery rate, by Benjamini and Hochberg.
    calibration_fraction : float in (0, 1)
        The share of the rows that is held out for `target_fpr`, `alpha` and "none".
    n_references : "auto" or int
        How many training rows a draw holds: 16 where they may be outliers, and each member then
        has 8 draws; else half of them, at most 2,048, in one draw.
    random_state : None, int, RandomState or Generator
        The seed of everything random.
    verbose : int
        0 is silent, 1 shows progress on the standard error.

    Attributes
    ----------
    members_ : list of Member
        The fitted autoencoders and the codes of their reference rows.
    offset_ : float
        The threshold: `decision_function` is `score_samples` minus it.
    calibration_scores_ : ndarray or None
        Scores of the rows held out, where there are any.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    Where the training rows are clean and new rows are drawn as they were, p-values are valid:
    `P(p <= a) <= a` for every a, over the draw of the calibration rows (split conformal). With
    outliers among the training rows they are approximate, and tend to be too large.

    References
    ----------
    Galeone, "Introduction to Autoencoders", 2016 (the error as a one-class score); Sugiyama and
    Borgwardt, "Rapid Distance-Based Outlier Detection via Sampling", 2013 (few reference rows);
    Bates et al., "Testing for Outliers with Conformal p-values", 2023.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> X = load_wine().data
    >>> detector = OutlierDetector(contamination=0.05, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    9
    """

    members_: list[Member]
    offset_: float
    calibration_scores_: np.ndarray | None
    sample_shape_: tuple[int, ...] | None

    def __init__(
        self,
        autoencoder: Autoencoder | None = None,
        *,
        n_estimators: int = 16,
        contamination: float | str = "auto",
        target_fpr: float | None = None,
        alpha: float | None = None,
        fdr: bool = False,
        calibration_fraction: float = 0.2,
        n_references: int | str = "auto",
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.autoencoder = autoencoder
        self.n_estimators = n_estimators
        self.contamination = contamination
        self.target_fpr = target_fpr
        self.alpha = alpha
        self.fdr = fdr
        self.calibration_fraction = calibration_fraction
        self.n_references = n_references
        self.random_state = random_state
        self.verbose = verbose

    # -- training --------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the members on rows and settle the threshold.

        Parameters
        ----------
        X : array-like (n, d), DataFrame, or images (n, h, w[, c])
            The rows.
        y : ignored

        Returns
        -------
        self
        """
        self._check_parameters()
        X = _checks.flat_rows(self, X, reset=True, minimum=2)
        rng = np.random.default_rng(draw_seed(self.random_state))
        train, calibration = self._split(X, rng)
        models = self._trained(train, rng)
        self.members_ = self._compared(models, train, rng)
        if self.contamination != "none":
            strangeness = self._strangeness(train)
            normal = np.argsort(strangeness, kind="stable")[: max(len(train) // 2, 2)]
            self.members_ = self._compared(models, train[normal], rng)
        self.calibration_scores_ = None if calibration is None else self._scores(calibration)
        self.offset_ = self._threshold(train)
        return self

    def _check_parameters(self) -> None:
        _checks.whole("n_estimators", self.n_estimators, 1)
        _checks.whole("n_references", self.n_references, 1, auto=True)
        c, named = self.contamination, isinstance(self.contamination, str)
        if named and c not in ("auto", "none"):
            raise ValueError(
                "The parameter contamination must be 'auto', 'none' or a number in [0, 0.5]; got "
                f"{c!r}."
            )
        if not named:
            ok = isinstance(c, numbers.Real) and 0 <= float(c) <= 0.5
            _checks.real("contamination", c, "[0, 0.5]", ok)
        for name in ("target_fpr", "alpha", "calibration_fraction"):
            value = getattr(self, name)
            if value is not None or name == "calibration_fraction":
                _checks.real(name, value, "(0, 1)", _is_share(value))
        if self.target_fpr is not None and self.alpha is not None:
            raise ValueError(
                f"target_fpr={self.target_fpr} and alpha={self.alpha} are two thresholds: give one."
            )
        if self.fdr and self.alpha is None:
            raise ValueError("fdr=True needs alpha, the rate of false discoveries to allow.")
        if self.autoencoder is not None and not isinstance(self.autoencoder, Autoencoder):
            raise TypeError(f"The autoencoder must be an Autoencoder; got {self.autoencoder!r}.")

    @property
    def _rate(self) -> float | None:
        """The false-positive rate that held-out rows settle; None where training scores do."""
        given = self.target_fpr if self.alpha is None else self.alpha
        return USUAL if given is None and self.contamination == "none" else given

    def _split(
        self, X: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray | None]:
        if self._rate is None:
            return X, None
        n = math.ceil(self.calibration_fraction * len(X))
        if len(X) - n < 2:
            raise ValueError(
                f"{len(X)} rows cannot be divided into rows to train on and rows to calibrate with: "
                "give more rows, or contamination without target_fpr and alpha."
            )
        conformal.cut(np.zeros(n), self._held_rate(n))  # before any work: too few are refused
        order = rng.permutation(len(X))
        return X[np.sort(order[n:])], X[np.sort(order[:n])]

    def _trained(self, train: np.ndarray, rng: np.random.Generator) -> list[Autoencoder]:
        template = default(train) if self.autoencoder is None else clone(self.autoencoder)
        seeds = rng.integers(2**32, size=self.n_estimators)
        models = [_candidates.build(template, {}, int(seed)) for seed in seeds]
        rows = train.reshape(-1, *self.sample_shape_) if self.sample_shape_ else train
        count = Counted("detector", self.verbose)
        try:
            courses = _candidates.begin(models, [{}] * len(models), rows)
            _candidates.advance(courses, 1.0, count)
        finally:
            count.close()
        for course in courses:
            if course.error is not None:
                raise course.error
        return models

    def _compared(
        self, models: list[Autoencoder], pool: np.ndarray, rng: np.random.Generator
    ) -> list[Member]:
        """Return members with reference rows drawn from these."""
        clean, number = self.contamination == "none", self.n_references
        if number == "auto":
            number = min(len(pool) // 2, MANY) if clean else FEW
        size = min(max(int(number), 1), len(pool))
        members = []
        for model in models:
            drawn = [
                rng.choice(len(pool), size, replace=False) for _ in range(1 if clean else DRAWS)
            ]
            codes = model.transform(shaped(model, pool[np.concatenate(drawn)]))
            members.append(Member(model, codes.reshape(len(drawn), size, -1)))
        return members

    def _held_rate(self, n: int) -> float:
        """Return the false-positive rate for so many rows held out."""
        unasked = self.target_fpr is None and self.alpha is None
        return max(USUAL, 1 / (n + 1)) if unasked else float(self._rate or USUAL)

    def _threshold(self, train: np.ndarray) -> float:
        held = self.calibration_scores_
        if held is not None:
            return -conformal.cut(-held, self._held_rate(len(held)))
        scores = self._scores(train)
        if not isinstance(self.contamination, str):
            return float(np.quantile(scores, float(self.contamination)))
        return -_robust_limit(-scores)

    # -- use -------------------------------------------------------------------------------------

    def score_samples(self, X: Any) -> np.ndarray:
        """Return the score of each row: the higher, the more normal."""
        return self._scores(self._rows(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """Return `score_samples` minus `offset_`: negative for outliers."""
        scores: np.ndarray = self.score_samples(X) - self.offset_
        return scores

    def predict(self, X: Any) -> np.ndarray:
        """Return -1 for outliers and +1 for the others.

        With `fdr` the decision on a row depends on the rows that it comes with.
        """
        return self.decide(self.score_samples(X))

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Return what `predict` makes of rows with these scores.

        Parameters
        ----------
        scores : array (n,)
            Of `score_samples`, or of an exported file.
        """
        if self.fdr:
            found = conformal.discoveries(self._pvalues(scores), float(self.alpha or 0))
            return np.where(found, -1, 1)
        return np.where(scores >= self.offset_, 1, -1)

    def pvalues(self, X: Any) -> np.ndarray:
        """Return conformal p-values: how often a normal row is at least as strange, in (0, 1].

        Raises
        ------
        ValueError
            Where no rows were held out.
        """
        return self._pvalues(self.score_samples(X))

    def _pvalues(self, scores: np.ndarray) -> np.ndarray:
        if self.calibration_scores_ is None:
            raise ValueError(
                "p-values compare with rows that were not trained on, and none were held out: fit "
                "with contamination='none', or with target_fpr or alpha."
            )
        return conformal.pvalues(-scores, -self.calibration_scores_)

    def transform(self, X: Any) -> np.ndarray:
        """Return the codes of the first member, shape (n, n_components)."""
        model = self.members_[0].model
        return model.transform(shaped(model, self._rows(X)))

    def explain(self, X: Any) -> Explanation:
        """Return what each column adds to a row's strangeness, what was seen and what was expected.

        The contributions of a row add up to minus its score. What is expected is the nearest
        reference row, as the members see it; members and their draws are averaged.

        Parameters
        ----------
        X : array-like (n, d), DataFrame, or images
            The rows.

        Returns
        -------
        Explanation
            `columns` and, in arrays (n, d), `contribution` and, in the data's units, `observed` and
            `expected`; `frame(top=3)` makes a table of them.

        Raises
        ------
        ValueError
            Where the loss is no sum over columns.
        """
        rows = self._rows(X)
        judging.check_by_column(self.members_[0].model.slots_.loss)
        contribution, expected = np.zeros(rows.shape), np.zeros(rows.shape)
        for member in self.members_:
            shares, again = member.losses(rows)
            contribution += shares
            known = member.known()
            for drawn in known:
                nearest = drawn[closest(again, drawn)[0]].astype(float)
                contribution += (again - nearest) ** 2 / (len(known) * rows.shape[1])
                expected += member.model.scaler_.inverse(nearest) / len(known)
        names = getattr(self, "feature_names_in_", [f"x{i}" for i in range(rows.shape[1])])
        k = len(self.members_)
        columns = tuple(map(str, names))
        return Explanation(columns, contribution / k, np.array(rows, float), expected / k)

    def save(self, path: str | Path) -> None:
        """Write the detector to one safe file, whole or not at all; `isthmus.load` reads it."""
        from isthmus._detectorfile import save

        check_is_fitted(self)
        save(self, path)

    def export(self, path: str | Path, part: str = "score") -> None:
        """Write `score_samples` to an ONNX file, which is checked against it before it is kept.

        Parameters
        ----------
        path : path
            The file, written whole or not at all.
        part : "score"
            What the graph computes of rows in the data's units; the threshold is in the metadata.

        Raises
        ------
        ImportError
            Without the packages of `pip install isthmus[onnx]`.
        ValueError
            Where a part of a member has no ONNX form, or the file does not compute the same.
        """
        from isthmus.exporting import export_detector

        check_is_fitted(self)
        export_detector(self, path, part)

    def _rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return _checks.flat_rows(self, X, reset=False)

    def _scores(self, rows: np.ndarray) -> np.ndarray:
        return -self._strangeness(rows)

    def _strangeness(self, rows: np.ndarray) -> np.ndarray:
        """Return minus the scores, block by block."""
        result = np.zeros(len(rows))
        for member in self.members_:
            known = member.known()
            for b in blocks(rows, 2**21):
                shares, again = member.losses(rows[b])
                gaps = sum(closest(again, drawn)[1] for drawn in known)
                result[b] += shares.sum(axis=1) + gaps / (len(known) * rows.shape[1])
        return result / len(self.members_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        dtype = "float32" if self.autoencoder is None else self.autoencoder.dtype
        tags.transformer_tags.preserves_dtype = [dtype]
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.members_[0].model.net_.n_components

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the codes."""
        check_is_fitted(self)
        return np.array([f"code{i}" for i in range(self._n_features_out)], object)


def default(train: np.ndarray) -> Autoencoder:
    """Return the autoencoder of a detector that was given none, for these rows."""
    n, d = train.shape
    return Autoencoder(
        min(d, 32),
        "dense:hidden=[64],activation=tanh",
        corruption="gaussian:std=0.1",
        max_epochs=max(math.ceil(STEPS / math.ceil(n / 128)), 1),
        batch_size=128,
        learning_rate=0.01,
        early_stopping=False,
    )


def _robust_limit(strangeness: np.ndarray) -> float:
    """Return the value whose cube root lies two robust deviations above the median's.

    Sums of squares are nearly normal under a cube root (Wilson and Hilferty, 1931), and nearer in
    their upper half, which is what the deviation is taken from: 1.4826 times the distance from the
    median to the upper quartile, or what a higher quantile tells where many rows are equal.
    """
    roots = np.cbrt(strangeness)
    middle, *upper = np.quantile(roots, (0.5, *SHARES))
    for share, value in zip(SHARES, upper, strict=True):
        if value > middle * (1 + 1e-6):
            return float((middle + 2 * (value - middle) / ndtri(share)) ** 3)
    return float(roots.max() ** 3)


def _is_share(value: Any) -> bool:
    return isinstance(value, numbers.Real) and 0 < float(value) < 1
