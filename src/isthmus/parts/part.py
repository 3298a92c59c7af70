"""Parts: the dataclasses that fill the slots of the equation.

One set of fields gives five spellings of the same part: an instance `KL(rho=0.05)`, a spec string
`"kl:rho=0.05"`, a dict `{"name": "kl", "rho": 0.05}`, grid parameters `sparsity__rho` and JSON.
Numbers (float fields) are leaves of a JAX pytree and so are traced; everything else is static.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import jax

from isthmus.words import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Value = TypeVar("Value")
SlotPart = TypeVar("SlotPart", bound="Part")
Wrap = Callable[[Callable[..., Any]], "Part"]  # makes a part of a user's function


def number(
    default: Value, interval: str = "(-inf, inf)", *, whole: bool = False, ranged: bool = False
) -> Value:
    """Declare a number field; `interval` is in the mathematicians' notation, such as "(0, 1]".

    A whole number is a shape and so static; any other is traced. A `ranged` field also takes two
    numbers, the ends of a range from which one is drawn.
    """
    metadata = {"interval": interval, "whole": whole, "ranged": ranged}
    return dataclasses.field(default=default, metadata=metadata)


def option(default: Value, choices: tuple[object, ...] = ()) -> Value:
    """Declare a field that takes one of `choices`, or anything if there are none."""
    return dataclasses.field(default=default, metadata={"choices": choices})


def in_interval(value: float, interval: str) -> bool:
    """Return whether a number lies in an interval such as "[0, 1)"."""
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    below = value <= high if interval[-1] == "]" else value < high
    return above and below


class Part:
    """A value that fills a slot: a dataclass whose fields are its parameters.

    A subclass that names a `slot` opens a new slot; a subclass of that one with a `name` is a part
    of the slot. Parts compare by value, clone and nest in scikit-learn's way, and are pytrees.
    """

    slot: ClassVar[str] = ""
    name: ClassVar[str] = ""
    known: ClassVar[dict[str, type[Part]]] = {}

    def __init_subclass__(cls, slot: str = "", name: str = "") -> None:
        if slot:
            cls.slot, cls.known = slot, {}
            return
        if name in cls.known:
            raise TypeError(f"The {cls.slot} {name!r} exists already: {cls.known[name].__name__}.")
        cls.name = name or cls.__name__.lower()
        if name:
            cls.known[name] = cls
        jax.tree_util.register_pytree_node(cls, cls._flatten, cls._unflatten)

    # -- JAX: numbers are leaves, the rest is structure ------------------------------------------
    #
    # jax.tree_util.register_dataclass will not do: to JAX the structures of two such classes with the
    # same static values are equal, as those of MSE() and MAE(), and one may run the other's program.

    @classmethod
    @cache
    def _fields(cls) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names of the fields that are leaves, and of those that are structure."""
        fields = part_fields(cls)
        numbers = tuple(f.name for f in fields if f.metadata.get("whole") is False)
        return numbers, tuple(f.name for f in fields if f.name not in numbers)

    def _flatten(self) -> tuple[tuple[object, ...], tuple[object, ...]]:
        numbers, static = self._fields()
        return tuple(getattr(self, f) for f in numbers), tuple(getattr(self, f) for f in static)

    @classmethod
    def _unflatten(cls, static: tuple[object, ...], numbers: Iterable[object]) -> Self:
        part = object.__new__(cls)
        for names, values in zip(cls._fields(), (numbers, static), strict=True):
            for field, value in zip(names, values, strict=True):
                object.__setattr__(part, field, value)
        return part

    # -- what it is called -----------------------------------------------------------------------

    @property
    def title(self) -> str:
        """What messages call the part."""
        return f"the {self.slot} {self.name!r}"

    @property
    def registered(self) -> bool:
        """Whether its name stands for its very class, so that a file can name it."""
        return type(self).known.get(self.name) is type(self)

    # -- scikit-learn: clone and nested parameters -----------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, object]:
        """Return the fields by name."""
        return {f.name: getattr(self, f.name) for f in part_fields(type(self))}

    def set_params(self, **params: object) -> Self:
        """Set fields by name."""
        for field, value in params.items():
            self._known_field(field)
            setattr(self, field, value)
        return self

    @classmethod
    def _known_field(cls, field: str) -> None:
        fields = [f.name for f in part_fields(cls)]
        if field not in fields:
            hint = did_you_mean(field, fields) if fields else " It has none."
            raise ValueError(f"The {cls.slot} {cls.name!r} has no parameter {field!r}.{hint}")

    # -- spellings -------------------------------------------------------------------------------

    @classmethod
    def make(cls, params: Mapping[str, object]) -> Self:
        """Build the part from JSON-like parameters: lists become tuples."""
        for field in params:
            cls._known_field(field)
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in params.items()})

    def to_dict(self) -> dict[str, object]:
        """Return the JSON spelling, `{"name": ..., field: value, ...}`."""
        params = {k: list(v) if isinstance(v, tuple) else v for k, v in self.get_params().items()}
        return {"name": self.name, **params}

    def to_string(self) -> str:
        """Return the spec string, with the fields that differ from their defaults."""
        default = {f.name: f.default for f in part_fields(type(self))}
        values = {k: v for k, v in self.get_params().items() if v != default[k]}
        text = ",".join(f"{name}={_plain(value)}" for name, value in values.items())
        return f"{self.name}:{text}" if text else self.name

    def validate(self) -> None:
        """Raise a ValueError that names the field, its value and what is allowed."""
        for f in part_fields(type(self)):
            value = getattr(self, f.name)
            where = f"The {self.slot} {self.name!r} needs {f.name}"
            choices = f.metadata.get("choices")
            if "interval" in f.metadata and not (value is None and f.default is None):
                setattr(self, f.name, _checked_number(value, f.metadata, where))
            if choices and value not in choices:
                hint = did_you_mean(str(value), [str(c) for c in choices])
                raise ValueError(f"{where} to be one of its choices; got {value!r}.{hint}")

    @property
    def active(self) -> bool:
        """False if the part does nothing and is left out of the compiled program."""
        return True


def part_fields(part: type[Part]) -> tuple[dataclasses.Field[Any], ...]:
    """Return the fields of a class of parts, with what `number` and `option` say of them."""
    if not dataclasses.is_dataclass(part):
        raise TypeError(f"{part.__name__} is no dataclass: write @dataclass above the class.")
    return dataclasses.fields(part)


def _checked_number(value: Any, metadata: Mapping[str, Any], where: str) -> Any:
    """Return the value of a number field as it is kept, or raise a ValueError."""
    interval, whole, ranged = (metadata[name] for name in ("interval", "whole", "ranged"))
    if ranged and isinstance(value, tuple | list) and len(value) == 2:
        ends = tuple(value)
        if all(_is_in(end, interval, whole) for end in ends) and ends[0] <= ends[1]:
            return ends
    elif _is_in(value, interval, whole):
        return int(value) if whole else value
    kind = "a whole number" if whole else "a number"
    both = ", or a range of two such as [low,high]" if ranged else ""
    raise ValueError(f"{where} to be {kind} in {interval}{both}; got {value!r}.")


def _is_in(value: Any, interval: str, whole: bool) -> bool:
    return _is_number(value, whole) and in_interval(value, interval)


def _is_number(value: Any, whole: bool) -> bool:
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return False
    return math.isfinite(value) and (not whole or value == int(value))


def _plain(value: object) -> str:
    if callable(value):
        return str(getattr(value, "__name__", value))
    return f"[{','.join(map(str, value))}]" if isinstance(value, tuple) else str(value)


def parse(text: str) -> tuple[str, dict[str, object]]:
    """Split a spec string: `"dense:hidden=[128,64],activation=tanh"` to its name and parameters."""
    name, _, rest = text.partition(":")
    params: dict[str, object] = {}
    for item in split_list(rest):
        key, equals, value = item.partition("=")
        if not equals:
            hint = " A list needs brackets, such as hidden=[64,32]." if params else ""
            raise ValueError(
                f"In the spec {text!r}, {item!r} is not of the form parameter=value.{hint}"
            )
        params[key.strip()] = value_of_text(value.strip())
    return name.strip(), params


def split_list(text: str) -> list[str]:
    """Split at the commas outside brackets."""
    items, depth = [""], 0
    for char in text:
        depth += (char in "[(") - (char in "])")
        if char == "," and depth == 0:
            items.append("")
        else:
            items[-1] += char
    return [item for item in items if item.strip()]


def value_of_text(text: str) -> object:
    """Return what a text stands for: a number, a list, true, false, none, or the text itself."""
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def resolve(slot: type[SlotPart], spec: object, wrap: Wrap | None = None) -> SlotPart | None:
    """Turn any spelling into a fresh, validated part of the slot, or None.

    Parameters
    ----------
    slot : type[Part]
        The abstract class of the slot.
    spec : None, str, dict, Part or callable
        The user's spelling.
    wrap : callable, optional
        Makes a part of a plain function, in the slots that take functions.

    Raises
    ------
    ValueError, TypeError
        For unknown names and parameters, values out of range, and things that are no spec.
    """
    part = build(slot, spec, wrap)
    if part is not None:
        part.validate()
    return part


def build(slot: type[SlotPart], spec: object, wrap: Wrap | None = None) -> SlotPart | None:
    """Do what `resolve` does, without validation."""
    if spec is None:
        return None
    if isinstance(spec, slot):
        return type(spec)(**spec.get_params())
    if isinstance(spec, dict) and "name" in spec:
        params = dict(spec)
        return _named(slot, params.pop("name")).make(params)
    if isinstance(spec, str):
        name, params = parse(spec)
        return None if name == "none" else _named(slot, name).make(params)
    if callable(spec) and not isinstance(spec, type | Part) and wrap is not None:
        part = wrap(spec)
        assert isinstance(part, slot)
        return part
    if isinstance(spec, type) and issubclass(spec, slot):
        raise TypeError(f"The {slot.slot} is the class {spec.__name__}; give {spec.__name__}().")
    functions = " a function," if wrap else ""
    raise TypeError(
        f"The {slot.slot} must be None, a name, a spec string, a dict with a 'name',{functions} or "
        f"a part such as {next(iter(slot.known.values())).__name__}(); got {spec!r}."
    )


def _named(slot: type[SlotPart], name: object) -> type[SlotPart]:
    """Return the part of a slot that has this name."""
    part = slot.known.get(name) if isinstance(name, str) else None
    if part is None:
        hint = did_you_mean(str(name), slot.known)
        raise ValueError(f"Unknown {slot.slot} {name!r}.{hint}")
    assert issubclass(part, slot)
    return part


def resolve_all(
    slot: type[SlotPart], spec: object, wrap: Wrap | None = None
) -> tuple[SlotPart, ...]:
    """Resolve a slot that takes a chain: None, one spec, or a tuple or list of them."""
    specs = spec if isinstance(spec, tuple | list) else (spec,)
    return tuple(p for p in (resolve(slot, s, wrap) for s in specs) if p is not None)


def check_arguments(slot: str, function: Callable[..., object], names: tuple[str, ...]) -> None:
    """Raise a TypeError unless the user's function takes these arguments."""
    try:
        inspect.signature(function).bind(*names)
    except TypeError as error:
        called = f"function({', '.join(names)})"
        raise TypeError(f"The {slot} {function!r} is called as {called}: {error}.") from None
    except ValueError:  # no signature, as for some built-in functions
        return
