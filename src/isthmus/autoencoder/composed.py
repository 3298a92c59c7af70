"""Parameters of an estimator that is composed of parts, in scikit-learn's way."""

from typing import Any, Self

from sklearn.base import BaseEstimator

from isthmus.model.slots import SLOTS
from isthmus.parts.part import build


class Composed(BaseEstimator):
    """An estimator whose slots hold parts, whatever their spelling, with parameters of their own."""

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
        part = build(SLOTS[slot][0], spec)
        if part is None:
            raise ValueError(
                f"The {slot} is None and has no parameter {field!r}; set {slot} first."
            )
        return part.set_params(**{field: value})
