"""Facts about fitted models and detectors that need no rows, as plain data."""

from __future__ import annotations

import inspect
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.model import last_terms
from isthmus.outliers import USUAL_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from isthmus.autoencoder import Autoencoder
    from isthmus.outliers import OutlierDetector
    from isthmus.parts import Part

Facts = dict[str, Any]  # what JSON holds, by name
MOST_EPOCHS = 500


def fitted_facts(model: Autoencoder) -> Facts:
    """Return what is known of a fitted model without any rows.

    "layers" are the shapes before, between and after the encoder's layers, as text; "phases" the
    epochs of each phase of training; "sparsity" is None for a model that has none.
    """
    return {
        "equation": equation_texts(model),
        "layers": layer_shapes(model),
        "widths": [layer.n_out for layer in model.net_.encoder],
        "n_features": int(model.n_features_in_),
        "n_components": model.net_.n_components,
        "n_parameters": int(model.n_parameters_),
        "epochs": int(model.n_iter_),
        "phases": training_phases(model.history_),
        "seconds": training_seconds(model.history_),
        "terms": last_terms(model.history_),
        "history": thinned_history(model.history_),
        "words": slot_sentences(model),
        "loss": model.slots_.unbound().loss.name,
        "n_slots": None if model.schema_ is None else model.net_.n_features,
        "baseline": getattr(model, "baseline_", None),
        "mean_activation": getattr(model, "mean_activation_", None),
        "sparsity": sparsity_facts(model),
    }


def detector_facts(detector: OutlierDetector) -> Facts:
    """Return facts about a fitted detector: its members, and what its threshold is."""
    models, first = [member.model for member in detector.members_], detector.member_autoencoder()
    held, references = detector.calibration_scores_, detector.members_[0].references
    return {
        "n_members": len(models),
        "widths": sorted({model.n_components for model in models}),
        "n_parameters": sum(int(model.n_parameters) for model in models),
        "n_draws": references.size // (references.shape[-1] * references.shape[-2]),
        "n_references": references.shape[-2],
        "rule": threshold_rule(detector),
        "threshold": None if detector.by_pvalues else float(detector.offset_),
        "n_held_out": 0 if held is None else len(held),
        "recalibrations": [done._asdict() for done in detector.recalibrations_],
        "layers": layer_shapes(first),
        "equation": equation_texts(first),
    }


def threshold_rule(detector: OutlierDetector) -> str:
    """Return in words what settled a detector's threshold."""
    crossed = "" if detector.calibration_folds_ is None else ", each row held out once"
    if detector.fdr:
        return f"p-values, for a false-discovery rate of {detector.alpha:g}{crossed}"
    if detector.alpha is not None:
        return f"p-values of at most {detector.alpha:g}{crossed}"
    if detector.target_fpr is not None:
        return f"a false-positive rate of {detector.target_fpr:g}{crossed}"
    if detector.contamination == "none":
        held = 0 if detector.calibration_scores_ is None else len(detector.calibration_scores_)
        rate = max(USUAL_RATE, 1 / (held + 1))
        where = "recent rows" if detector.recalibrations_ else "rows held out"
        return f"a false-positive rate of {rate:.2g} on {where}{crossed}"
    share = detector.contamination
    recent = " of recent rows" if detector.recalibrations_ else ""
    return f"contamination {share if isinstance(share, str) else format(share, 'g')}{recent}"


# -- slots -------------------------------------------------------------------------------------------


def slot_parts(model: Autoencoder) -> Iterator[tuple[str, tuple[Part, ...]]]:
    """Yield each slot and the parts that fill it; none, one or several."""
    for slot, part in model.slots_.unbound()._asdict().items():
        yield (
            slot,
            tuple(p for p in (part if isinstance(part, tuple) else (part,)) if p is not None),
        )


def equation_texts(model: Autoencoder) -> dict[str, str]:
    """Return what fills each slot of the equation, and the scaling, as text; "" for nothing."""
    texts = {slot: " + ".join(map(part_text, parts)) for slot, parts in slot_parts(model)}
    return {**texts, "scaling": str(model.scaling_)}


def slot_specs(model: Autoencoder) -> dict[str, str | tuple[str, ...] | None]:
    """Return what fills each slot as a spec string, or a tuple of several; None for nothing."""
    specs: dict[str, str | tuple[str, ...] | None] = {}
    for slot, parts in slot_parts(model):
        texts = tuple(map(part_text, parts))
        specs[slot] = texts if len(texts) > 1 else next(iter(texts), None)
    return specs


def slot_sentences(model: Autoencoder) -> dict[str, list[str]]:
    """Return what fills each slot in words: the first line of its own documentation."""
    return {
        slot: [f"{part_text(part)}: {_first_line(part)}" for part in parts]
        for slot, parts in slot_parts(model)
    }


def part_text(part: Part) -> str:
    """Return a part as text: of a constraint all numbers, of others what is not the default."""
    if part.name not in type(part).known:
        return str(getattr(getattr(part, "function", part), "__name__", part.name))
    if part.slot in ("architecture", "loss"):
        return part.to_string()
    fields = ",".join(f"{k}={v}" for k, v in part.get_params().items() if v is not None)
    return f"{part.name}:{fields}" if fields else part.name


def _first_line(part: Part) -> str:
    documented = getattr(part, "function", part)
    text = (inspect.getdoc(documented) or "a function of the user's").partition("\n")[0]
    return text.replace("`", "").rstrip(".")


def sparsity_facts(model: Autoencoder) -> Facts | None:
    """Return how active the code units are on average, and what the sparsity asks of them."""
    part, means = model.slots_.sparsity, getattr(model, "mean_activation_", None)
    if part is None or means is None:
        return None
    rho = getattr(part, "rho", None)
    return {
        "text": part_text(part),
        "kind": part.name,
        "rho": rho,
        "k": getattr(part, "k", None),
        "largest": float(np.max(means)),
        "within": None if rho is None else int(np.sum(means <= 1.1 * rho)),
        "units": len(means),
    }


# -- layers and training -----------------------------------------------------------------------------


def layer_shapes(model: Autoencoder) -> list[str]:
    """Return the shapes of a row from the input to the code, such as 8x8x1, 4x4x16 and 16."""
    encoder = model.net_.encoder
    shapes = [encoder[0].shapes[0], *(layer.shapes[1] for layer in encoder)]
    return ["x".join(map(str, shape)) for shape in shapes]


def known_row_shape(models: Mapping[str, Autoencoder]) -> tuple[int, ...] | None:
    """Return (h, w, c) of images, (length, c) of signals or None, as far as fitted models know."""
    first = [model.net_.encoder[0].shapes[0] for model in models.values()]
    known = [shape for shape in first if len(shape) > 1]
    if known:
        return tuple(known[0])
    fitted = [m.sample_shape_ for m in models.values() if m.sample_shape_ is not None]
    return with_channels(fitted[0]) if fitted else None


def with_channels(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of an image with its channels."""
    return (*shape, 1) if len(shape) == 2 else tuple(shape)


def training_phases(history: Mapping[str, Sequence[Any]]) -> list[Facts]:
    """Return the phases of training in turn, with their epochs."""
    return [{"name": name, "epochs": len(list(g))} for name, g in groupby(history.get("phase", ()))]


def training_seconds(history: Mapping[str, Sequence[Any]]) -> float:
    """Return the seconds of training, all phases together."""
    return float(max(history.get("seconds", ()), default=0.0))


def thinned_history(history: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """Return the history by epoch; of very long ones every so many epochs, and the last."""
    n = len(history.get("epoch", ()))
    shown = sorted({*range(0, n, -(-n // MOST_EPOCHS) or 1), n - 1} - {-1})
    return {name: [values[i] for i in shown] for name, values in history.items()}
