"""The parameters of an autoencoder, in scikit-learn's way."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator

from isthmus.autoencoder.validation import check_one_of, check_real, check_whole
from isthmus.model import AUTO, SLOTS, check_scaling
from isthmus.parts import Part, build
from isthmus.schema import Schema
from isthmus.words import KINDS, none_meant

if TYPE_CHECKING:
    from isthmus.fleet import Fleet
    from isthmus.model import Fitted, Scaling
    from isthmus.training import Device, RandomState

OneSpec: TypeAlias = str | Mapping[str, object] | Part | Callable[..., object] | None
Spec: TypeAlias = (
    OneSpec | Sequence[OneSpec]
)  # of a slot: a name, spec string, dict, part or function


class Parameters(BaseEstimator):
    """The constructor's parameters; slots hold parts, whatever their spelling, with parameters too."""

    fitted_: Fitted  # what a fit leaves
    fleet_: Fleet | None = None  # and the models of groups, if it had any
    n_features_in_: int
    feature_names_in_: np.ndarray
    sample_shape_: tuple[int, ...] | None
    # scikit-learn hands groups that are meant for a splitter to nobody else, unless asked to
    __metadata_request__fit: ClassVar = {"groups": False}
    __metadata_request__transform: ClassVar = {"groups": False}
    __metadata_request__inverse_transform: ClassVar = {"groups": False}
    __metadata_request__score: ClassVar = {"groups": False}

    def __init__(
        self,
        n_components: int | None = None,
        architecture: Spec = "auto",
        corruption: Spec = "auto",
        sparsity: Spec = None,
        penalty: Spec = None,
        loss: Spec = "mse",
        *,
        scaling: Scaling = "auto",
        columns: Mapping[str, str] | Schema | None = None,
        column_weights: Mapping[str, float] | None = None,
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
        device: Device = None,
        warm_start: bool = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.architecture = architecture
        self.corruption = corruption
        self.sparsity = sparsity
        self.penalty = penalty
        self.loss = loss
        self.scaling = scaling
        self.columns = columns
        self.column_weights = column_weights
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

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; those of parts as `slot__field`, in a tuple as `slot__0__field`."""
        params: dict[str, Any] = super().get_params(deep)
        for slot in SLOTS if deep else ():
            if isinstance(params[slot], tuple):
                for i, part in enumerate(params[slot]):
                    fields = part.get_params() if hasattr(part, "get_params") else {}
                    params[f"{slot}__{i}"] = part
                    params |= {f"{slot}__{i}__{name}": value for name, value in fields.items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; `sparsity__rho=0.1` works whatever the spelling of the sparsity."""
        nested = {name: value for name, value in params.items() if "__" in name}
        super().set_params(**{k: v for k, v in params.items() if k not in nested})
        for name, value in nested.items():
            slot, _, field = name.partition("__")
            if slot not in SLOTS:
                super().set_params(**{name: value})
            elif field.partition("__")[0].isdigit():
                setattr(self, slot, self._with(slot, field, value))
            else:
                setattr(self, slot, self._part(slot, getattr(self, slot), field, value))
        return self

    @property
    def is_spatial(self) -> bool:
        """Whether the architecture is for images and signals, which have no missing cells."""
        architecture = _built("architecture", self.architecture)
        return architecture is not None and bool(architecture.spatial)

    def _with(self, slot: str, field: str, value: Any) -> tuple[Any, ...]:
        """Return a tuple of parts with one part, or one field of it, replaced."""
        index, _, rest = field.partition("__")
        specs = getattr(self, slot)
        parts = list(specs) if isinstance(specs, tuple | list) else [specs]
        if int(index) >= len(parts):
            raise ValueError(f"The {slot} has {len(parts)} parts, none numbered {index}.")
        i = int(index)
        parts[i] = self._part(slot, parts[i], rest, value) if rest else value
        return tuple(parts)

    def _part(self, slot: str, spec: Any, field: str, value: Any) -> Any:
        if isinstance(spec, tuple | list):
            raise ValueError(f"The {slot} is a tuple: name its parts, as in {slot}__0__{field}.")
        part = _built(slot, spec)
        if part is None:
            raise ValueError(
                f"The {slot} is {spec!r} and has no parameter {field!r}; set {slot} first."
            )
        return part.set_params(**{field: value})


def _built(slot: str, spec: Any) -> Any:
    """Return the part that a spec names, "auto" as for plain numbers; None for none."""
    is_auto = isinstance(spec, str) and spec == "auto" and slot in AUTO
    return build(SLOTS[slot][0], AUTO[slot][False] if is_auto else spec)


def check_parameters(e: Parameters) -> None:
    """Raise one clear ValueError for the first parameter out of range."""
    if e.n_components is not None:
        check_whole("n_components", e.n_components, 1)
    check_whole("max_epochs", e.max_epochs, 1, auto=True)
    check_whole("batch_size", e.batch_size, 1, auto=True)
    check_whole("n_iter_no_change", e.n_iter_no_change, 1)
    for name, interval, test in (
        ("learning_rate", "(0, inf)", lambda v: 0 < v < np.inf),
        ("validation_fraction", "(0, 1)", lambda v: 0 < v < 1),
        ("tol", "[0, inf)", lambda v: 0 <= v < np.inf),
    ):
        value = getattr(e, name)
        check_real(
            name, value, interval, isinstance(value, int | float | np.number) and test(value)
        )
    check_one_of("early_stopping", e.early_stopping, ("auto", True, False))
    _check_pretrain(e.pretrain)
    _check_freeze(e.freeze)
    check_one_of("dtype", e.dtype, ("float32", "float64"))
    check_one_of("warm_start", e.warm_start, (True, False))
    _check_auto(e)
    check_scaling(e.scaling)
    check_columns(e.columns)
    _check_column_weights(e.column_weights)


def _check_auto(e: Parameters) -> None:
    """Raise a ValueError for parameters of "auto", which chooses a part with its own."""
    for name, part in (("architecture", "dense"), ("corruption", "gaussian")):
        spec = getattr(e, name)
        if isinstance(spec, str) and spec.startswith("auto:"):
            raise ValueError(
                f"The {name} 'auto' takes no parameters, and got {spec!r}: name the part that is to "
                f"have them, such as '{part}{spec.removeprefix('auto')}'."
            )


def check_columns(columns: object) -> None:
    """Raise a ValueError unless this is None or says of columns by name what they are."""
    if columns is None or isinstance(columns, Schema):
        return
    if not isinstance(columns, Mapping):
        raise ValueError(
            "The parameter columns must be a dict such as {'zip': 'category'}, or a Schema; got "
            f"{columns!r}."
        )
    for name, kind in columns.items():
        if kind not in KINDS:
            raise ValueError(
                f"The parameter columns says that {name!r} is {kind!r}; it can be "
                f"{', '.join(KINDS)}."
            )


def _check_column_weights(weights: object) -> None:
    """Raise a ValueError unless this is None or a positive number for columns by name."""
    if weights is None:
        return
    if not isinstance(weights, Mapping):
        raise ValueError(
            f"The parameter column_weights must be a dict such as {{'age': 2.0}}; got {weights!r}."
        )
    for name, weight in weights.items():
        ok = isinstance(weight, int | float | np.number) and bool(0 < weight < np.inf)
        check_real(f"column_weights[{name!r}]", weight, "(0, inf)", ok)


def _check_pretrain(pretrain: object) -> None:
    """Raise a ValueError unless this is None, "layerwise" or a number of epochs."""
    if not (pretrain is None or pretrain == "layerwise" or _is_count(pretrain, 1)):
        raise ValueError(
            "The parameter pretrain must be None, 'layerwise' or the number of epochs for each layer, "
            f"of at least 1; got {pretrain!r}.{none_meant(pretrain)}"
        )


def _check_freeze(freeze: object) -> None:
    """Raise a ValueError unless this is None, "encoder", "decoder" or a number of layers."""
    if not (freeze is None or freeze in ("encoder", "decoder") or _is_count(freeze, 0)):
        raise ValueError(
            "The parameter freeze must be None, 'encoder', 'decoder' or how many of the encoder's "
            f"layers are frozen, counted from the input; got {freeze!r}.{none_meant(freeze)}"
        )


def _is_count(value: object, low: int) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= low
