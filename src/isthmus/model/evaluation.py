"""What a fitted model is worth: its errors beside baselines, its code, a summary in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from isthmus.autoencoder.run import Run
from isthmus.model.baselines import (
    pca_axes,
    pca_reconstruction,
    warn_of_codes,
    warn_of_errors,
    warn_user,
)
from isthmus.model.scaling import blocks
from isthmus.nets.activations import ACTIVATIONS
from isthmus.training.measures import code_moments, column_shares, losses_of_pairs
from isthmus.training.runtime import computing
from isthmus.training.trainer import map_batches, traced


def evaluate_run(estimator: Any, run: Run) -> None:
    """Set `baseline_` and `mean_activation_`, and remember how much each code unit varies."""
    measure_codes(estimator, run.rows.x, run.rows.weight)
    estimator.baseline_ = measure_errors(estimator, run)


def measure_codes(estimator: Any, x: np.ndarray, weight: np.ndarray) -> None:
    """Set the mean activity and the deviation of each code unit, in one clean pass over rows."""
    objective = traced(estimator.slots_.objective(), estimator.dtype)
    net = estimator.net_
    low, high = ACTIVATIONS[net.code_activation].bounds or (0.0, 1.0)
    mean, variance = code_moments(objective, net, x, weight / weight.sum())
    estimator.mean_activation_ = (mean - low) / (high - low)
    estimator._code_deviation = np.sqrt(variance) / (high - low)


def measure_errors(estimator: Any, run: Run) -> dict[str, Any]:
    """Return the errors of the model, the mean predictor and PCA on held-out rows if there are any."""
    rows, k = run.rows, estimator.net_.n_components
    x, weight = rows.judged
    objective = traced(estimator.slots_.objective(), estimator.dtype)
    mean, axes = pca_axes(rows.x, rows.weight, k)
    inverse, total = estimator.scaler_.inverse, weight.sum()
    sums: dict[str, float] = {}
    for b in blocks(x):
        model = map_batches("reconstruct", objective, estimator.net_, x[b], lambda r: r)
        pca = pca_reconstruction(x[b], mean, axes).astype(estimator.dtype)
        original = inverse(x[b])
        guesses = {"model": model, "mean": np.broadcast_to(mean, x[b].shape), "pca": pca}
        guesses["least"] = x[b]
        for name, guess in guesses.items():
            guess = inside_domain(estimator, guess.astype(estimator.dtype))
            errors = losses_of_pairs(objective, guess, x[b])
            sums[name] = sums.get(name, 0.0) + float(weight[b] @ errors) / total
            raw = np.mean((inverse(guess) - original) ** 2, axis=1)
            sums[f"{name}_raw"] = sums.get(f"{name}_raw", 0.0) + float(weight[b] @ raw) / total
        if estimator.slots_.loss.likelihood:
            nats = losses_of_pairs(objective, model, x[b], nats=True)
            sums["nats"] = sums.get("nats", 0.0) + float(weight[b] @ nats) / total
    del sums["least_raw"]
    score = explained_share(sums["model"] - sums["least"], sums["mean"] - sums["least"])
    return {"rows": "held-out" if rows.held_out else "training", "score": score, **sums}


def column_losses(
    estimator: Any, rows: np.ndarray, again: np.ndarray, *, above_least: bool = False
) -> np.ndarray:
    """Return what each column adds to the loss of flat rows and their reconstructions, (n, d)."""
    check_by_column(estimator.slots_.loss)
    forward = estimator.scaler_.forward
    with computing(estimator.dtype, estimator.device):
        objective = traced(estimator.slots_.objective(), estimator.dtype)
        x, x_out = (forward(values, estimator.dtype) for values in (rows, again))
        return column_shares(objective, x_out, x, above_least=above_least)


def check_by_column(loss: Any) -> None:
    """Raise a ValueError for a loss that is no sum over columns."""
    if not loss.by_column:
        name = loss.name or repr(getattr(loss, "function", loss))
        raise ValueError(f"The loss {name} is no sum over columns, so it explains none.")


def inside_domain(estimator: Any, x: np.ndarray) -> np.ndarray:
    """Clip a guess to where the loss is defined."""
    low, high = estimator.slots_.loss.domain
    return np.clip(x, low, high) if np.isfinite(low) else x


def reference_errors(estimator: Any, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row the loss of predicting the training mean, and of the row itself."""
    objective = traced(estimator.slots_.objective(), estimator.dtype)
    mean, least = [], []
    for b in blocks(X):
        x = inside_domain(estimator, estimator.scaler_.forward(X[b], estimator.dtype))
        guess = np.broadcast_to(inside_domain(estimator, estimator._mean_row), x.shape)
        mean.append(losses_of_pairs(objective, guess, x))
        least.append(losses_of_pairs(objective, x, x))
    return np.concatenate(mean), np.concatenate(least)


def explained_share(model: float, mean: float) -> float:
    """Return `1 - model / mean`; where there is nothing to explain, 1 for no error and else 0."""
    return float(1 - model / mean) if mean > 0 else float(model <= 0)


def warn_of_results(estimator: Any) -> None:
    """Warn where the model does not beat its baselines or its code is dead."""
    net, baseline = estimator.net_, estimator.baseline_
    if baseline["mean"] <= baseline["least"]:
        warn_user("All rows are equal: there is nothing to learn.", stacklevel=5)
        return
    overcomplete = net.n_components >= net.n_features
    maps = estimator._code_deviation.reshape(-1, len(net.encoder[-1].bias))
    warn_of_codes(maps.max(axis=0))  # of a map, some places always are padding
    warn_of_errors(estimator.baseline_, len(net.encoder), overcomplete)


def summary_text(estimator: Any) -> str:
    """Return layers, parameters, final terms and baselines as text."""
    net, slots = estimator.net_, estimator.slots_
    lines = [
        f"Autoencoder: {estimator.n_features_in_} features, {estimator._n_features_out} components"
    ]
    for name, part in zip(slots._fields, slots, strict=True):
        parts = part if isinstance(part, tuple) else (part,)
        text = " + ".join(p.to_string() for p in parts if p is not None)
        lines.append(f"  {name:<13} {text or 'none'}")
    lines.append(f"  scaling       {estimator.scaling_!s}")
    lines.append("Layers")
    sides = [("encoder", net.encoder), ("decoder", net.decoder[::-1])][: 2 if net.decoder else 1]
    for kind, layers in sides:
        lines += [f"  {kind} {line}" for line in _layers(net, layers, kind)]
    lines.append(f"  {estimator.n_parameters_:,} parameters")
    lines += _final_terms(estimator) + _baseline_lines(estimator)
    return "\n".join(lines)


def _layers(net: Any, layers: Any, kind: str) -> list[str]:
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


def last_terms(history: Mapping[str, Sequence[Any]]) -> dict[str, float]:
    """Return the last measured value of the loss and of each of its terms."""
    aside = ("phase", "epoch", "learning_rate", "seconds")
    measured = {
        name: [v for v in values if v == v] for name, values in history.items() if name not in aside
    }
    return {name: float(values[-1]) for name, values in measured.items() if values}


def _final_terms(estimator: Any) -> list[str]:
    history = estimator.history_
    if not history.get("epoch"):
        return []
    terms = ", ".join(f"{name} {value:.4g}" for name, value in last_terms(history).items())
    seconds = history["seconds"][-1]
    return [f"After {estimator.n_iter_} epochs and {seconds:.1f} s: {terms}"]


def _baseline_lines(estimator: Any) -> list[str]:
    baseline = getattr(estimator, "baseline_", None)
    if not baseline:
        return []
    lines = [f"Error on the {baseline['rows']} rows (in the loss's units; squared, in the data's)"]
    for name, label in (("model", "model"), ("pca", "PCA, same width"), ("mean", "mean predictor")):
        lines.append(f"  {label:<15} {baseline[name]:<10.4g} {baseline[f'{name}_raw']:.4g}")
    if "nats" in baseline:
        lines.append(f"  {baseline['nats']:.4g} nats per row")
    return lines
