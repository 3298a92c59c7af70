"""The sections of a report that show what models make of rows, and what their layers learned.

A section appears only if it says something about these models and rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeGuard

import numpy as np

from isthmus import plots
from isthmus.nets import ConvLayer
from isthmus.report.blocks import (
    Section,
    line_picture,
    number_text,
    percent_text,
    pixel_picture,
    shape_text,
)
from isthmus.words import listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from isthmus.autoencoder import Autoencoder
    from isthmus.report.blocks import (
        Picture,
    )
    from isthmus.report.facts import Facts
    from isthmus.report.measurements import Denoised, Measured, ModelPasses

MOST_LOST_COLUMNS = 20
MOST_SIGNALS = 4
MOST_IMAGES = 10
MOST_FILTERS = 32
MOST_MAPS = 16
MOST_MAPPED = 3  # images whose activation maps are drawn


class Examples(NamedTuple):
    """Images or signals, (n, h, w, c) or (n, length, c), the numbers of those shown, their names."""

    values: np.ndarray
    chosen: list[int]
    names: list[str]

    def shown(self, flat: np.ndarray) -> np.ndarray:
        """Return the examples out of flat rows, such as reconstructions."""
        return flat[self.chosen].reshape(-1, *self.values.shape[1:])


def are_images(shape: Sequence[int] | None) -> TypeGuard[Sequence[int]]:
    """Whether rows of this shape can be shown as grey or coloured images."""
    return shape is not None and len(shape) == 3 and shape[2] in (1, 3)


def choose_examples(values: np.ndarray, labels: np.ndarray | None, most: int) -> Examples:
    """Choose rows to show: the most typical of each label if there are few, else evenly spaced."""
    spread = np.linspace(0, len(values) - 1, min(len(values), most)).round()
    chosen = [int(i) for i in spread]
    if labels is None:
        return Examples(values, chosen, [])
    kinds = np.unique(labels)
    if 5 <= len(kinds) <= most:
        flat = values.reshape(len(values), -1)
        chosen = [_most_typical(flat, np.flatnonzero(labels == kind)) for kind in kinds]
    named = len(kinds) == len(chosen)
    return Examples(values, chosen, [str(labels[i]) for i in chosen] if named else [])


def _most_typical(flat: np.ndarray, rows: np.ndarray) -> int:
    """Return which of some rows is nearest to their mean."""
    far = np.sum((flat[rows] - flat[rows].mean(axis=0)) ** 2, axis=1)
    return int(rows[np.argmin(far)])


def sections_of_models(
    passes: ModelPasses,
    facts: Sequence[Facts],
    labels: np.ndarray | None,
    shape: Sequence[int] | None,
    rows: str,
) -> list[Section]:
    """Return the sections that any models on any rows can have.

    `shape` is (h, w, c) of images, (length, c) of signals, or else of no matter.
    """
    measured = passes.measured
    found: list[Section | None] = [losses_section(measured, facts)]
    if are_images(shape):
        images = measured[0].rows.reshape(-1, *shape)
        examples = choose_examples(images, labels, MOST_IMAGES)
        found += [
            image_section(measured, facts, examples, rows),
            denoised_images_section(facts, passes.denoised, examples),
            filters_section(measured, images),
            maps_section(passes, examples),
        ]
    elif shape is not None and len(shape) == 2:
        values = measured[0].rows.reshape(-1, *shape)
        examples = choose_examples(values, labels, MOST_SIGNALS)
        found += [signal_section(measured, facts, examples, rows), denoising_section(facts, rows)]
    else:
        found += [column_section(facts, rows), denoising_section(facts, rows)]
    found.append(activations_section(measured, facts))
    return [section for section in found if section is not None]


# -- training ----------------------------------------------------------------------------------------


def losses_section(measured: Sequence[Measured], facts: Sequence[Facts]) -> Section | None:
    """Return the losses of each model against the epoch."""
    pictures = [
        line_picture(
            plots.losses(m.model.history_), f"Losses of {m.name}", _losses_caption(f), half=True
        )
        for m, f in zip(measured, facts, strict=True)
        if len(m.model.history_.get("epoch", ())) > 1
    ]
    text = [
        "The loss should fall and level out. A sparsity's term may rise first, while the units "
        "become different. The curve of the held-out rows should follow that of training; if it "
        "turns up, the model has begun to memorise. Corruption and dropout act in training only, so "
        "a denoising model does better on the held-out rows, which are clean."
    ]
    if any(p["name"].startswith("layer ") for f in facts for p in f["phases"]):
        text.append(
            "A model trained layer by layer has a phase for each layer, in which it learns to code "
            "what the layers below make of the rows, and a last one, fit, for all layers together. "
            "Each phase has a loss of its own: compare heights within a phase only."
        )
    return Section("Losses by epoch", text, pictures) if pictures else None


def _losses_caption(f: Facts) -> str:
    terms = {k: v for k, v in f["terms"].items() if k not in ("loss", "validation_loss")}
    last = ", ".join(f"{name} {number_text(value)}" for name, value in terms.items())
    held = f["terms"].get("validation_loss")
    on_held = f"; {number_text(held)} on the held-out rows" if held is not None else ""
    spent = ", ".join(f"{p['name']}: {p['epochs']}" for p in f["phases"])
    epochs = f"{f['epochs']} epochs" + (f" ({spent})" if len(f["phases"]) > 1 else "")
    return f"{f['name']}: after {epochs} {last}{on_held}."


def activations_section(measured: Sequence[Measured], facts: Sequence[Facts]) -> Section | None:
    """Return mean activations, for models with a sparsity."""
    pictures = []
    for m, f in zip(measured, facts, strict=True):
        s = f["sparsity"]
        if s is None:
            continue
        caption = f"{m.name} ({s['text']}): the largest mean is {number_text(s['largest'])}."
        if s["rho"] is not None:
            caption += (
                f" {s['within']} of {s['units']} units are at or below 1.1 rho = "
                f"{number_text(1.1 * s['rho'])}."
            )
        figure = plots.mean_activations(m.model.mean_activation_, s["rho"])
        pictures.append(line_picture(figure, f"Mean activations of {m.name}", caption))
    text = [
        "How active each code unit is on average over the whole training set. A sparsity keeps the "
        "means low, so that a few units describe each row; with KL they should lie at rho."
    ]
    return Section("Mean activations", text, pictures) if pictures else None


# -- reconstructions ---------------------------------------------------------------------------------


def image_section(
    measured: Sequence[Measured], facts: Sequence[Facts], examples: Examples, rows: str
) -> Section:
    """Return original images above what each model makes of them."""
    made = {m.name: examples.shown(m.reconstructions) for m in measured}
    typical = "For each label, the row nearest to its mean is shown. " if examples.names else ""
    text = [
        "The top row is the input; below it is what each model makes of it. The reconstructions "
        f"should be recognisable and a little smoother. {typical}Squared error per pixel on the "
        f"{rows}, in the data's units: {_errors_text(facts)}."
    ]
    figure = plots.pairs(examples.values[examples.chosen], made, examples.names)
    alt = "Rows of images: originals, then reconstructions by each model"
    return Section("Originals and reconstructions", text, [pixel_picture(figure, alt, wide=True)])


def signal_section(
    measured: Sequence[Measured], facts: Sequence[Facts], examples: Examples, rows: str
) -> Section:
    """Return signals and what each model makes of them."""
    made = {m.name: examples.shown(m.reconstructions) for m in measured}
    text = [
        f"Some of the {rows}, and what each model makes of them. Squared error per value, in the "
        f"data's units: {_errors_text(facts)}."
    ]
    figure = plots.signals(examples.values[examples.chosen], made)
    return Section(
        "Originals and reconstructions", text, [line_picture(figure, "Signals as lines")]
    )


def _errors_text(facts: Sequence[Facts]) -> str:
    return ", ".join(f"{f['name']} {number_text(f['raw_error'])}" for f in facts)


def column_section(facts: Sequence[Facts], rows: str) -> Section | None:
    """Return which columns of a table the models lose most of."""
    pictures = []
    for f in facts:
        known = [c for c in f["columns"] if c["lost"] is not None]
        worst = sorted(known, key=lambda c: -c["lost"])[:MOST_LOST_COLUMNS]
        if not worst:
            continue
        figure = plots.column_errors([c["name"] for c in worst], [c["lost"] for c in worst])
        most = f"{worst[0]['name']}, {percent_text(worst[0]['lost'], 1)}"
        alt = f"Lost variance by column, {f['name']}"
        pictures.append(line_picture(figure, alt, f"{f['name']}: most is lost of {most}."))
    text = [
        f"How much of each column's variance on the {rows} the reconstruction misses: 0 % is a "
        "column kept whole, 100 % one answered by its mean. The columns that lose most are shown."
    ]
    if any(f["n_slots"] is not None for f in facts):
        text = [
            f"What the cells of each column cost on the {rows}, as a share of what the best constant "
            "answer costs, its mean or its usual levels: 0 % is a column kept whole, and 100 % one of "
            "which nothing was learned. The columns that lose most are shown."
        ]
    return Section("What is lost, by column", text, pictures) if pictures else None


def width_section(
    widths: Sequence[int],
    errors: Mapping[str, Sequence[float]],
    pca: Sequence[float],
    unit: str,
    rows: str,
) -> Section:
    """Return the error against the width of the code, beside PCA's."""
    verdicts = []
    for name, values in errors.items():
        below = [str(w) for w, e, p in zip(widths, values, pca, strict=True) if e < p]
        at = f"width{'s' * (len(below) > 1)} {listed(below, 'and')}" if below else "no width"
        verdicts.append(f"{name} is below PCA at {at}")
    factor = {n: max(p / e for p, e in zip(pca, v, strict=True)) for n, v in errors.items()}
    best = max(factor, key=lambda n: factor[n])
    text = [
        "A wider code loses less. PCA is the best linear map there is; curved maps should lie below "
        f"it while the code is narrow. On the {rows}, {'; '.join(verdicts)}. The largest gain is "
        f"that of {best}: PCA's error is up to {factor[best]:.1f} times as large."
    ]
    figure = plots.error_against_width(widths, errors, pca, unit)
    alt = "Error against the width of the code"
    return Section("Error against PCA", text, [line_picture(figure, alt)])


# -- noise -------------------------------------------------------------------------------------------


def denoised_images_section(
    facts: Sequence[Facts], denoised: Sequence[Denoised | None], examples: Examples
) -> Section | None:
    """Return noisy images and what models make of them, for models trained with a corruption."""
    pictures = []
    for f, d in zip(facts, denoised, strict=True):
        if d is None:
            continue
        noisy, clean = examples.shown(d.noisy), examples.shown(d.clean)
        figure = plots.denoised(examples.values[examples.chosen], noisy, clean)
        alt = "Rows of images: original, noisy and denoised"
        pictures.append(pixel_picture(figure, alt, _noise_sentence(f), wide=True))
    text = [
        "The rows are corrupted as in training, with noise the model has not seen, and then "
        "reconstructed: the last row should look like the first, not like the second. Values beyond "
        "the range of the originals are cut in the picture only.",
        *same_noise_sentence(facts),
    ]
    return Section("Noisy and denoised", text, pictures) if pictures else None


def denoising_section(facts: Sequence[Facts], rows: str) -> Section | None:
    """Return how much of the corruption the models undo, if there is nothing to look at."""
    sentences = [_noise_sentence(f) for f in facts if f["denoising"]]
    text = [f"The {rows} are corrupted as in training, and then reconstructed.", *sentences]
    return Section("Noisy and denoised", text) if sentences else None


def _noise_sentence(f: Facts) -> str:
    d = f["denoising"]
    if "changed" in d:
        return _restored_sentence(f["name"], d)
    noisy, left = d["noisy_error"], d["denoised_error"]
    share = f", {percent_text(left / noisy)} of it" if noisy else ""
    return (
        f"{f['name']}: the corruption {d['text']} adds a squared error of {number_text(noisy)} per "
        f"value, and the model leaves {number_text(left)}{share}."
    )


def _restored_sentence(name: str, d: Facts) -> str:
    changed = (
        f"{name}: the corruption {d['text']} changes {percent_text(d['changed'], 1)} of the cells"
    )
    if d["restored"] is None:
        return f"{changed}."
    return (
        f"{changed}, and the model brings {percent_text(d['restored'])} of them back: to the right "
        "level, or to a number nearer to the right one than what was put in its place."
    )


def same_noise_sentence(facts: Sequence[Facts]) -> list[str]:
    """Return which of several models leaves least of the same noise."""
    known = [f for f in facts if "noisy_error" in (f["denoising"] or {})]
    noises = {(f["denoising"]["text"], number_text(f["denoising"]["noisy_error"])) for f in known}
    if len(known) < 2 or len(noises) > 1:
        return []
    best, *others = sorted(known, key=lambda f: f["denoising"]["denoised_error"])
    least, *more = (number_text(f["denoising"]["denoised_error"]) for f in (best, *others))
    left = listed([f"{f['name']} leaves {m}" for f, m in zip(others, more, strict=True)], "and")
    return [
        f"Of the same noise the {best['name']} model leaves least, a squared error of {least} per "
        f"value; {left}."
    ]


# -- filters -----------------------------------------------------------------------------------------


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


def filters_section(measured: Sequence[Measured], images: np.ndarray) -> Section | None:
    """Return what the units of first layers look for, as images."""
    found = [_first_filters(m, images.shape[1:]) for m in measured]
    # Those of about the same height beside each other.
    known = sorted((f for f in found if f is not None), key=lambda f: f.shown)
    pictures = [_filters_picture(f) for f in known]
    return Section("Learned filters", [_filters_text(known)], pictures) if known else None


def _first_filters(measured: Measured, shape: tuple[int, ...]) -> Filters | None:
    model, layer = measured.model, measured.model.net_.encoder[0]
    weight = np.asarray(layer.weight, float)
    convolutional = isinstance(layer, ConvLayer)
    if convolutional and layer.shapes[0] == shape:
        shape = weight.shape[:-1]
        worth = weight.reshape(-1, weight.shape[-1])
    elif not convolutional and len(weight) == np.prod(shape):
        # A pixel that hardly varies may have any weight: what counts is what it contributes.
        scaled = model.scaler_.forward(measured.rows, model.dtype)
        worth = weight * scaled.astype(float).std(axis=0)[:, None]
    else:
        return None
    order = np.argsort(-np.linalg.norm(worth, axis=0), kind="stable")
    return Filters(measured.name, worth[:, order], shape, convolutional)


def _filters_picture(f: Filters) -> Picture:
    label = "Weight" if f.convolutional else "Weight x deviation of the pixel"
    figure = plots.filters(f.weights[:, : f.shown], f.shape, label)
    count = f.weights.shape[1]
    which = f"all {count}" if count == f.shown else f"the strongest {f.shown} of {count}"
    what = f"filters of the first layer, {shape_text(f.shape[:2])} pixels"
    caption = f"{f.name}: {which} {what if f.convolutional else 'units of the first layer'}."
    return pixel_picture(figure, f"Filters of {f.name}", caption, half=True)


def _filters_text(known: Sequence[Filters]) -> str:
    sentences = ["Each tile is a unit of the first layer, the strongest first."]
    if known[0].shape[-1] == 3:
        sentences.append(
            "In a picture grey is a weight of 0. A colour that is brighter there, red, green or blue, "
            "switches the unit on; one that is darker switches it off."
        )
    else:
        sentences.append("Red pixels switch it on, blue ones off.")
    if not all(f.convolutional for f in known):
        sentences.append(
            "If each pixel has a weight of its own, it is multiplied by the pixel's standard "
            "deviation, since the weight of a pixel that never changes says nothing. Strokes and "
            "spots are features; speckle without form is chance."
        )
    if any(f.convolutional for f in known):
        sentences.append(
            "A convolutional filter is as small as its kernel, and looks for the same thing "
            "everywhere in the image."
        )
    return " ".join(sentences)


# -- activation maps ---------------------------------------------------------------------------------


def maps_section(passes: ModelPasses, examples: Examples) -> Section | None:
    """Return the feature maps of a few images, for models with convolutional layers."""
    few = min(len(examples.chosen), MOST_MAPPED)
    spread = np.linspace(0, len(examples.chosen) - 1, few).round().astype(int)
    chosen = [examples.chosen[i] for i in spread]
    names = [examples.names[i] for i in spread] if examples.names else []
    images, some = examples.values[chosen], passes.rows(passes.sample[chosen])
    pictures, most = [], 0
    for m in passes.measured:
        counts = _map_counts(m.model, images.shape[1:])
        if not counts:
            continue
        layers = dict(_active_maps(m.model, some, i, count) for i, count in enumerate(counts))
        half, most = len(counts) < 3, max([most, *counts])
        alt = f"Images and their activation maps in {m.name}"
        figure = plots.maps(images, layers, names)
        pictures.append(pixel_picture(figure, alt, f"{m.name}.", half, wide=not half))
    return Section("Activation maps", [_maps_text(most)], pictures) if pictures else None


def _map_counts(model: Autoencoder, shape: tuple[int, ...]) -> list[int]:
    """Return how many maps each convolutional layer makes of images; none if it takes others."""
    encoder = model.net_.encoder
    if encoder[0].shapes[0] != shape:
        return []
    return [layer.shapes[1][-1] for layer in encoder if isinstance(layer, ConvLayer)]


def _active_maps(model: Autoencoder, X: ArrayLike, i: int, count: int) -> tuple[str, np.ndarray]:
    """Return what to call the i-th layer, and the most active of its maps of rows."""
    maps = np.asarray(model.encode_maps(X, i + 1), float)
    size = np.abs(maps).mean(axis=(0, 1, 2))
    maps = maps[..., np.argsort(-size, kind="stable")[:MOST_MAPS]]
    few = f"{maps.shape[-1]} of {count}" if maps.shape[-1] < count else str(count)
    kind = "map" if count == 1 else "maps"
    return f"layer {i + 1}\n{shape_text(maps.shape[1:3])}, {few} {kind}", maps


def _maps_text(most: int) -> str:
    text = (
        "What each convolutional layer makes of an image: a map for each of its filters, which shows "
        "where in the image the filter found what it looks for. Red is above 0, blue below and white "
        "0, on one scale for each layer. A map is smaller than the image if the filters move by more "
        "than a pixel."
    )
    if most > MOST_MAPS:
        text += (
            f" Of a layer at most {MOST_MAPS} maps are drawn: those with the largest activations, on "
            "average over these images."
        )
    return text
