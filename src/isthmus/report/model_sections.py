"""The sections of a report: figures, each with a sentence or two that the facts fill.

A section appears only where it says something about these models and rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isthmus import plots
from isthmus.report.blocks import Section, listed, number, png, svg
from isthmus.report.facts import Facts, alike, corrupted
from isthmus.report.features import filters, maps

Models = Mapping[str, Any]
MOST_COLUMNS = 20
MOST_SIGNALS = 4
TYPICAL = "Of each label the row nearest to the label's mean is shown. "


def standard(
    models: Models, facts: Sequence[Facts], X: Any, y: Any, shape: Any, rows: str
) -> list[Section]:
    """Return the sections that any models on any rows can have.

    `shape` is (h, w, c) of images, (length, c) of signals, or else of no matter.
    """
    found: list[Section | None] = [losses(models, facts)]
    if shape is not None and len(shape) == 3 and shape[2] in (1, 3):
        found += of_images(models, facts, X, y, shape, rows)
    elif shape is not None and len(shape) == 2:
        found += [signals(models, facts, X, y, shape, rows), undone(facts, rows)]
    else:
        found += [columns(facts, rows), undone(facts, rows)]
    found += [activations(models, facts)]
    return [section for section in found if section is not None]


def of_images(
    models: Models, facts: Sequence[Facts], X: Any, y: Any, shape: Any, rows: str
) -> list[Section | None]:
    """Return the sections that show images."""
    images = _shaped(X, shape)
    chosen = examples(images, y)
    kinds = 0 if y is None else len(np.unique(np.asarray(y)))
    names = [str(np.asarray(y)[i]) for i in chosen] if kinds == len(chosen) else []
    return [
        pairs(models, facts, X, images, chosen, names, rows),
        denoised(models, facts, X, images, chosen),
        filters(models, images),
        maps(models, X, images, chosen, names),
    ]


def losses(models: Models, facts: Sequence[Facts]) -> Section | None:
    """Return the losses of each model against the epoch."""
    pictures = []
    for (name, model), f in zip(models.items(), facts, strict=True):
        if len(model.history_.get("epoch", ())) < 2:
            continue
        terms = {k: v for k, v in f["terms"].items() if k not in ("loss", "validation_loss")}
        said = ", ".join(f"{k} {number(v)}" for k, v in terms.items())
        held = f["terms"].get("validation_loss")
        after = f"; {number(held)} on the held-out rows" if held is not None else ""
        spent = ", ".join(f"{p['name']}: {p['epochs']}" for p in f["phases"])
        epochs = f"{f['epochs']} epochs" + (f" ({spent})" if len(f["phases"]) > 1 else "")
        caption = f"{name}: after {epochs} {said}{after}."
        pictures.append(svg(plots.losses(model.history_), f"Losses of {name}", caption, half=True))
    text = [
        "The loss should fall and level out; a sparsity's term may rise first, while the units "
        "become different. The curve of the held-out rows should follow "
        "the training's; where it turns up, the model has begun to memorise. Corruption and "
        "dropout act in training only, and so a denoising model does better on clean held-out rows."
    ]
    if any(p["name"].startswith("layer ") for f in facts for p in f["phases"]):
        text.append(
            "A model trained layer by layer has a phase for each layer, in which it learns to code "
            "what the layers below make of the rows, and a last one, fit, for all layers together. "
            "Each phase has a loss of its own: heights compare within a phase only."
        )
    return Section("Losses by epoch", text, pictures) if pictures else None


def pairs(
    models: Models,
    facts: Sequence[Facts],
    X: Any,
    images: np.ndarray,
    chosen: Sequence[int],
    names: Sequence[str],
    rows: str,
) -> Section:
    """Return originals above what each model makes of them."""
    made = {name: _rows(model.reconstruct(X), images)[chosen] for name, model in models.items()}
    errors = ", ".join(f"{f['name']} {number(f['raw_error'])}" for f in facts)
    text = [
        "The top row is the input; below it is what each model makes of it. The reconstructions "
        f"should be recognisable and a little smoother. {TYPICAL if names else ''}Squared error per "
        f"pixel on the {rows}, in the data's units: {errors}."
    ]
    figure = plots.pairs(images[chosen], made, names)
    alt = "Rows of images: originals, then reconstructions by each model"
    return Section("Originals and reconstructions", text, [png(figure, alt, wide=True)])


def signals(
    models: Models, facts: Sequence[Facts], X: Any, y: Any, shape: Any, rows: str
) -> Section:
    """Return signals and what each model makes of them."""
    values = _shaped(X, shape)
    chosen = examples(values, y, MOST_SIGNALS)
    made = {name: _rows(model.reconstruct(X), values)[chosen] for name, model in models.items()}
    errors = ", ".join(f"{f['name']} {number(f['raw_error'])}" for f in facts)
    text = [
        f"Some of the {rows}, and what each model makes of them. Squared error per value, in the "
        f"data's units: {errors}."
    ]
    figure = plots.signals(values[chosen], made)
    return Section("Originals and reconstructions", text, [svg(figure, "Signals as lines")])


def denoised(
    models: Models,
    facts: Sequence[Facts],
    X: Any,
    images: np.ndarray,
    chosen: Sequence[int],
) -> Section | None:
    """Return noisy images against denoised ones, for models trained with a corruption."""
    pictures = []
    for (name, model), f in zip(models.items(), facts, strict=True):
        d = f["denoising"]
        if d is None:
            continue
        values = corrupted(model, X)
        noisy, clean = (_rows(v, images) for v in (values, model.reconstruct(alike(values, X))))
        figure = plots.denoised(images[chosen], noisy[chosen], clean[chosen])
        alt = "Rows of images: original, noisy and denoised"
        pictures.append(png(figure, alt, _noise(name, d), wide=True))
    text = [
        "The rows are corrupted as in training, with noise the model has not seen, and then "
        "reconstructed: the last row should look like the first, not like the second. Values beyond "
        "the range of the originals are cut in the picture only.",
        *_same_noise(facts),
    ]
    return Section("Noisy and denoised", text, pictures) if pictures else None


def undone(facts: Sequence[Facts], rows: str) -> Section | None:
    """Return how much of the corruption the models undo, where there is nothing to look at."""
    said = [_noise(f["name"], f["denoising"]) for f in facts if f["denoising"]]
    text = [f"The {rows} are corrupted as in training, and then reconstructed.", *said]
    return Section("Noisy and denoised", text, []) if said else None


def _noise(name: str, d: Facts) -> str:
    noisy, denoised = d["noisy_error"], d["denoised_error"]
    share = f", {100 * denoised / noisy:.0f} % of it" if noisy else ""
    return (
        f"{name}: the corruption {d['text']} puts the values off by {number(noisy)} squared units "
        f"each, and the model brings that to {number(denoised)}{share}."
    )


def _same_noise(facts: Sequence[Facts]) -> list[str]:
    """Return which of several models undoes the same noise best."""
    known = [f for f in facts if f["denoising"]]
    alike = {(f["denoising"]["text"], number(f["denoising"]["noisy_error"])) for f in known}
    if len(known) < 2 or len(alike) > 1:
        return []
    best, *others = sorted(known, key=lambda f: f["denoising"]["denoised_error"])
    least, *more = (number(f["denoising"]["denoised_error"]) for f in (best, *others))
    left = listed([f"{f['name']} leaves {m}" for f, m in zip(others, more, strict=True)])
    return [
        f"Of the same noise the {best['name']} model leaves least, {least} squared units a value; "
        f"{left}."
    ]


def activations(models: Models, facts: Sequence[Facts]) -> Section | None:
    """Return mean activations, for models with a sparsity."""
    pictures = []
    for (name, model), f in zip(models.items(), facts, strict=True):
        s = f["sparsity"]
        if s is None:
            continue
        caption = f"{name} ({s['text']}): the largest mean is {number(s['largest'])}."
        if s["rho"] is not None:
            caption += (
                f" {s['within']} of {s['units']} units are at or below 1.1 rho = "
                f"{number(1.1 * s['rho'])}."
            )
        figure = plots.mean_activations(model, s["rho"])
        pictures.append(svg(figure, f"Mean activations of {name}", caption))
    text = [
        "How active each code unit is on average over the whole training set. A sparsity keeps the "
        "means low, so that each row is told by a few units; with KL they should lie at rho."
    ]
    return Section("Mean activations", text, pictures) if pictures else None


def columns(facts: Sequence[Facts], rows: str) -> Section | None:
    """Return which columns of a table the models lose most of."""
    pictures = []
    for f in facts:
        known = [c for c in f["columns"] if c["lost"] is not None]
        worst = sorted(known, key=lambda c: -c["lost"])[:MOST_COLUMNS]
        if not worst:
            continue
        figure = plots.column_errors([c["name"] for c in worst], [c["lost"] for c in worst])
        most = f"{f['name']}: most is lost of {worst[0]['name']}, {100 * worst[0]['lost']:.1f} %."
        pictures.append(svg(figure, f"Lost variance by column, {f['name']}", most))
    text = [
        f"How much of each column's variance on the {rows} the reconstruction misses: 0 % is a "
        "column kept whole, 100 % one answered by its mean. The columns that lose most are shown."
    ]
    return Section("What is lost, by column", text, pictures) if pictures else None


def widths(
    numbers: Sequence[int],
    errors: Mapping[str, Sequence[float]],
    pca: Sequence[float],
    unit: str,
    rows: str,
) -> Section:
    """Return the error against the width of the code, beside PCA's."""
    said = []
    for name, values in errors.items():
        below = [str(w) for w, e, p in zip(numbers, values, pca, strict=True) if e < p]
        where = f"width{'s' * (len(below) > 1)} {listed(below)}" if below else "no width"
        said.append(f"{name} is below PCA at {where}")
    factor = {n: max(p / e for p, e in zip(pca, v, strict=True)) for n, v in errors.items()}
    best = max(factor, key=lambda n: factor[n])
    text = [
        "A wider code loses less. PCA is the best linear map there is; curved maps should lie below "
        f"it while the code is narrow. On the {rows}, {'; '.join(said)}. The largest gain is that "
        f"of {best}: PCA's error is up to {factor[best]:.1f} times as large."
    ]
    figure = plots.error_against_width(numbers, errors, pca, unit)
    return Section("Error against PCA", text, [svg(figure, "Error against the width of the code")])


def examples(images: np.ndarray, y: Any, most: int = 10) -> list[int]:
    """Choose rows to show: the most typical of each label where there are few, else evenly spaced."""
    kinds: Any = [] if y is None else np.unique(np.asarray(y))
    if not 5 <= len(kinds) <= most:
        return [int(i) for i in np.linspace(0, len(images) - 1, min(len(images), most)).round()]
    flat, chosen = images.reshape(len(images), -1), []
    for kind in kinds:
        mine = np.flatnonzero(np.asarray(y) == kind)
        far = np.sum((flat[mine] - flat[mine].mean(axis=0)) ** 2, axis=1)
        chosen.append(int(mine[np.argmin(far)]))
    return chosen


def _shaped(X: Any, shape: Sequence[int]) -> np.ndarray:
    """Return rows as images (n, h, w, c) or as signals (n, length, c)."""
    return np.asarray(X, float).reshape(-1, *shape)


def _rows(values: Any, images: np.ndarray) -> np.ndarray:
    return np.asarray(values, float).reshape(images.shape)
