"""`OutlierDetector`: a population of autoencoders as a scikit-learn outlier detector."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import OutlierMixin, TransformerMixin, clone
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from isthmus.autoencoder import (
    Autoencoder,
    BlockRows,
    Explanation,
    Rows,
    TableRows,
    advance_training,
    are_many,
    as_images,
    as_source,
    begin_courses,
    blocks_in_turn,
    check_counted,
    check_parameters,
    check_sizes,
    column_names,
    expected_words,
    known_fleet,
    opened,
    rows_in_memory,
    single,
    some_of_many,
    validate_rows,
    validate_weights,
    weights_of_columns,
)
from isthmus.model import Fitted, resolve_slots, write_model_file
from isthmus.nets import OPSET
from isthmus.outliers.absurd import Tamed, learnt
from isthmus.outliers.checking import check_new_detector
from isthmus.outliers.deciding import Deciding
from isthmus.outliers.divisions import Division, divided, repeated, repeats
from isthmus.outliers.file import pack_detector
from isthmus.outliers.groups import check_unweighted, new_groups, new_judges, not_exported
from isthmus.outliers.judges import Judged
from isthmus.outliers.members import (
    Member,
    strangeness,
    strangeness_by_column,
    with_references,
)
from isthmus.outliers.onnx import export_members
from isthmus.outliers.panel import drawn, settled
from isthmus.outliers.recalibration import check_enough, check_recent, recalibrate_by
from isthmus.outliers.rules import rate_of, threshold_by
from isthmus.outliers.templates import default_settings, group_settings
from isthmus.schema import cell_words
from isthmus.training import Progress, draw_seed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike
    from sklearn.utils import Tags

    from isthmus.autoencoder import (
        Course,
    )
    from isthmus.schema import Schema

MOST_ROWS = 2**15  # that members are trained on: more change no average of some hundred steps
SCORED = 2**17  # rows at most that settle a threshold where none are held out


class OutlierDetector(OutlierMixin, TransformerMixin, Deciding):
    """Find rows unlike the others, or unlike those trained on, by a population of autoencoders.

    A row x is as strange as two things say together: how badly autoencoders reproduce it that learned
    to fill hidden cells, and how far it is from the nearest of a few reference rows r::

        score(x) = - (L(x) / l + e)^(1/5) (D(x) / d + e)^(4/5)
        L(x) = mean_k loss(x'_k, x)
        D(x) = mean_R min_r mean_j (x_j - r_j)^2

    in scaled units, where x'_k is the reconstruction by member k, R a random draw of reference rows
    and r one of them, another row than x; l and d are the medians over the rows trained on (where
    these repeat, so that a median is 0, the means), so that a usual row scores about -1; e = 2^-10
    keeps a row that is copied whole from hiding how far it is. Each term raises the mean AUROC over its
    own absence (`benchmarks/outliers.py`). A column that was the same in all rows trained on has no
    scale of its own: where columns are scaled one by one, another value there adds n/d to both L and D,
    and at least 1, as it would for the only one of n rows in d standardised columns; rounding of
    float32 is no change.

    Where training rows may be outliers, reference rows are many draws of few (a group of outliers then
    seldom has one of its own among them) out of the half that looks most normal; where they are clean,
    one draw of up to 2,048.

    In tables of mixed types, and so in arrays with a missing cell, the score is the sum of both
    instead, on a scale of its own: loss(x'_k, x) and a fifth of the squared distance between the
    reconstructions x'_k and r'_k. Both are means over the cells that are there, by their columns'
    weights. Where the rows are clean each weight is divided by the fourth root of the mean fourth
    power of the column's loss on the rows trained on: rare events that nothing foretells then do not
    hide what is strange elsewhere.

    Parameters
    ----------
    autoencoder : Autoencoder or dict, optional
        What the members are, but for their seeds. By default a denoising one that is as wide as the
        data, up to 32 units, trained for 300 to 600 steps with half of the cells hidden; a dict changes
        parameters of this one, and so does `set_params(autoencoder__max_epochs=20)`.
    n_estimators : int
        The number of members, trained in one program.
    max_samples : "auto" or int
        How many rows the members are trained on and compare with, at most; by default 32,768. Of more
        rows so many are drawn: some hundred steps see no more. All rows count for a share that is
        asked for, up to 131,072. Of rows of more than a window (see "Larger than memory"), in memory
        or on disk, so many are drawn first, and the others are not looked at.
    contamination : "auto", "none" or float in [0, 0.5]
        What is known of the training rows. A number is the share of outliers among them, and
        `predict` finds that share, as nearly as ties of scores permit, unless `target_fpr` or `alpha`
        is given. With "auto" the share is unknown, and the scores settle a limit, see the notes.
        "none" says that the rows are clean, and `predict` finds new rows that differ (novelties), at
        a false-positive rate of 5 %, or the least that the rows held out allow, unless `target_fpr`
        or `alpha` is given.
    target_fpr : float in (0, 1), optional
        The share of normal rows that may be called outliers; the threshold is a quantile of the
        scores of rows held out.
    alpha : float in (0, 1), optional
        Rows with a p-value of at most alpha are outliers; with `fdr`, alpha bounds the expected share
        of normal rows among those that one call of `predict` finds, where training rows are clean.
    fdr : bool
        Whether alpha is a false-discovery rate, by Benjamini and Hochberg. Of m rows k can be found
        only with m / (k alpha) - 1 rows held out, and a warning says so where these are too few.
    calibration : {"split", "cross"}
        How rows are held out for `target_fpr`, `alpha` and "none". With "split" no member is trained
        on a part of them. With "cross" all are used for both: each of five folds (or n_estimators,
        if fewer) is left out by a share of the members, which alone score it; rows are outliers by
        their p-values, which are finer, with a weaker guarantee. It is refused where none of the three
        is given.
    calibration_fraction : float in (0, 1)
        The share of the rows that "split" holds out.
    n_references : "auto" or int
        How many training rows a draw holds: 16 where they may be outliers, in 128 draws; else all of
        them, at most 2,048, in one draw.
    random_state : None, int, RandomState or Generator
        The seed of everything random.
    verbose : int
        0 is silent, 1 shows progress on the standard error.

    Attributes
    ----------
    members_ : list of Member
        The fitted models and their reference rows.
    template_ : Autoencoder
        What the members are, but for their seeds.
    offset_ : float
        The threshold: `decision_function` is `score_samples` minus it.
    calibration_scores_ : ndarray or None
        Scores of the rows held out, where there are any.
    calibration_folds_ : ndarray or None
        With "cross", the fold of each of them: member k was not trained on fold k modulo their number.
    recalibrations_ : list of Recalibration
        When `recalibrate` settled the threshold anew, by how many rows, and what it was before.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Notes
    -----
    With `contamination="auto"` the scores alone settle the limit. Where they look like two kinds of
    rows, which is where the density of their logarithms has a valley half as deep as its next peak, and
    5 to 50 % of the rows lie above, the valley is the limit. Else a row is an outlier where the cube
    root r of minus its score exceeds `median(r) + 2.3 min(u, 3 h)` over the training rows; u is the
    distance from the median to the upper quartile, and h half the length of the shortest interval with
    half of the distinct values, both as deviations of a normal distribution (divided by 0.674). Where
    all rows are normal, two to four per cent are found. Outliers that are many and no kind of their
    own, but the far end of one, are not told apart so: give their share. Scores that rounding alone
    could part are ties. Where more than a fifth of the rows share a score, the others alone tell the
    limit, which is never below the median of all; if these others are at most a tenth of the rows (or
    one row), the limit is the score shared: of equal rows none is an outlier, and a few strange ones
    among them all are.

    Of plain numbers members learn from rows in which absurd cells, such as 1e10 among ages, are brought
    to the end of the others; scores are of rows as they are. A cell is absurd if it lies a hundred
    widths beyond the range of its column, without the lowest and the highest hundredth of its cells,
    and if the column's deviation is ten times what it is without such cells.

    A model file holds the reference rows, scaled: up to 2,048 rows trained on.

    Where the training rows are clean and new rows are drawn as they were, p-values are valid:
    `P(p <= a) <= a` for every a, over the draw of the calibration rows (split conformal). Those of
    "cross" compare a row with each held-out row by the members that did not train on the latter,
    and keep `P(p <= a) <= 2 a + 2 (1 - 1/K) / (n/K + 1)` with n rows in K equal folds; they are near a
    as a rule, and `fdr` is approximate. With outliers among the training rows p-values of both kinds
    are approximate, and tend to be too large.

    References
    ----------
    Galeone, "Introduction to Autoencoders", 2016 (the error as a one-class score); Sugiyama and
    Borgwardt, "Rapid Distance-Based Outlier Detection via Sampling", 2013 (few reference rows);
    Bates et al., "Testing for Outliers with Conformal p-values", 2023; Vovk, "Cross-conformal
    predictors", 2015, and Barber et al., "Predictive Inference with the Jackknife+", 2021.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> X = load_wine().data
    >>> detector = OutlierDetector(contamination=0.05, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    9
    """

    # -- training --------------------------------------------------------------------------------

    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train the members on rows and settle the threshold.

        Parameters
        ----------
        X : array-like (n, d), DataFrame, images (n, h, w[, c]), or path
            The rows, or where they lie.
        y : ignored
        sample_weight : array-like (n,), optional
            How much each row counts: as if it stood so many times among the rows to train on, to
            compare with and to calibrate with. A weight of 0 leaves the row out. A row's copies are all
            on one side where some rows are held out to calibrate with. Ratios alone matter, and where
            they are so large that rows would stand for more than four on average, they are shrunk.
        groups : array-like (n,), optional
            What each row is of, such as a customer or a machine: texts, whole numbers or dates. Each
            group of 32 rows or more gets one autoencoder of its own, a few reference rows and a
            threshold, which is drawn to that of all as far as chance made it another; the members,
            fitted on rows of all, judge the others. Methods then need the groups of rows, too.

        Returns
        -------
        self
        """
        if groups is not None:
            check_unweighted(sample_weight)
            self._fit(X, groups=groups)
            return self
        if sample_weight is None:
            check_new_detector(self)
            self._fit(some_of_many(X, self._most, self.random_state))
            return self
        if as_source(X) is not None:
            raise ValueError(
                "sample_weight is for rows in memory, and X is a file or another source: read it "
                "first, or leave sample_weight out."
            )
        weight = validate_weights(sample_weight, as_images(X))
        check_counted(weight, 2)
        there = np.flatnonzero(weight)
        self._fit(X if len(there) == len(weight) else _safe_indexing(X, there), weight[there])
        return self

    def fit_predict(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> np.ndarray:
        """Fit, and return what `predict` makes of the same rows, each scored once."""
        X = opened(X)
        if sample_weight is not None or are_many(X):
            return self.fit(X, None, sample_weight, groups).predict(X, groups)
        given, scores = self._fit(X, groups=groups)
        if self.calibration_folds_ is not None:
            return self._by_rate(self._crossed_pvalues(given.rows))
        return self.decide(self._completed(given, scores))

    def fit_score_samples(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> np.ndarray:
        """Fit, and return the score of each of the same rows, which are scored once."""
        X = opened(X)
        if sample_weight is not None or are_many(X):
            return self.fit(X, None, sample_weight, groups).score_samples(X, groups)
        return self._completed(*self._fit(X, groups=groups))

    def _completed(self, given: Judged, scores: np.ndarray) -> np.ndarray:
        """Return the scores, with those that are missing computed."""
        left = np.flatnonzero(np.isnan(scores))
        for start in range(0, len(left), SCORED):  # a copy of all rows would double them
            some = left[start : start + SCORED]
            scores[some] = self._scores(given.only(some))
        return scores

    def _fit(
        self, X: ArrayLike, weight: np.ndarray | None = None, groups: ArrayLike | None = None
    ) -> tuple[Judged, np.ndarray]:
        """Fit, and return the rows, and of each its score where it is known; NaN elsewhere."""
        check_new_detector(self)
        self.fleet_ = None
        X = X if groups is None else rows_in_memory(X)
        of_groups = None if groups is None else new_groups(self, self._of_group(X), X, groups)
        given = validate_rows(self, X, reset=True, minimum=2, constants=True)
        schema = given.schema if isinstance(given, TableRows) else None
        rows = np.asarray(given)
        rng = np.random.default_rng(draw_seed(self.random_state))
        times = None if weight is None else repeats(weight)
        parts = repeated(divided(self, len(rows), rng), times)
        scores = np.full(len(rows), np.nan)
        if of_groups is not None:
            check_sizes(of_groups.keys, of_groups.numbers[parts[0].train])
        samples = [part.train[drawn(len(part.train), self._most, rng)] for part in parts]
        known_rows = [learnt(rows[sample], mixed=schema is not None) for sample in samples]
        compared = [
            self._compared(fits, known, sample, rng, scores)
            for fits, known, sample in zip(
                self._trained(known_rows, schema, rng), known_rows, samples, strict=True
            )
        ]
        n, k = self.n_estimators, len(parts)
        self.members_ = [compared[i % k][i // k] for i in range(n)]
        self.recalibrations_ = []
        judged = Judged(rows)
        if of_groups is not None:
            self.fleet_ = new_judges(
                self, rows, of_groups, parts[0], -scores[~np.isnan(scores)], rng
            )
            judged = Judged(rows, self.fleet_.fleet.places[of_groups.numbers])
            scores[:] = np.nan
        self._calibrate(judged, parts)
        if k > 1:  # the scores of a part's members are not those of all
            scores[:] = np.nan
        elif self.calibration_scores_ is not None:
            scores[parts[0].held] = self.calibration_scores_
        else:
            self._score_some(judged, scores, rng)
        known = scores if times is None else np.repeat(scores, times)
        held = self.calibration_scores_
        self.offset_ = threshold_by(self, known[~np.isnan(known)] if held is None else held)
        return judged, scores

    def _score_some(self, given: Judged, scores: np.ndarray, rng: np.random.Generator) -> None:
        """Score rows that have no score yet, so that as many have one as settle the threshold."""
        left = np.flatnonzero(np.isnan(scores))
        more = left[drawn(len(left), max(SCORED - (len(scores) - len(left)), 0), rng)]
        if len(more):
            scores[more] = self._scores(given.only(more))

    @property
    def _most(self) -> int:
        """How many rows members are trained on at most."""
        return MOST_ROWS if isinstance(self.max_samples, str) else int(self.max_samples)

    @property
    def _rate(self) -> float | None:
        """The false-positive rate that held-out rows settle; None where training scores do."""
        return rate_of(self)

    def _trained(
        self, learnt: list[Tamed], schema: Schema | None, rng: np.random.Generator
    ) -> list[list[Fitted]]:
        """Return the trained models of each part."""
        mixed = schema is not None
        self.template_ = template = self._template(learnt[0].rows, mixed)
        slots = resolve_slots(template, mixed=mixed)
        if mixed and slots.architecture.needs_input:
            raise ValueError(
                "A detector of a table of mixed types compares rows by their codes alone, which an "
                "architecture with residual=True or skips=True cannot decode: use neither."
            )
        seeds = rng.integers(2**32, size=self.n_estimators)
        weights_of_columns(template.column_weights, schema)  # before any work
        courses: list[list[Course]] = []
        with closing(Progress("detector", self.verbose)) as count:
            for k, (train, _) in enumerate(learnt):
                mine = seeds[k :: len(learnt)]
                given = Rows(train, np.ones(len(train)), self.sample_shape_, schema)
                begun = begin_courses(given)
                courses.append(
                    [begun.begin(template, slots, draw_seed(int(seed))) for seed in mine]
                )
            advance_training(list(chain(*courses)), 1.0, count)
        for course in chain(*courses):
            if course.error is not None:
                raise course.error
        return [[course.fitted() for course in mine] for mine in courses]

    def _template(self, train: np.ndarray, mixed: bool) -> Autoencoder:
        """Return what all members have in common."""
        given = self.autoencoder
        if isinstance(given, Mapping | None):
            clean = self.contamination == "none"
            usual = default_autoencoder(train, mixed=mixed, clean=clean)
            given = usual.set_params(**(given or {}))
        template: Autoencoder = clone(given).set_params(verbose=0, warm_start=False)
        check_parameters(template)
        return template

    def _of_group(self, X: ArrayLike) -> Autoencoder:
        """Return what the autoencoders of groups are."""
        given = self.autoencoder
        if not isinstance(given, Mapping | None):
            return clone(given)
        width = math.prod(np.shape(as_images(X))[1:])
        return Autoencoder(**group_settings(width)).set_params(**(given or {}))

    def _compared(
        self,
        fits: list[Fitted],
        learnt: Tamed,
        numbers: np.ndarray,
        rng: np.random.Generator,
        scores: np.ndarray,
    ) -> list[Member]:
        """Return members with reference rows from those trained on, or from their better half.

        What comes out of it by the way are the scores of these rows, by their numbers.
        """
        models, clean = tuple(fitted.model for fitted in fits), self.contamination == "none"
        if models[0].schema is not None:
            return with_references(fits, learnt.rows, rng, clean=clean, number=self.n_references)
        panel, strange = settled(models, learnt.rows, rng, clean=clean, number=self.n_references)
        scores[numbers] = np.where(learnt.changed, np.nan, -strange)
        return [
            Member(model, panel.references, fitted.history, panel.constants, panel)
            for model, fitted in zip(models, fits, strict=True)
        ]

    def _calibrate(self, given: Judged, parts: list[Division]) -> None:
        """Score the rows held out, each by the members that were not trained on it."""
        self.calibration_scores_ = self.calibration_folds_ = None
        if self._rate is not None:
            scores = [
                self._scores(given.only(part.held), self.members_[k :: len(parts)])
                for k, part in enumerate(parts)
            ]
            self.calibration_scores_ = np.concatenate(scores)
        if len(parts) > 1:
            sizes = [len(part.held) for part in parts]
            self.calibration_folds_ = np.repeat(np.arange(len(parts)), sizes)

    # -- use -------------------------------------------------------------------------------------

    def transform(self, X: ArrayLike, groups: ArrayLike | None = None) -> np.ndarray:
        """Return the codes of the first member, which all groups share; (n, n_components)."""
        rows = self._judged(X, groups).rows
        return self.members_[0].model.encode(rows)

    def fit_transform(
        self, X: ArrayLike, y: object = None, groups: ArrayLike | None = None
    ) -> np.ndarray:
        """Fit, and return the codes of the same rows."""
        return self.fit(X, y, groups).transform(X, groups)

    def explain(self, X: ArrayLike, groups: ArrayLike | None = None) -> Explanation:
        """Return what each column adds to a row's strangeness, what was seen and what was expected.

        The contributions of a row add up to minus its score. What is expected is the nearest
        reference row, and draws are averaged. Of a table of
        mixed types it is what the members make of the row, in words, and missing cells add nothing.

        Parameters
        ----------
        X : array-like (n, d), DataFrame, or images
            The rows.

        Returns
        -------
        Explanation
            `columns` and, in arrays (n, d), `contribution` and, in the data's units or in words,
            `observed` and `expected`; `frame(top=3)` makes a table of them, `reasons(top=3)` phrases.

        Raises
        ------
        ValueError
            Where the loss is no sum over columns.
        """
        given, first = self._judged(X, groups), self.members_[0].model
        rows = given.rows
        with first.computing():
            first.slots.check_by_column()
        contribution, expected = self._by_column(given)
        observed = np.array(rows, float)
        if isinstance(rows, TableRows):
            observed = cell_words(rows.schema, rows.frame)
            expected = expected_words(first, expected)
        return Explanation(column_names(self), contribution, observed, expected)

    def save(self, path: str | Path) -> None:
        """Write the detector to one safe file, whole or not at all; `isthmus.load` reads it."""
        check_is_fitted(self)
        write_model_file(path, *pack_detector(self))

    def member_autoencoder(self, number: int = 0) -> Autoencoder:
        """Return a member as an autoencoder of its own, which knows the columns of this detector."""
        check_is_fitted(self)
        member = self.members_[number]
        return single(self.template_, Fitted(member.model, member.history), self)

    def export(self, path: str | Path, part: str = "score", *, opset: int = OPSET) -> None:
        """Write `score_samples` to an ONNX file, which is checked against it before it is kept.

        Where scores decide, the file's second output `is_outlier` says what `predict` does, by an input
        `threshold` that may be left out: it is `offset_` then.

        Parameters
        ----------
        path : path
            The file, written whole or not at all.
        part : "score"
            What the graph computes of rows in the data's units; the threshold is in the metadata, too.
            Of a table of mixed types each column is an input of its own name and type.
        opset : int
            The version of ONNX's operators, from 13 to 20: lower ones are for older programs.

        Raises
        ------
        ImportError
            Without the packages of `pip install onnx onnxruntime`.
        ValueError
            Where a part of a member has no ONNX form, or the file does not compute the same.
        """
        check_is_fitted(self)
        if self.fleet_ is not None:
            raise ValueError(not_exported(self.fleet_.fleet.n_groups))
        if part != "score":
            raise ValueError(f"Of a detector the part 'score' can be exported; got {part!r}.")
        names = getattr(self, "feature_names_in_", None)
        decides = not self.by_pvalues
        export_members(self.members_, path, self.offset_, names, opset, decides=decides)

    def recalibrate(
        self, X: ArrayLike, *, rows: str = "normal", groups: ArrayLike | None = None
    ) -> Self:
        """Settle threshold and p-values anew by recent rows; models and explanations stay as they are.

        The rule is the detector's own: a rate is a quantile of the scores of these rows, of which
        p-values are ranks among them from then on; a share of outliers is found among these rows; with
        `contamination="auto"` their scores tell the limit. Parameters of the rule can be set before.
        A calibration that was crossed becomes a split one: no member was trained on these rows, so all
        score them, and `P(p <= a) <= a` holds for rows drawn as these were.

        Parameters
        ----------
        X : array-like (n, d), DataFrame, or images
            Rows that were not trained on, drawn as those to come: at least 1/a - 1 for a rate a; for a
            share s at least 1/s, and 20, as for "auto".
        rows : {"normal", "any"}
            What the rows are. "normal" says that they are clean: p-values compare with them, and a
            share of outliers becomes the share of normal rows that are called so. With "any" outliers
            may be among them, as in training; then there are no p-values, and no rate of normal rows.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Where the rows are too few, or "any" and the detector bounds a rate of normal rows.
        """
        given = self._judged(X, groups)
        check_recent(self, rows)
        check_enough(self, len(given.rows))
        recalibrate_by(self, self._scores(given), rows)
        return self

    def _judged(self, X: ArrayLike, groups: ArrayLike | None) -> Judged:
        check_is_fitted(self)
        rows = validate_rows(self, X, reset=False)
        if groups is None and self.fleet_ is None:
            return Judged(rows)
        fleet = known_fleet(self, self.fleet_, groups).fleet
        return Judged(rows, fleet.find(groups, len(rows)))

    def _scores(self, given: Judged, members: Sequence[Member] | None = None) -> np.ndarray:
        """Return the scores of rows by these members, or by all, and by their groups."""
        if isinstance(given.rows, BlockRows):
            parts = (Judged(part) for _, part in blocks_in_turn(given.rows))
            return np.concatenate([self._scores(part) for part in parts])
        members = self.members_ if members is None else members
        if self.fleet_ is None or given.places is None:
            return -strangeness(members, given.rows)
        return -self.fleet_.strangeness(members, given.rows, given.places)

    def _by_column(self, given: Judged) -> tuple[np.ndarray, np.ndarray]:
        rows = np.asarray(given.rows)
        if self.fleet_ is None or given.places is None:
            return strangeness_by_column(self.members_, rows)
        return self.fleet_.by_column(self.members_, rows, given.places)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        given = self.autoencoder or {}
        dtype = given.get("dtype", "float32") if isinstance(given, Mapping) else given.dtype
        tags.transformer_tags.preserves_dtype = [dtype]
        tags.input_tags.allow_nan = not getattr(given, "is_spatial", False)
        tags.input_tags.sparse = True  # filled up with zeros
        return tags

    @property
    def schema_(self) -> Schema | None:
        """What each column of a table of mixed types is taken for, and why; None for plain numbers."""
        members = getattr(self, "members_", None)
        return members[0].model.schema if members else None

    @property
    def _n_features_out(self) -> int:
        return self.members_[0].model.n_components

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Return the names of the codes."""
        check_is_fitted(self)
        return np.array([f"code{i}" for i in range(self._n_features_out)], object)


def default_autoencoder(
    train: np.ndarray, *, mixed: bool = False, clean: bool = False
) -> Autoencoder:
    """Return the autoencoder of a detector that was given none, for these rows."""
    return Autoencoder(**default_settings(train, mixed=mixed, clean=clean))
