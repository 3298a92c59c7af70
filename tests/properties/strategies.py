"""Any configuration of an autoencoder with rows that fit it, drawn from the parts' own fields.

A part, a field or a scaling that is added is drawn by itself.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from isthmus.model import SLOTS
from isthmus.model.scaling import SCALINGS
from isthmus.parts import Architecture, Loss, Part

TRANSFORMERS = (
    StandardScaler(),
    MinMaxScaler((-1, 1)),
    MaxAbsScaler(),
    RobustScaler(),
    PowerTransformer(),
    QuantileTransformer(n_quantiles=5),
)
SPANS = (1e-3, 1.0, 100.0)  # of a drawn table


class Recipe(NamedTuple):
    """How rows are made, in a few words."""

    seed: int
    n: int
    shape: tuple[int, ...]
    domain: tuple[float, float]
    span: float
    kind: str

    def made(self) -> np.ndarray:
        """Return the rows: shares or counts where a loss wants them, else about a point far from 0."""
        rng, (low, high) = np.random.default_rng(self.seed), self.domain
        size = self.n, *self.shape
        if np.isfinite(high):
            X = rng.beta(0.5, 0.5, size)
        elif np.isfinite(low):
            X = rng.poisson(3.0, size).astype(float)
        else:
            X = rng.normal(size=size) * self.span + rng.normal(size=self.shape)
        return X.astype(self.kind) if self.kind in "f8f4" else np.abs(X).astype(self.kind)


class Drawn(NamedTuple):
    """The parameters of an autoencoder, and rows to fit it on."""

    params: dict[str, Any]
    recipe: Recipe

    @property
    def X(self) -> np.ndarray:
        """The rows."""
        return self.recipe.made()


@st.composite
def parts(draw: st.DrawFn, slot: type[Part]) -> Part:
    """Draw a part of a slot, each field within what it declares."""
    kind = draw(st.sampled_from(sorted(slot.known.values(), key=lambda part: part.name)))
    return kind(**{f.name: draw(values(f)) for f in dataclasses.fields(kind)})


def values(field: dataclasses.Field) -> st.SearchStrategy:
    """Return what a field may hold, small enough for a net that is trained in a moment."""
    interval, choices = field.metadata.get("interval"), field.metadata.get("choices")
    if interval:
        drawn = numbers(interval, whole=field.metadata["whole"])
        if field.metadata["ranged"]:
            drawn |= st.tuples(drawn, drawn).map(lambda ends: (min(ends), max(ends)))
    elif "takes" in field.metadata:  # a number, or one for each layer
        drawn = st.integers(1, 3) | st.lists(st.integers(1, 3), min_size=1, max_size=2).map(tuple)
    elif choices:
        drawn = st.sampled_from(choices)
    elif isinstance(field.default, tuple):
        drawn = st.lists(st.integers(1, 4), min_size=len(field.default) > 0, max_size=2).map(tuple)
    else:
        return st.just(field.default)  # such as input_shape, which only certain rows allow
    return st.just(field.default) | drawn


def numbers(interval: str, *, whole: bool) -> st.SearchStrategy:
    """Return numbers in an interval such as "(0, 1]", its closed ends among them."""
    low, high = (float(end) for end in interval[1:-1].split(","))
    if whole:
        return st.integers(int(max(low, 0)), int(min(high, 3)))
    ends = [
        end for end, open_ in ((low, interval[0] == "("), (high, interval[-1] == ")")) if not open_
    ]
    short = np.float16(low)
    if float(short) < low:  # as the numbers drawn, which are short
        short = np.nextafter(short, np.float16(np.inf))
    low = float(short)
    inside = st.floats(max(low, -2.0), min(high, 2.0), exclude_min=True, exclude_max=True, width=16)
    return st.sampled_from(ends) | inside if ends else inside


@st.composite
def configurations(draw: st.DrawFn) -> Drawn:
    """Draw all five slots, the other parameters, and rows that the loss can take."""
    slots = {
        name: draw(chains(slot) if name in ("corruption", "penalty") else parts(slot) | st.none())
        for name, (slot, _) in SLOTS.items()
    }
    slots["architecture"] = architecture = draw(parts(Architecture))
    slots["loss"] = loss = draw(parts(Loss))
    raw = np.isfinite(loss.domain[0])  # of shares or counts, which few scalings leave so
    settled = getattr(architecture, "code", "dense") == "maps"  # by the shape of the last maps
    params = slots | {
        "n_components": None if settled else draw(st.sampled_from((None, 1, 2, 3))),
        "scaling": draw(
            st.sampled_from(("auto", "auto", *SCALINGS, *(() if raw else TRANSFORMERS)))
        ),
        "pretrain": draw(st.sampled_from((None, None, None, "layerwise", 1))),
        "freeze": draw(st.sampled_from((None, None, None, 0, 1, "encoder", "decoder"))),
        "max_epochs": draw(st.integers(1, 2)),
        "batch_size": draw(st.sampled_from(("auto", 1, 8, 1000))),
        "early_stopping": draw(st.sampled_from(("auto", True, False))),
        "dtype": draw(st.sampled_from(("float32", "float32", "float64"))),
        "random_state": 0,
    }
    return Drawn(params, draw(recipes(architecture, loss)))


def chains(slot: type[Part]) -> st.SearchStrategy:
    """Return none, one or two parts of a slot."""
    return st.lists(parts(slot), max_size=2).map(lambda chain: tuple(chain) or None)


def recipes(architecture: Architecture, loss: Loss) -> st.SearchStrategy:
    """Return tables, or images and signals where the architecture takes them, in the loss's domain."""
    images = {"conv": [(6, 6), (5, 7, 2)], "conv1d": [(9,), (9, 2)]}
    known = images.get(architecture.name, [(6, 6), (9, 2)])
    return st.builds(
        Recipe,
        seed=st.integers(0, 3),
        n=st.integers(3, 40),
        shape=st.sampled_from(known if architecture.spatial else [(1,), (2,), (5,), (2, 3)]),
        domain=st.just(loss.domain),
        span=st.sampled_from(SPANS),
        kind=st.sampled_from(("f8", "f8", "f8", "f4", "i4", "u1", "?")),
    )
