"""The sections of a report about what layers learned: filters, and the maps they make of images."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from isthmus import plots
from isthmus.nets.conv import ConvLayer
from isthmus.report.blocks import Section, png, sizes
from isthmus.report.facts import alike

Models = Mapping[str, Any]
MOST_FILTERS = 32
MOST_MAPS = 16
MOST_EXAMPLES = 3


class Filters(NamedTuple):
    """What a first layer looks for, the strongest unit first: (h * w * c, units) of (h, w, c)."""

    name: str
    weights: np.ndarray
    shape: tuple[int, ...]
    convolutional: bool

    @property
    def shown(self) -> int:
        """How many are drawn."""
        return min(self.weights.shape[1], MOST_FILTERS)


def filters(models: Models, images: np.ndarray) -> Section | None:
    """Return what the units of first layers look for, as images."""
    found = [_filters(name, model, images) for name, model in models.items()]
    # Those of about the same height beside each other.
    known = sorted((f for f in found if f is not None), key=lambda f: f.shown)
    pictures = []
    for f in known:
        label = "Weight" if f.convolutional else "Weight x deviation of the pixel"
        figure = plots.filters(f.weights[:, : f.shown], f.shape, label)
        pictures.append(png(figure, f"Filters of {f.name}", _filters_caption(f), half=True))
    return Section("Learned filters", _filters_text(known), pictures) if known else None


def _filters(name: str, model: Any, images: np.ndarray) -> Filters | None:
    layer, shape = model.net_.encoder[0], images.shape[1:]
    weight = np.asarray(layer.weight, float)
    convolutional = isinstance(layer, ConvLayer)
    if convolutional and layer.shapes[0] == shape:
        shape = weight.shape[:-1]
        worth = weight.reshape(-1, weight.shape[-1])
    elif not convolutional and len(weight) == np.prod(shape):
        # A pixel that hardly varies may have any weight: what counts is what it contributes.
        worth = weight * _scaled_deviation(model, images)[:, None]
    else:
        return None
    order = np.argsort(-np.linalg.norm(worth, axis=0), kind="stable")
    return Filters(name, worth[:, order], shape, convolutional)


def _filters_caption(f: Filters) -> str:
    count = f.weights.shape[1]
    which = f"all {count}" if count == f.shown else f"the strongest {f.shown} of {count}"
    if f.convolutional:
        return f"{f.name}: {which} filters of the first layer, {sizes(f.shape[:2])} pixels."
    return f"{f.name}: {which} units of the first layer."


def _filters_text(known: Sequence[Filters]) -> list[str]:
    if not known:
        return []
    kinds = {f.convolutional for f in known}
    colours = (
        "In a picture grey is a weight of 0; where a tile is brighter in red, green or blue, that "
        "colour switches the unit on, and where it is darker, off. "
        if known[0].shape[-1] == 3
        else "Red pixels switch it on, blue ones off. "
    )
    dense = (
        "Where each pixel has a weight of its own, it is multiplied by the pixel's standard deviation, "
        "since the weight of a pixel that never changes says nothing. Strokes and spots are features; "
        "speckle without form is chance. "
    )
    convolutional = (
        "A convolutional filter is as small as its kernel, and looks for the same thing everywhere in "
        "the image."
    )
    text = "A tile for each unit of the first layer, the strongest first. " + colours
    text += (dense if False in kinds else "") + (convolutional if True in kinds else "")
    return [text.strip()]


def maps(
    models: Models, X: Any, images: np.ndarray, chosen: Sequence[int], names: Sequence[str]
) -> Section | None:
    """Return the feature maps of a few images, for models with convolutional layers."""
    spread = np.linspace(0, len(chosen) - 1, min(len(chosen), MOST_EXAMPLES)).round().astype(int)
    shown = [chosen[i] for i in spread]
    words = [names[i] for i in spread] if names else []
    rows = alike(images[shown].reshape(len(shown), -1), X)
    pictures, most = [], 0
    for name, model in models.items():
        encoder = model.net_.encoder
        counts = [layer.shapes[1][-1] for layer in encoder if isinstance(layer, ConvLayer)]
        if not counts or encoder[0].shapes[0] != images.shape[1:]:
            continue
        layers = dict(_drawn_maps(model, rows, i, count) for i, count in enumerate(counts))
        figure = plots.maps(images[shown], layers, words)
        half, most = len(counts) < 3, max([most, *counts])
        alt = f"Images and their activation maps in {name}"
        pictures.append(png(figure, alt, f"{name}.", half, wide=not half))
    return Section("Activation maps", _maps_text(most), pictures) if pictures else None


def _maps_text(most: int) -> list[str]:
    text = (
        "What each convolutional layer makes of an image: a map for each of its filters, which tells "
        "where in the image the filter found what it looks for. Red is above 0, blue below and white "
        "0, on one scale a layer. A map is smaller than the image where the filters move by more "
        "than a pixel."
    )
    if most > MOST_MAPS:
        text += (
            f" Of a layer at most {MOST_MAPS} maps are drawn: those with the largest activations, on "
            "average over these images."
        )
    return [text]


def _drawn_maps(model: Any, rows: Any, i: int, count: int) -> tuple[str, np.ndarray]:
    """Return what to call the i-th layer, and its most active maps of rows."""
    maps = _most_active(np.asarray(model.encode_maps(rows, i + 1), float))
    few = f"{maps.shape[-1]} of {count}" if maps.shape[-1] < count else str(count)
    return f"layer {i + 1}\n{sizes(maps.shape[1:3])}, {few} {'map' if count == 1 else 'maps'}", maps


def _most_active(maps: np.ndarray) -> np.ndarray:
    """Return at most so many of the maps (n, h, w, m), the most active first."""
    size = np.abs(maps).mean(axis=(0, 1, 2))
    return maps[..., np.argsort(-size, kind="stable")[:MOST_MAPS]]


def _scaled_deviation(model: Any, images: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each input, in the units that the first layer sees."""
    flat = images.reshape(len(images), -1)
    deviation: np.ndarray = model.scaler_.forward(flat, model.dtype).astype(float).std(axis=0)
    return deviation
