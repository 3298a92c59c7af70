"""What a fitted model is worth: its errors beside baselines, its code, a summary in words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from isthmus.model.baselines import Baseline, explained_share, pca_axes, pca_reconstruction
from isthmus.model.fitted import last_terms
from isthmus.model.gaps import measure_gaps
from isthmus.model.mixing import answers_of_wide
from isthmus.model.scaling import blocks
from isthmus.model.tasks import measure_task_errors
from isthmus.nets import ACTIVATIONS
from isthmus.parts import plan
from isthmus.training import code_moments, losses_of_pairs, map_batches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.model.fitted import Fitted
    from isthmus.model.model import Model
    from isthmus.nets import Layer, Net
    from isthmus.parts import Mixed
    from isthmus.training import ScaledRows

PCA_VALUES = 2**25  # of mixed rows, that PCA is made of


def evaluated(fitted: Fitted, rows: ScaledRows) -> Fitted:
    """Return the same with baselines, its code's activity and, of tables, what it knows of gaps.

    All is measured on the fit's rows.
    """
    model = fitted.model
    errors, gaps = measure_errors(model, rows), measure_gaps(model, rows)
    return replace(with_activity(fitted, rows), baseline=errors, gaps=gaps)


def with_activity(fitted: Fitted, rows: ScaledRows) -> Fitted:
    """Return the same with the mean activity and the deviation of each code unit.

    One clean pass over the rows trained on; bounded activations are rescaled to [0, 1].
    """
    model, weight = fitted.model, rows.weight / rows.weight.sum()
    low, high = ACTIVATIONS[model.net.code_activation].bounds or (0.0, 1.0)
    mean, variance = code_moments(model.objective, model.net, rows.x, weight)
    return replace(
        fitted,
        mean_activation=(mean - low) / (high - low),
        code_deviation=np.sqrt(variance) / (high - low),
    )


def measure_errors(model: Model, rows: ScaledRows) -> Baseline:
    """Return the errors of the model, the mean predictor and PCA on held-out rows if there are any."""
    if model.mixed is not None:
        return measure_mixed_errors(model, model.mixed, rows)
    if model.objective.by_task(model.net):
        return measure_task_errors(model, rows)
    x, weight = rows.judged
    objective, inverse, total = model.objective, model.scaler.inverse, weight.sum()
    mean, axes = pca_axes(rows.x, rows.weight, model.n_components)
    sums: dict[str, float] = {}
    for b in blocks(x):
        again = map_batches("reconstruct", objective, model.net, x[b], lambda r: r)
        pca = pca_reconstruction(x[b], mean, axes).astype(model.dtype)
        original = inverse(x[b])
        guesses = {"model": again, "mean": np.broadcast_to(mean, x[b].shape), "pca": pca}
        guesses["least"] = x[b]
        for name, guess in guesses.items():
            guess = model.inside_domain(guess.astype(model.dtype))
            errors = losses_of_pairs(objective, guess, x[b])
            sums[name] = sums.get(name, 0.0) + float(weight[b] @ errors) / total
            raw = np.mean((inverse(guess) - original) ** 2, axis=1)
            sums[f"{name}_raw"] = sums.get(f"{name}_raw", 0.0) + float(weight[b] @ raw) / total
        if model.slots.loss.likelihood:
            nats = losses_of_pairs(objective, again, x[b], nats=True)
            sums["nats"] = sums.get("nats", 0.0) + float(weight[b] @ nats) / total
    del sums["least_raw"]
    score = explained_share(sums["model"] - sums["least"], sums["mean"] - sums["least"])
    return {"rows": "held-out" if rows.held_out else "training", "score": score, **sums}


def measure_mixed_errors(model: Model, loss: Mixed, rows: ScaledRows) -> Baseline:
    """Return the errors on rows of mixed types; raw ones are squared errors of numbers that are there.

    PCA is that of what the encoder sees, on some of the rows where there are many values.
    """
    x, weight = rows.judged
    objective, total = model.objective, weight.sum()
    some = slice(None, None, max(len(rows.x) * loss.width // PCA_VALUES, 1))
    wide = map_batches("seen", objective, model.net, rows.x[some], lambda r: r)
    mean, axes = pca_axes(wide, rows.weight[some], model.n_components)
    numbers = plan(loss.layout).numbers
    k, inverse = len(numbers), model.scaler.inverse
    sums = dict.fromkeys(
        (f"{n}{raw}" for n in ("model", "mean", "pca") for raw in ("", "_raw")), 0.0
    )
    for b in model.blocks(x, 2**20):
        seen = map_batches("seen", objective, model.net, x[b], lambda r: r)
        again = pca_reconstruction(seen, mean, axes)
        guesses = {
            "model": map_batches("reconstruct", objective, model.net, x[b], lambda r: r),
            "mean": np.broadcast_to(loss.constant, seen.shape),
            "pca": answers_of_wide(loss, again),
        }
        there, original = ~np.isnan(x[b][:, numbers]), inverse(x[b])
        for name, guess in guesses.items():
            errors = losses_of_pairs(objective, guess.astype(model.dtype), x[b])
            sums[name] += float(weight[b] @ errors) / total
            answers = np.zeros(x[b].shape)
            answers[:, numbers] = guess[:, :k]
            gap = np.where(there, (inverse(answers) - original)[:, numbers], 0)
            raw = (gap**2).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
            sums[f"{name}_raw"] += float(weight[b] @ raw) / total
    score = explained_share(sums["model"], sums["mean"])
    rows_named = "held-out" if rows.held_out else "training"
    return {"rows": rows_named, "score": score, **sums, "least": 0.0}


def reference_errors(model: Model, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row the loss of predicting the training mean, and of the row itself."""
    mean, least, objective = [], [], model.objective
    with model.computing():
        for b in blocks(X):
            x = model.scaled(X[b])
            answer = model.inside_domain(model.mean_row)
            guess = np.broadcast_to(answer, (len(x), len(answer)))
            mean.append(losses_of_pairs(objective, guess, x))
            if model.mixed is not None:
                least.append(np.zeros(len(x)))
                continue
            least.append(losses_of_pairs(objective, model.inside_domain(x), x))
    return np.concatenate(mean), np.concatenate(least)


# -- in words --------------------------------------------------------------------------------------


def summary_text(fitted: Fitted) -> str:
    """Return layers, parameters, final terms and baselines as text."""
    lines = [model_text(fitted.model)]
    if fitted.history.get("epoch"):
        terms = ", ".join(f"{k} {value:.4g}" for k, value in last_terms(fitted.history).items())
        seconds = fitted.history["seconds"][-1]
        lines.append(f"After {fitted.n_iter} epochs and {seconds:.1f} s: {terms}")
    return "\n".join(lines + _baseline_lines(fitted.baseline))


def model_text(model: Model) -> str:
    """Return slots, layers and parameters of a model as text."""
    net, slots = model.net, model.slots
    lines = [f"Autoencoder: {model.n_features} features, {model.n_components} components"]
    for name, part in zip(slots._fields, slots, strict=True):
        parts = part if isinstance(part, tuple) else (part,)
        text = " + ".join(p.to_string() for p in parts if p is not None)
        lines.append(f"  {name:<13} {text or 'none'}")
    lines.append(f"  scaling       {model.scaling!s}")
    if model.schema is not None:
        lines += ["Columns", *(f"  {line}" for line in model.schema.text().splitlines())]
    lines.append("Layers")
    sides = [("encoder", net.encoder), ("decoder", net.decoder[::-1])][: 2 if net.decoder else 1]
    for kind, layers in sides:
        lines += [f"  {kind} {line}" for line in _layer_lines(net, layers, kind)]
    return "\n".join([*lines, f"  {model.n_parameters:,} parameters"])


def _layer_lines(net: Net, layers: Sequence[Layer], kind: str) -> list[str]:
    """Return shapes and activation of each layer of one side, the decoder's outermost last."""
    shapes = [layer.shapes for layer in net.encoder]
    pairs = shapes if kind == "encoder" else [shape[::-1] for shape in shapes[::-1]]
    words = [["x".join(map(str, shape)) for shape in pair] for pair in pairs]
    wide = max(len(w) for pair in words for w in pair)
    return [
        f"{before:>{wide}} -> {behind:<{wide}}  {layer.activation}"
        + " (tied)" * (layer.weight is None)
        for (before, behind), layer in zip(words, layers, strict=True)
    ]


def _baseline_lines(baseline: Baseline | None) -> list[str]:
    if not baseline:
        return []
    known = {"model": "model", "pca": "PCA, same width", "mean": "mean predictor"}
    of = ""
    if np.isnan(baseline["pca"]):  # it sees what the model was asked for
        del known["pca"]
        of = ", corrupted as in training"
    lines = [
        f"Error on the {baseline['rows']} rows{of} (in the loss's units; squared, in the data's)"
    ]
    for name, label in known.items():
        lines.append(f"  {label:<15} {baseline[name]:<10.4g} {baseline[f'{name}_raw']:.4g}")
    if "nats" in baseline:
        lines.append(f"  {baseline['nats']:.4g} nats per row")
    return lines
