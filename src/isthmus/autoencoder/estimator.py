"""`Autoencoder`: the scikit-learn face of the equation."""

from collections.abc import Callable
from contextlib import closing
from typing import Any, Self

import jax
import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from isthmus.autoencoder.network import build_net, check_same_layers, transferred_net
from isthmus.autoencoder.partial_fit import Carried, train_one_epoch
from isthmus.autoencoder.rows import Prepared, check_scaled, prepare_rows
from isthmus.autoencoder.run import Run, Training, fingerprint, settle_seed, unfinished_training
from isthmus.autoencoder.stored import Stored
from isthmus.autoencoder.validation import (
    check_domain,
    check_parameters,
    layer_number,
    validate_codes,
    validate_rows,
    validate_weights,
)
from isthmus.model.baselines import warn_of_identity
from isthmus.model.evaluation import (
    evaluate_run,
    explained_share,
    reference_errors,
    summary_text,
    warn_of_results,
)
from isthmus.model.scaling import Scaler
from isthmus.model.slots import Slots, bound_objective, check_functions, resolve_slots
from isthmus.nets.net import Net
from isthmus.training.progress import Hook, Listener
from isthmus.training.runtime import computing, draw_seed, release_programs
from isthmus.training.trainer import DivergenceError, Row, map_batches, traced


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
        E and D; see `isthmus.architectures`.
    corruption : spec or tuple of specs, optional
        Noise on the scaled input, in training only; see `isthmus.corruptions`. A function is
        called as `function(key, x)`.
    sparsity : spec, optional
        Which code units may be active; see `isthmus.sparsity`.
    penalty : spec or tuple of specs, optional
        What else is charged for; see `isthmus.penalties`. A function is called as
        `function(step)`.
    loss : spec
        How far a reconstruction is from its input; see `isthmus.losses`. A function is called as
        `function(x_out, x)` and returns one value per row.
    scaling : {"auto", "standard", "minmax", "robust", "range"}, None or transformer
        "auto" is none for losses on raw data (BCE, Poisson), "range" (one map to [0, 1] for all
        columns) for images and bytes, "minmax" where the output is bounded, else "standard".
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

    net_: Net
    slots_: Slots
    scaler_: Scaler
    sample_shape_: tuple[int, ...] | None
    baseline_: dict[str, Any]
    mean_activation_: np.ndarray
    history_: dict[str, list[Any]]
    _training: Training | None
    _carried: Carried | None
    _mean_row: np.ndarray

    def __init__(
        self,
        n_components: int | None = None,
        architecture: Any = "dense",
        corruption: Any = None,
        sparsity: Any = None,
        penalty: Any = None,
        loss: Any = "mse",
        *,
        scaling: Any = "auto",
        pretrain: str | int | None = None,
        freeze: str | int | None = None,
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float = 3e-3,
        early_stopping: bool | str = "auto",
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        dtype: str = "float32",
        device: Any = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.architecture = architecture
        self.corruption = corruption
        self.sparsity = sparsity
        self.penalty = penalty
        self.loss = loss
        self.scaling = scaling
        self.pretrain = pretrain
        self.freeze = freeze
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.dtype = dtype
        self.device = device
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # -- training --------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        init: Any = None,
        on_epoch: Hook | None = None,
    ) -> Self:
        """Train on rows.

        Parameters
        ----------
        X : array-like (n, d), DataFrame, or images (n, h, w[, c])
            The rows.
        y : ignored
        sample_weight : array-like (n,), optional
            What each row counts in training, validation, scaling and baselines.
        init : Autoencoder, optional
            A fitted model with the same layers, to start from its weights; the scaling is this
            model's own.
        on_epoch : callable, optional
            Called with each row of the history; training stops when it returns True. The model
            can be used and saved meanwhile.

        Returns
        -------
        self
        """
        check_parameters(self)
        known = self.warm_start and hasattr(self, "net_")
        X = validate_rows(self, X, reset=not known, minimum=2)
        weight = validate_weights(sample_weight, X)
        release_programs()
        with computing(self.dtype, self.device):
            rows = X if weight.all() else X[weight > 0]
            run, last = self._begin(rows, weight[weight > 0], known and init is None, init)
            self._train(run, last, on_epoch)
        return self

    def _begin(
        self,
        X: np.ndarray,
        weight: np.ndarray,
        known: bool = False,
        init: Any = None,
        ready: dict[Any, Prepared] | None = None,
    ) -> tuple[Run, Training | None]:
        """Return the run that trains this model, and where an interrupted one stood.

        `ready` keeps prepared rows for models that need the same.
        """
        slots = resolve_slots(self)
        check_functions(slots, X.shape[1])
        mark = fingerprint(X, weight)
        last = unfinished_training(self, slots, mark) if known else None
        seed = last.seed if last else settle_seed(self, mark, known)
        scaling, scaler, scaled, mean = prepare_rows(self, X, weight, slots, seed, ready)
        pretrained = self.pretrain is not None
        net = self._new_net(slots, scaled.x, mean, scaling, seed, pretrained)
        if known:
            check_same_layers(self, net)
            net = self.net_
        elif init is not None:
            net = transferred_net(init, net)
        check_scaled(scaled, net, slots, scaling)
        objective = bound_objective(slots, scaled.x, self.dtype)
        fresh = last.fresh if last else not known and init is None
        run = Run(self, scaled, objective, net, seed, mark, fresh)
        self.slots_, self.scaler_, self.scaling_, self.net_ = slots, scaler, scaling, net
        self.batch_size_, self.max_epochs_ = run.batch_size, run.max_epochs
        self.n_parameters_ = sum(leaf.size for leaf in jax.tree.leaves(net))
        self._mean_row = mean
        self._carried, self._rows_seen = None, (mark, seed)
        for stale in ("baseline_", "mean_activation_", "_code_deviation"):
            self.__dict__.pop(stale, None)
        return run, last

    def _new_net(self, slots: Slots, x: np.ndarray, *rest: Any) -> Net:
        net, n_features = build_net(self, slots, x, *rest), x.shape[1]
        narrowest = min(layer.n_out for layer in net.encoder)
        if narrowest >= n_features and not slots.constrained():
            warn_of_identity(net.n_components, n_features)
        return net

    def _train(self, run: Run, last: Training | None, on_epoch: Hook | None) -> None:
        """Run the phases; an interrupt or a divergence leaves a model to use and to resume."""
        try:
            for trainer in run.phases(last):
                with closing(Listener(self, run, on_epoch)) as listener:
                    trainer.run(listener.hook)
                self._adopt(run)
        except (KeyboardInterrupt, DivergenceError):
            if run.trainer is not None:
                self._adopt(run)
                evaluate_run(self, run)
            raise
        evaluate_run(self, run)
        self._training = None  # finished: nothing is left to resume
        warn_of_results(self)

    def _adopt(self, run: Run) -> None:
        """Take over the state of a run: its best weights, its history and where it stands."""
        self.net_ = run.best_net()
        self._training = run.training()
        self._record(run.history())

    def _record(self, labelled: tuple[tuple[str, Row], ...]) -> None:
        names = dict.fromkeys(name for _, row in labelled for name in row)
        self.history_ = {"phase": [label for label, _ in labelled]}
        for name in names:
            self.history_[name] = [row.get(name, float("nan")) for _, row in labelled]
        self.n_iter_ = len(labelled)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train for one epoch over these rows, at a constant rate after the first 50 steps.

        The first call fits the scaling and then leaves it; no rows are held out, and layers are not
        pretrained. After `fit` it goes on from the fitted weights.

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
        X = validate_rows(self, X, reset=not hasattr(self, "net_"), minimum=1)
        weight = validate_weights(sample_weight, X)
        X, weight = X[weight > 0], weight[weight > 0]
        with computing(self.dtype, self.device):
            seed = draw_seed(self.random_state)
            self._carried = train_one_epoch(self, X, weight, seed)
            self._record(self._carried.rows)
        self._training = None
        self.__dict__.pop("baseline_", None)  # measured on other rows and weights
        return self

    # -- use -------------------------------------------------------------------------------------

    def transform(self, X: Any) -> np.ndarray:
        """Encode rows: the codes z, shape (n, n_components)."""
        return self._map("encode", self._rows(X))

    def encode(self, X: Any, layer: int | None = None) -> np.ndarray:
        """Encode rows up to a layer.

        Parameters
        ----------
        X : array-like (n, d)
            The rows.
        layer : int, optional
            From 1, the first hidden layer, to the number of layers; the code by default. A
            negative number counts from the code, -1.

        Returns
        -------
        ndarray (n, width of the layer)
        """
        X = self._rows(X)
        depth = len(self.net_.encoder)
        up_to = depth if layer is None else layer_number(layer, depth)
        return self._map("encode", X, layer=None if up_to == depth else up_to)

    def encode_maps(self, X: Any, layer: int | None = None) -> np.ndarray:
        """Encode rows up to a convolutional layer, and return its feature maps.

        Parameters
        ----------
        X : array-like (n, d) or images (n, h, w[, c])
            The rows.
        layer : int, optional
            As in `encode`; the last convolutional layer by default.

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
        return self.encode(X, chosen).reshape(-1, *shapes[chosen - 1])

    def inverse_transform(self, Z: Any) -> np.ndarray:
        """Decode codes to rows in the data's units, shape (n, d) or (n, h, w[, c])."""
        check_is_fitted(self)
        self._need_decoder()
        Z = validate_codes(Z, self.net_.n_components)
        return self._original(self._map("decode", Z, prepare=lambda z: z.astype(self.dtype)))

    def reconstruct(self, X: Any) -> np.ndarray:
        """Encode and decode rows, which denoises them; floats in the data's units and shape.

        `isthmus.images.to_pixels` makes bytes of them.
        """
        rows = self._rows(X)
        self._need_decoder()
        return self._original(self._map("reconstruct", rows))

    def score_samples(self, X: Any) -> np.ndarray:
        """Return minus the loss of each row, in scaled units: the higher, the more normal."""
        rows = self._rows(X)
        self._need_decoder()
        if self.scaling_ is None:
            check_domain(rows, self.slots_.loss.domain, self.slots_.loss.name)
        return np.negative(self._map("losses", rows), dtype=float)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return `1 - error / error of the training mean` on rows: 1 is perfect, 0 is no better.

        Both errors are counted from the least that the loss can be on these rows, which is 0 for
        distances. Comparable across losses, and what a grid search maximises.
        """
        model = -self.score_samples(X)
        rows = self._rows(X)
        weight = validate_weights(sample_weight, rows)
        with computing(self.dtype, self.device):
            mean, least = reference_errors(self, rows)
        errors = (np.average(e - least, weights=weight) for e in (model, mean))
        return explained_share(*errors)

    @property
    def seed_(self) -> int | None:
        """The seed that the last `fit` drew from `random_state`; None after `partial_fit` alone."""
        return self._rows_seen[1] if hasattr(self, "_rows_seen") else None

    @property
    def unfinished_epochs(self) -> int | None:
        """How many epochs an interrupted fit has behind it; None where none is left to go on with."""
        last: Training | None = getattr(self, "_training", None)
        return None if last is None else len(last.state.history)

    def summary(self) -> str:
        """Return layers, parameters, final terms and baselines as text."""
        check_is_fitted(self)
        return summary_text(self)

    def _rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return validate_rows(self, X, reset=False)

    def _map(
        self,
        what: str,
        X: np.ndarray,
        prepare: Callable[[np.ndarray], np.ndarray] | None = None,
        layer: int | None = None,
    ) -> np.ndarray:
        def scaled(x: np.ndarray) -> np.ndarray:
            return self.scaler_.forward(x, self.dtype)

        with computing(self.dtype, self.device):
            objective = traced(self.slots_.objective(), self.dtype)
            return map_batches(what, objective, self.net_, X, prepare or scaled, layer)

    def _original(self, x: np.ndarray) -> np.ndarray:
        """Return scaled rows in the data's units and shape."""
        rows = self.scaler_.inverse(x)
        return rows.reshape(-1, *self.sample_shape_) if self.sample_shape_ else rows

    def _need_decoder(self) -> None:
        if not self.net_.decoder:
            raise ValueError("This model was saved as an encoder alone: it can only encode.")

    # -- scikit-learn ----------------------------------------------------------------------------

    @property
    def _n_features_out(self) -> int:
        return self.net_.n_components

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = [self.dtype]
        return tags
