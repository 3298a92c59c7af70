"""Autoencoders as one equation with five slots: a scikit-learn estimator compiled whole by JAX."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "autoencoder.estimator": ["Autoencoder"],
    "search.tune": ["Search", "tune"],
    "model.file": ["ModelFileError"],
    "training.runtime": ["enable_compilation_cache"],
    "training.trainer": ["DivergenceError"],
    "parts.architectures": ["Conv", "Conv1d", "Dense"],
    "parts.losses": ["BCE", "Cosine", "Huber", "Lp", "MAE", "MSE", "Poisson"],
    "parts.corruptions": ["Gaussian", "Masking", "SaltPepper", "Swap", "Uniform"],
    "parts.sparsity": ["KL", "L1", "TopK"],
    "parts.penalties": ["L2", "Contractive"],
    "nets.step": ["Step"],
    "embedding": ["embed"],
    "comparison": ["compare"],
    "outliers.detector": ["OutlierDetector"],
    "report.report": ["Report"],
    "loading": ["load"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted([*_HOME, "presets"])


def __getattr__(name: str) -> Any:
    """Import public names at their first use: `import isthmus` itself loads nothing."""
    if name == "presets":
        return import_module("isthmus.presets")
    if name not in _HOME:
        raise AttributeError(f"module 'isthmus' has no attribute {name!r}")
    return getattr(import_module(f"isthmus.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
