"""The sections of a report: figures, each with a sentence or two that the facts fill.

A section appears only where it says something about these models and rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from isthmus import plots
from isthmus._facts import Facts, alike, corrupted

Models = Mapping[str, Any]
MOST_POINTS = 3000  # of a t-SNE picture: more take minutes and show no more
MOST_COLUMNS = 20
MOST_FILTERS = 64
TYPICAL = "Of each label the row nearest to the label's mean is shown. "


class Picture(NamedTuple):
    """A figure: its data address, what it shows in words, and a caption."""

    source: str
    alt: str
    caption: str = ""
    half: bool = False  # whether two fit beside each other


class Section(NamedTuple):
    """A heading, paragraphs and pictures."""

    title: str
    text: list[str]
    pictures: list[Picture]


def number(value: float | None) -> str:
    """Return a number to three figures, as people write it; a dash for none."""
    if value is None:
        return "\u2013"
    if value == 0 or 1e-4 <= abs(value) < 1e4:
        return f"{value:#.3g}".rstrip(".")
    return f"{value:.1e}"


def standard(
    models: Models, facts: Sequence[Facts], X: Any, y: Any, shape: Any, rows: str
) -> list[Section]:
    """Return the sections that any models on any rows can have."""
    images = _images(X, shape)
    found: list[Section | None] = [losses(models, facts)]
    if images is None:
        found += [columns(facts, rows), undone(facts, rows)]
    else:
        chosen = examples(images, y)
        kinds = 0 if y is None else len(np.unique(np.asarray(y)))
        names = [str(np.asarray(y)[i]) for i in chosen] if kinds == len(chosen) else []
        found += [pairs(models, facts, X, images, chosen, names, rows)]
        found += [denoised(models, facts, X, images, chosen)]
        found += [filters(models, images)]
    found += [activations(models, facts)]
    return [section for section in found if section is not None]


def comparison(facts: Sequence[Facts], rows: str) -> list[str]:
    """Return sentences about the table of models."""
    notes = [
        f"The score is 1 - error / error of the training mean on the {rows}: 1 is perfect and 0 is "
        "no better than always answering the mean."
    ]
    if len(facts) > 1:
        best = max(facts, key=lambda f: f["score"])
        notes.append(f"The best score is the {best['name']} model's, {best['score']:.3f}.")
    wide = [f["name"] for f in facts if f["n_components"] >= f["n_features"]]
    narrow = [f for f in facts if f["baseline"] and f["name"] not in wide]
    notes += [_beside_pca(f) for f in narrow]
    if wide:
        notes.append(
            f"No comparison with PCA for {' and '.join(wide)}: with a code as wide as the input PCA "
            "loses nothing, and only a constraint keeps a model from copying."
        )
    return notes


def _beside_pca(f: Facts) -> str:
    b = f["baseline"]
    model, pca = number(b["model"]), number(b["pca"])
    where = f"on the {b['rows']} rows, {model} against {pca}"
    if f["denoising"]:
        return (
            f"The {f['name']} model learned to undo noise rather than to copy; on clean rows its "
            f"error beside PCA's with {f['n_components']} components is, {where}."
        )
    verdict = "below" if b["model"] < b["pca"] else "not below"
    return (
        f"The {f['name']} model's error is {verdict} that of PCA with {f['n_components']} components "
        f"{where}."
    )


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
        caption = f"{name}: after {f['epochs']} epochs {said}{after}."
        pictures.append(_svg(plots.losses(model.history_), f"Losses of {name}", caption, half=True))
    text = [
        "The loss should fall and level out; a sparsity's term may rise first, while the units "
        "become different. The curve of the held-out rows should follow "
        "the training's; where it turns up, the model has begun to memorise. Corruption and "
        "dropout act in training only, and so a denoising model does better on clean held-out rows."
    ]
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
    return Section("Originals and reconstructions", text, [_png(figure, alt)])


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
        pictures.append(_png(figure, alt, _noise(name, d)))
    text = [
        "The rows are corrupted as in training, with noise the model has not seen, and then "
        "reconstructed: the last row should look like the first, not like the second. Values beyond "
        "the range of the originals are cut in the picture only."
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


def filters(models: Models, images: np.ndarray) -> Section | None:
    """Return what the first layer's units look for as images, where there is one channel."""
    if images.ndim == 4 and images.shape[3] > 1:
        return None
    pictures, side = [], (images.shape[1], images.shape[2])
    for name, model in models.items():
        weight = np.asarray(model.net_.encoder[0].weight, float)
        if weight.shape[0] != side[0] * side[1]:
            continue
        # A pixel that hardly varies may have any weight: what counts is what it contributes.
        worth = weight * _scaled_deviation(model, images)[:, None]
        order = np.argsort(-np.linalg.norm(worth, axis=0), kind="stable")[:MOST_FILTERS]
        figure = plots.filters(worth[:, order], side, "Weight x deviation of the pixel")
        count = weight.shape[1]
        which = (
            f"all {count}" if count <= MOST_FILTERS else f"the strongest {len(order)} of {count}"
        )
        caption = f"{name}: {which} units of the first layer."
        pictures.append(_png(figure, f"Filters of {name}", caption, half=True))
    text = [
        "A tile for each unit of the first layer, the strongest first: red pixels switch it on, blue "
        "ones off. Each weight is multiplied by its pixel's standard deviation, since the weight of a "
        "pixel that never changes says nothing. Strokes and spots are features; speckle without form "
        "is chance."
    ]
    return Section("Learned filters", text, pictures) if pictures else None


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
        pictures.append(_svg(figure, f"Mean activations of {name}", caption))
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
        pictures.append(_svg(figure, f"Lost variance by column, {f['name']}", most))
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
        said.append(f"{name} is below PCA at {_listed(below)}")
    factor = {n: max(p / e for p, e in zip(pca, v, strict=True)) for n, v in errors.items()}
    best = max(factor, key=lambda n: factor[n])
    text = [
        "A wider code loses less. PCA is the best linear map there is; curved maps should lie below "
        f"it while the code is narrow. On the {rows}, {'; '.join(said)}. The largest gain is that "
        f"of {best}: PCA's error is up to {factor[best]:.1f} times as large."
    ]
    figure = plots.error_against_width(numbers, errors, pca, unit)
    return Section("Error against PCA", text, [_svg(figure, "Error against the width of the code")])


def embedding(
    name: str, model: Any, X: Any, y: Any = None, rows: str = "rows", random_state: int = 0
) -> Section:
    """Return the codes of a model drawn in the plane by t-SNE."""
    codes = np.asarray(model.transform(X))
    keep = np.arange(len(codes))
    if len(codes) > MOST_POINTS:
        keep = np.random.default_rng(random_state).permutation(len(codes))[:MOST_POINTS]
    near = min(30.0, (len(keep) - 1) / 3)
    draw = TSNE(init="pca", perplexity=near, random_state=random_state)
    if codes.shape[1] < 2:
        draw.set_params(init="random")
    with threadpool_limits(1):  # on a busy CPU its threads wait for each other many times as long
        points = draw.fit_transform(codes[keep])
    text = [
        f"The codes of {name}, {codes.shape[1]} numbers for each of {len(keep):,} {rows}, laid out "
        "in the plane so that neighbours stay neighbours. The axes and the distances between "
        "groups have no unit."
    ]
    labels = None if y is None else np.asarray(y)[keep]
    if labels is not None:
        share = _alike(points, labels)
        text.append(
            "The model never saw a label, and yet rows of one label lie together: the nearest "
            f"neighbour in the picture has the same label for {100 * share:.1f} % of the points."
            if share > 0.5 and len(np.unique(labels)) <= len(plots.CLASSES)
            else "The colours are the labels, which the model never saw."
        )
    figure = plots.embedding(points, labels)
    return Section("Codes in the plane (t-SNE)", text, [_png(figure, "t-SNE of the codes")])


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


def _scaled_deviation(model: Any, images: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each input, in the units that the first layer sees."""
    flat = images.reshape(len(images), -1)
    deviation: np.ndarray = model.scaler_.forward(flat, model.dtype).astype(float).std(axis=0)
    return deviation


def _alike(points: np.ndarray, labels: np.ndarray) -> float:
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=1).fit(points).kneighbors(return_distance=False)[:, 0]
    return float(np.mean(labels[near] == labels))


def _images(X: Any, shape: Any) -> np.ndarray | None:
    """Return rows as images (n, h, w[, c]), or None where they are none."""
    if shape is None or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3)):
        return None
    values = np.asarray(X, float)
    if values[0].size != int(np.prod(shape)):
        raise ValueError(
            f"image_shape={tuple(shape)} holds {int(np.prod(shape))} values, but the rows have "
            f"{values[0].size}."
        )
    return values.reshape(-1, *shape)


def _rows(values: Any, images: np.ndarray) -> np.ndarray:
    return np.asarray(values, float).reshape(images.shape)


def _listed(words: Sequence[str]) -> str:
    if not words:
        return "no width"
    return f"width {words[0]}" if len(words) == 1 else f"widths {', '.join(words)}"


def _svg(figure: Figure, alt: str, caption: str = "", half: bool = False) -> Picture:
    return Picture(plots.as_svg(figure), alt, caption, half)


def _png(figure: Figure, alt: str, caption: str = "", half: bool = False) -> Picture:
    return Picture(plots.as_png(figure), alt, caption, half)
