"""`Autoencoder`: the scikit-learn face of the equation."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.autoencoder.advice import warn_of_results
from isthmus.autoencoder.answers import answer, with_probabilities
from isthmus.autoencoder.explanation import Explanation, explained
from isthmus.autoencoder.groups import (
    check_groups,
    errors_beside,
    fit_groups,
    in_groups,
    of_group,
    rows_in_memory,
    warn_of_pooled_start,
)
from isthmus.autoencoder.imputation import imputed
from isthmus.autoencoder.listener import Listener
from isthmus.autoencoder.network import check_same_layers, transferred_net, warn_of_wide_net
from isthmus.autoencoder.noisy import check_alone
from isthmus.autoencoder.parameters import check_parameters
from isthmus.autoencoder.partial_fit import fit_partially
from isthmus.autoencoder.rows import Rows, hides_cells
from isthmus.autoencoder.run import Origin, begin_run, fingerprint, gaps_of_another, settings_mark
from isthmus.autoencoder.sources import is_far, is_fresh
from isthmus.autoencoder.stored import Stored
from isthmus.autoencoder.table_rows import (
    TableRows,
    rows_to_learn_from,
    weights_of_columns,
)
from isthmus.autoencoder.validation import (
    check_counted,
    column_names,
    layer_number,
    validate_codes,
    validate_rows,
    validate_weights,
)
from isthmus.io import FileError
from isthmus.model import (
    evaluated,
    explained_share,
    resolve_slots,
    summary_text,
    task_score,
)
from isthmus.training import (
    DivergenceError,
    computing,
    draw_seed,
    release_programs,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from sklearn.utils import Tags

    from isthmus.autoencoder.run import Run
    from isthmus.fleet import InGroups
    from isthmus.model import (
        Fitted,
        Model,
        Slots,
    )
    from isthmus.nets import Net
    from isthmus.schema import Schema
    from isthmus.training import (
        Hook,
        UnfinishedFit,
    )


class Autoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Stored):
    """An autoencoder: architecture + constraints + loss, each a slot of one equation.

    For a scaled row x::

        x~ = corrupt(x)      h = E(x~)      z = code(h)      x' = D(z)
        L  = mean_i w_i loss(x'_i, x_i) + sparsity.penalty(z) + sum_j penalty_j

    A slot takes a name (`"kl"`), a spec string (`"kl:rho=0.05"`), a dict (`{"name": "kl", "rho":
    0.05}`), a part (`KL(rho=0.05)`), a plain function where the slot is one, and for `corruption`
    and `penalty` a tuple of these.

    Parameters
    ----------
    n_components : int, optional
        The width of the code z. None leaves it to the architecture: 2, or as many units as the maps
        of a convolutional code have.
    architecture : spec
        E and D; see `isthmus.architectures`. "auto" is "dense", and "dense:hidden=[64]" for tables of
        mixed types.
    corruption : spec or tuple of specs, optional
        Noise on the scaled input, in training only; see `isthmus.corruptions`. A function is
        called as `function(key, x)`. "auto" is "swap" for tables of mixed types, else none.
    sparsity : spec, optional
        Which code units may be active; see `isthmus.sparsity`.
    penalty : spec or tuple of specs, optional
        What else is charged for; see `isthmus.penalties`. A function is called as
        `function(step)`.
    loss : spec
        How far a reconstruction is from its input; see `isthmus.losses`. A function is called as
        `function(x_out, x)` and returns one value per row.
    scaling : {"auto", "standard", "asinh", "minmax", "robust", "range", "anscombe"}, None or \
            transformer
        "auto" is none for losses on raw data (BCE, Poisson), "range" (one map to [0, 1] for all
        columns) for images and bytes, "asinh" for tables of mixed types, "minmax" where the output is
        bounded, else "standard". "asinh" is "standard" but for columns with heavy tails, whose values
        become asinh of their distance from the median first. "anscombe" is "range" of the roots
        `2 sqrt(x + 3/8)` of counts, whose noise then has one strength.
        "standard" and "robust" keep the two values of a rare flag within ten units, and the unit of a
        column that was constant is a tenth of its size.
    columns : dict or Schema, optional
        What columns of a table are, by name, where the data do not tell: "number", "category",
        "boolean", "date", "time", "duration", or "ignore" to leave one out. The `schema_` of another
        model is taken as it is, with its levels and ranges.
    column_weights : dict, optional
        What columns of a table of mixed types count in the loss, by name; 1 by default.
    pretrain : None, "layerwise" or int
        Whether each layer first learns to code the one below, under the same constraints where its
        activation can carry them, before the whole is trained: "layerwise" shares out `max_epochs`
        among the layers, a number is the epochs for each.
    freeze : None, "encoder", "decoder" or int
        What training does not move: a side, or the encoder's first layers. For fine-tuning with
        `warm_start` or `fit(init=)`.
    max_epochs : "auto" or int
        "auto" is about 2,000 steps, between 20 and 1,000 epochs; 500 steps below 100 rows.
    batch_size : "auto" or int
        "auto" is 128, from 20,000 rows on 256; never more than there are rows.
    learning_rate : float
        Adam's rate after a warm-up of 5 % of the steps; it then falls to 0 as a cosine.
    early_stopping : "auto" or bool
        Whether rows are held out, the best weights on them are kept, and training stops when they
        no longer improve. "auto" is from 100 rows on.
    validation_fraction : float
        The share of rows held out, at least 20 rows.
    n_iter_no_change : int
        How many evaluations, of at least 50 steps each, may pass without improvement.
    tol : float
        The relative improvement that counts as one.
    dtype : "float32" or "float64"
        The precision.
    device : None, str or jax.Device
        None is JAX's default; "cpu", "gpu", "cuda:1".
    warm_start : bool
        Whether `fit` starts from the weights of the last one. An interrupted fit on the same rows
        goes on exactly where it stopped.
    random_state : None, int, RandomState or Generator
        The seed of everything random; the same seed gives the same weights to the bit.
    verbose : int
        0 is silent, 1 shows progress on the standard error.

    Attributes
    ----------
    net_ : Net
        Layers and weights.
    history_ : dict of lists
        By epoch: "phase", "epoch", "loss", each of its terms by name, "validation_loss" (NaN where
        it was not measured), "learning_rate" and "seconds".
    baseline_ : dict
        Errors of the model, the mean predictor and PCA of the same width, on the rows named by
        "rows": "model", "mean", "pca" in the units of the loss, and "model_raw", "mean_raw",
        "pca_raw" as squared error per value in the data's units; "nats" for likelihoods.
    mean_activation_ : ndarray (n_components,)
        Mean code over the whole training set, in [0, 1] where the activation is bounded.
    n_iter_, n_parameters_, n_features_in_ : int
        Epochs trained, weights, columns.
    feature_names_in_ : ndarray of str
        The columns' names, for DataFrames.
    schema_ : Schema or None
        Of a table of mixed types what each column is taken for, and why; None for plain numbers.

    Raises
    ------
    ValueError, TypeError
        By `fit`, for parameters or data out of range; one sentence with the value and what to do.
    DivergenceError
        By `fit`, when the loss is no longer finite; the last good weights are kept.

    References
    ----------
    Galeone, "Introduction to Autoencoders", 2016.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from isthmus import Autoencoder
    >>> X = load_iris().data
    >>> ae = Autoencoder(2, "dense:hidden=[16]", random_state=0).fit(X)
    >>> ae.transform(X).shape
    (150, 2)
    >>> bool(ae.baseline_["model"] < ae.baseline_["mean"])
    True
    """

    # -- training --------------------------------------------------------------------------------

    def fit(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        *,
        init: Autoencoder | None = None,
        on_epoch: Hook | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train on rows.

        Parameters
        ----------
        X : array-like (n, d), DataFrame, images (n, h, w[, c]), or a source larger than memory
            The rows, or where they lie: the path of a `.npy`, Parquet or Arrow file or a folder of
            such, a mapped array, a LazyFrame, a Dataset of Arrow. Of more values than 2**26 rows are
            read, and shuffled, window by window.
        y : ignored
        sample_weight : array-like (n,), optional
            What each row counts in training, validation, scaling and baselines.
        init : Autoencoder, optional
            A fitted model with the same layers, to start from its weights; the scaling is this
            model's own.
        on_epoch : callable, optional
            Called with each row of the history; training stops when it returns True. The model
            can be used and saved meanwhile.
        groups : array-like (n,), optional
            What each row is of, such as a customer or a machine: texts, whole numbers or dates. Each
            group of 32 rows or more gets a model of its own, as a fit on its rows alone would make it
            (about 500 steps with "auto", no early stopping), and the pooled model, of up to 32,768
            rows of all, answers for the others. Methods then need the groups of rows, too.

        Returns
        -------
        self

        Notes
        -----
        Callbacks of scikit-learn (`set_callbacks`, from 1.9 on), such as its ProgressBar, hear of each
        epoch as a task, and may end the training. Epochs of about a quarter of a second are trained
        together, and told of one after the other.
        """
        check_parameters(self)
        warn_of_pooled_start(self, init)
        self.fleet_ = None
        if groups is not None:
            X = rows_in_memory(X)
            check_groups(self, X, init)
            self.fleet_ = fit_groups(self, X, sample_weight, groups, on_epoch)
            return self
        before = self.fitted_ if self.warm_start and hasattr(self, "fitted_") else None
        source = _fitted_of(init) if before is None or init is not None else before
        anew = before is None or init is not None
        rows = self._given(X, sample_weight, source, reset=anew, minimum=2)
        release_programs()
        with computing(self.dtype, self.device):
            slots = resolve_slots(self, mixed=rows.schema is not None)
            slots.check_functions(rows.X.shape[1])
            before = before if init is None else None
            origin, last = self._origin(rows, slots, before, init)
            fresh = before is None and init is None
            starting = None if fresh else partial(_starting_net, before, init)
            kept = None if source is None else source.model.net
            run = begin_run(self, slots, rows, origin, starting=starting, kept=kept)
            warn_of_wide_net(run.at.net, slots, stacklevel=3)
            weights = None if sample_weight is None else {"sample_weight": sample_weight}
            given = {"X": X, "y": y, "metadata": weights}
            with self._telling_callbacks(run.most_epochs, given, on_epoch) as heard:
                self._train(run, last, heard)
            if hides_cells(rows, slots) and run.lacks_hidden_cells:
                gaps = gaps_of_another(self, slots, rows, origin)
                self.fitted_ = replace(self.fitted_, gaps=gaps)
        return self

    def _given(
        self,
        X: ArrayLike,
        sample_weight: ArrayLike | None,
        source: Fitted | None,
        *,
        reset: bool,
        minimum: int,
        whole: bool = False,
    ) -> Rows:
        """Return the rows that count, checked, and their weights.

        The weights of another model mean the levels that it knows, so rows are read by its schema.
        """
        schema = None if source is None else source.model.schema
        found = validate_rows(self, X, reset=reset, minimum=minimum, schema=schema)
        schema = found.schema if isinstance(found, TableRows) else None
        of_columns = weights_of_columns(self.column_weights, schema)
        if not whole and is_far(found):
            return self._many_given(found, sample_weight, schema, of_columns)
        flat = found.encoded() if isinstance(found, TableRows) else np.asarray(found)
        weight = validate_weights(sample_weight, flat)
        check_counted(weight, minimum)
        counts = weight > 0
        if schema is not None:
            counts &= rows_to_learn_from(flat)
        flat = flat if counts.all() else flat[counts]
        return Rows(flat, weight[counts], self.sample_shape_, schema, of_columns)

    def _many_given(
        self,
        found: Any,
        sample_weight: ArrayLike | None,
        schema: Schema | None,
        of_columns: np.ndarray | None,
    ) -> Rows:
        """Return rows of more than a window, in memory or on disk, which are never held whole."""
        X: Any = found.unjudged() if isinstance(found, TableRows) else found
        if sample_weight is None:
            weight = np.broadcast_to(1.0, len(X))
        elif is_fresh(X):
            raise ValueError(
                "sample_weight is not for patches, which are others in each epoch: leave it out."
            )
        else:
            weight = validate_weights(sample_weight, X)
        return Rows(X, weight, self.sample_shape_, schema, of_columns)

    def _origin(
        self, rows: Rows, slots: Slots, before: Fitted | None, init: object
    ) -> tuple[Origin, UnfinishedFit | None]:
        """Return the seed and the mark of a run, and where an interrupted one stood on these rows.

        Rows held out once stay so in a warm start without a seed of its own.
        """
        mark = fingerprint(rows.X, rows.weight)
        if before is not None:
            last, ours = before.unfinished, (mark, settings_mark(self))
            alike = last is not None and (last.fingerprint, last.settings) == ours
            if last is not None and alike and before.model.slots.unbound() == slots:
                return Origin(last.seed, mark, last.fresh), last
            if self.random_state is None and before.seen is not None and before.seen[0] == mark:
                return Origin(before.seen[1], mark, fresh=False), None
        fresh = before is None and init is None
        return Origin(draw_seed(self.random_state), mark, fresh), None

    def _train(self, run: Run, last: UnfinishedFit | None, on_epoch: Hook | None) -> None:
        """Run the phases; an interrupt or a divergence leaves a model to use and to resume."""
        try:
            for trainer in run.phases(last):
                with closing(Listener(run, self._adopt, on_epoch, self.verbose)) as listener:
                    trainer.run(listener.hook)
                    listener.finish()
                self._adopt(run)
        except (KeyboardInterrupt, DivergenceError, FileError, OSError):
            if run.begun:
                self.fitted_ = evaluated(run.fitted(), run.rows)
            raise
        self.fitted_ = replace(evaluated(run.fitted(), run.rows), unfinished=None)
        warn_of_results(self.fitted_)

    def _adopt(self, run: Run) -> None:
        """Take over the state of a run: its best weights, its history and where it stands."""
        self.fitted_ = run.fitted()

    def partial_fit(
        self, X: ArrayLike, y: object = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch over these rows, at a constant rate after the first 50 steps.

        The first call fits the scaling and then leaves it; no rows are held out, and layers are not
        pretrained. After `fit` it goes on from the fitted weights. Later rows may lie outside the
        range of the first ones: an output of "auto" is linear here where `fit` would bound it.

        Parameters
        ----------
        X : array-like (n, d)
            The rows.
        y : ignored
        sample_weight : array-like (n,), optional
            What each row counts.

        Returns
        -------
        self
        """
        check_parameters(self)
        if self.fleet_ is not None:
            raise ValueError(
                "Models of groups cannot learn more rows by partial_fit: fit them anew."
            )
        before = self.fitted_ if hasattr(self, "fitted_") else None
        rows = self._given(X, sample_weight, None, reset=before is None, minimum=1, whole=True)
        with computing(self.dtype, self.device):
            seed = draw_seed(self.random_state)
            slots = resolve_slots(self, mixed=rows.schema is not None)
            slots.check_functions(rows.X.shape[1])
            self.fitted_ = fit_partially(self, slots, rows, seed, before)
        return self

    # -- use -------------------------------------------------------------------------------------

    # Methods take the group of each row, as `groups`, where `fit` was given groups.

    def fit_transform(self, X: ArrayLike, y: object = None, **fit_params: Any) -> np.ndarray:
        """Fit, and return the codes of the same rows."""
        return self.fit(X, y, **fit_params).transform(X, groups=fit_params.get("groups"))

    def transform(self, X: ArrayLike, groups: ArrayLike | None = None) -> np.ndarray:
        """Encode rows: the codes z, shape (n, n_components)."""
        rows = self._unjudged(X)
        return self._model(groups, len(rows)).encode(rows)

    def encode(
        self, X: ArrayLike, layer: int | None = None, *, groups: ArrayLike | None = None
    ) -> np.ndarray:
        """Encode rows up to a layer.

        Parameters
        ----------
        X : array-like (n, d)
            The rows.
        layer : int, optional
            From 1, the first hidden layer, to the number of layers; the code by default. A
            negative number counts from the code, -1.
        groups : array-like (n,), optional
            The group of each row, where `fit` was given groups.

        Returns
        -------
        ndarray (n, width of the layer)
        """
        rows, depth = self._unjudged(X), len(self.net_.encoder)
        up_to = depth if layer is None else layer_number(layer, depth)
        return self._model(groups, len(rows)).encode(rows, None if up_to == depth else up_to)

    def encode_maps(
        self, X: ArrayLike, layer: int | None = None, *, groups: ArrayLike | None = None
    ) -> np.ndarray:
        """Encode rows up to a convolutional layer, and return its feature maps.

        Parameters
        ----------
        X : array-like (n, d) or images (n, h, w[, c])
            The rows.
        layer : int, optional
            As in `encode`; the last convolutional layer by default.
        groups : array-like (n,), optional
            The group of each row, where `fit` was given groups.

        Returns
        -------
        ndarray (n, height, width, maps), or (n, length, channels) for signals
        """
        check_is_fitted(self)
        shapes = [layer.shapes[1] for layer in self.net_.encoder]
        maps = [i + 1 for i, shape in enumerate(shapes) if len(shape) > 1]
        last = max(maps, default=0)
        chosen = last if layer is None else layer_number(layer, len(shapes))
        if chosen not in maps:
            known = ", ".join(map(str, maps)) or "none"
            raise ValueError(
                f"Only convolutional layers have maps; of this model's layers: {known}."
            )
        return self.encode(X, chosen, groups=groups).reshape(-1, *shapes[chosen - 1])

    def inverse_transform(self, X: ArrayLike, groups: ArrayLike | None = None) -> Any:
        """Decode codes, (n, n_components), to rows in the data's units, (n, d) or (n, h, w[, c]).

        Codes in a frame give a frame. Of a table of mixed types it has the used columns and their
        types; it is one of polars for an array of codes.
        """
        check_is_fitted(self)
        codes = validate_codes(X, self.net_.n_components, self.fitted_.model.dtype)
        model = self._model(groups, len(codes))
        model.check_decoder()
        return answer(model, model.decode(codes), X, self._names())

    def decode(self, Z: ArrayLike, groups: ArrayLike | None = None) -> Any:
        """Decode codes, as `inverse_transform` does."""
        return self.inverse_transform(Z, groups)

    @overload
    def reconstruct(self, X: np.ndarray, *, groups: ArrayLike | None = None) -> np.ndarray: ...

    @overload
    def reconstruct(
        self, X: Any, *, proba: bool = False, groups: ArrayLike | None = None
    ) -> Any: ...

    def reconstruct(self, X: Any, *, proba: bool = False, groups: ArrayLike | None = None) -> Any:
        """Encode and decode rows, which denoises them, in the data's units and shape.

        Arrays give arrays of floats (`isthmus.images.to_pixels` makes bytes of them). A frame gives
        one of the same library, index and columns; of a table of mixed types with the types of its
        used columns, and the most probable levels.

        Parameters
        ----------
        X : array-like (n, d), DataFrame, or images (n, h, w[, c])
            The rows.
        proba : bool
            Whether to return a dict as well, which has for each category and each boolean, by the
            column's name, a frame with the probabilities of its levels: a column for each, named by
            its text, and "other" for those that are rarer or were not seen.
        groups : array-like (n,), optional
            The group of each row, where `fit` was given groups.
        """
        rows = self._unjudged(X)
        model = self._model(groups, len(rows))
        if proba:
            return with_probabilities(model, rows, X, self._names())
        like = rows.frame if isinstance(rows, TableRows) else X
        return answer(model, model.reconstruct(rows), like, self._names())

    def impute(self, X: Any, *, return_interval: float | None = None) -> Any:
        """Fill the missing cells of a table; all others stay as they are, to the bit.

        An estimate goes a share of the way from the column's best constant answer (the mean, or the
        levels' frequencies) to the model's, as far as that helped on cells hidden from rows held out
        in `fit`; a column that the others say nothing of gets its mean or its mode. Where it helped
        there, estimates are fed back to the model for some rounds. Columns that are left out of the
        model keep their gaps.

        Parameters
        ----------
        X : DataFrame of pandas or polars, Arrow table or array (n, d)
            The rows, of which some cells are missing.
        return_interval : float in (0, 1), optional
            The probability with which an interval is to hold the true cell.

        Returns
        -------
        DataFrame, Table or ndarray
            The filled table, of the library, index and types of X; a column whose type cannot hold
            what was filled in has the type that it was fitted with.
        dict, with return_interval
            By the name of each column with missing cells a frame with a line for each of them: "row",
            from 0, and "low" and "high" of numbers, dates, times and durations; of categories and
            booleans "levels", a list, the likeliest first.

        Raises
        ------
        ValueError
            For a model of plain numbers, and for intervals without rows held out in `fit`.

        Notes
        -----
        Intervals are split conformal: over the draw of the rows held out and of new ones, one column's
        hold its true cell with at least the probability asked for, where rows are drawn alike, cells
        are missing at random, and others beside them as often as in the rows trained on. It holds up
        to what early stopping and the shares take from the same held-out rows, and for cells in the
        range seen in `fit`. For columns with fewer hidden cells than the probability needs, 9 for 0.9,
        an interval is the whole range.
        """
        rows = validate_rows(self, X, reset=False, minimum=0) if self.schema_ is not None else X
        return imputed(self._model(), self.fitted_, rows, return_interval)

    def explain(self, X: ArrayLike, groups: ArrayLike | None = None) -> Explanation:
        """Return what each column adds to a row's loss, what was seen there and what was expected.

        The contributions of a row add up to minus its score; missing cells have none.

        Parameters
        ----------
        X : array-like (n, d), DataFrame, or images
            The rows.
        groups : array-like (n,), optional
            The group of each row, where `fit` was given groups.

        Returns
        -------
        Explanation
            `columns` and, in arrays (n, columns), `contribution`, `observed` and `expected`: numbers
            in the data's units, and of a table of mixed types words. `frame(top=3)` makes a table of
            them, `reasons(top=3)` phrases.

        Raises
        ------
        ValueError
            Where the loss is no sum over columns.
        """
        rows = self._rows(X)
        return explained(self._model(groups, len(rows)), rows, column_names(self))

    def score_samples(self, X: ArrayLike, groups: ArrayLike | None = None) -> np.ndarray:
        """Return minus the loss of each row, in scaled units: the higher, the more normal.

        The loss counts from what a perfect copy of the row costs, which is 0 for distances.
        """
        rows = self._rows(X)
        return _scores(self._model(groups, len(rows)), rows)

    def score(
        self,
        X: ArrayLike,
        y: object = None,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> float:
        """Return `1 - error / error of the training mean` on rows: 1 is perfect, 0 is no better.

        Both errors are counted from the least that the loss can be on these rows, which is 0 for
        distances. Comparable across losses, and what a grid search maximises. A model that learnt from
        noisy rows, by "blindspot", is asked for values that it does not see, and a residual one that
        was trained with a corruption sees corrupted rows: both could copy clean ones.
        """
        rows = self._rows(X)
        weight = validate_weights(sample_weight, rows)
        model = self._model(groups, len(rows))
        if self.fitted_.model.objective.by_task(self.fitted_.model.net):
            return task_score(check_alone(self, model, rows), rows, weight)
        mean, least = errors_beside(self, rows, groups)
        errors = (np.average(e - least, weights=weight) for e in (-_scores(model, rows), mean))
        return explained_share(*errors)

    def summary(self) -> str:
        """Return layers, parameters, final terms and baselines as text."""
        check_is_fitted(self)
        return summary_text(self.fitted_)

    def _rows(self, X: ArrayLike) -> Any:
        check_is_fitted(self)
        return validate_rows(self, X, reset=False)

    def _names(self) -> Sequence[str] | None:
        """Return the names of the columns, where a frame was fitted on."""
        return getattr(self, "feature_names_in_", None)

    def _unjudged(self, X: ArrayLike) -> Any:
        """Return rows of which there may be some without any cell, if they are of a table."""
        rows = self._rows(X)
        return rows.unjudged() if isinstance(rows, TableRows) else rows

    @overload
    def _model(self) -> Model: ...

    @overload
    def _model(self, groups: object, n: int) -> Model | InGroups: ...

    def _model(self, groups: object = None, n: int = 0) -> Model | InGroups:
        """Return what rows go through, on the device that the parameters name now."""
        check_is_fitted(self)
        if groups is None and self.fleet_ is None:
            return self.fitted_.model.on(self.device)
        return in_groups(self, groups, n)

    def of_group(self, group: object) -> Autoencoder:
        """Return the model of one group as an autoencoder of its own: to export or report it."""
        check_is_fitted(self)
        return of_group(self, group)

    # -- scikit-learn ----------------------------------------------------------------------------

    @property
    def _n_features_out(self) -> int:
        return self.net_.n_components

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = [self.dtype]
        tags.input_tags.allow_nan = not self.is_spatial
        tags.input_tags.sparse = True  # filled up with zeros
        return tags


def _scores(model: Model | InGroups, rows: np.ndarray) -> np.ndarray:
    return np.negative(model.losses(rows), dtype=float)


def _starting_net(before: Fitted | None, init: Autoencoder | None, fresh: Net) -> Net:
    """Return the net of the fit before, or one with the weights of another model."""
    if before is not None:
        before.model.check_decoder()
        check_same_layers(before.model.net, fresh)
        return before.model.net
    fitted = _fitted_of(init)
    if fitted is None:
        raise ValueError(f"The init must be a fitted Autoencoder; got {init!r}.")
    fitted.model.check_decoder()
    return transferred_net(fitted.model.net, fresh)


def _fitted_of(init: object) -> Fitted | None:
    """Return what a fit left of another model to start from, if it is one."""
    return getattr(init, "fitted_", None) if isinstance(init, Autoencoder) else None
