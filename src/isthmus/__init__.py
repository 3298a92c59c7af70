"""Autoencoders as one equation with five slots: a scikit-learn estimator compiled whole by JAX."""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

_MODULES = ("images", "plots", "presets", "scale")
_HOMES = {
    "audit.audit": ["Audit"],
    "autoencoder.estimator": ["Autoencoder"],
    "autoencoder.original": ["explain"],
    "comparison": ["compare"],
    "embedding": ["embed"],
    "loading": ["load"],
    "io.tensors": ["ModelFileError"],
    "nets.step": ["Step"],
    "outliers.detector": ["OutlierDetector"],
    "parts.architectures": ["Dense"],
    "parts.convolutional": ["Conv", "Conv1d"],
    "parts.blind": ["BlindSpot", "Recorrupt"],
    "parts.corruptions": ["Gaussian", "Masking", "SaltPepper", "Swap", "Uniform"],
    "parts.imaging": ["JPEG", "Stripes"],
    "parts.photons": ["PoissonNoise"],
    "parts.likelihoods": ["BCE", "Poisson"],
    "parts.losses": ["MAE", "MSE", "Cosine", "Huber", "Lp"],
    "parts.penalties": ["L2", "Contractive"],
    "parts.sparsity": ["KL", "L1", "TopK"],
    "report.report": ["Report"],
    "search.tune": ["Search", "tune"],
    "streams.monitor": ["Monitor"],
    "training.runtime": ["enable_compilation_cache"],
    "training.state": ["DivergenceError"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted([*_HOME, *_MODULES])

if TYPE_CHECKING:  # the same names, for editors and type checkers; a test holds them equal
    from isthmus import images as images
    from isthmus import plots as plots
    from isthmus import presets as presets
    from isthmus import scale as scale
    from isthmus.audit.audit import Audit as Audit
    from isthmus.autoencoder.estimator import Autoencoder as Autoencoder
    from isthmus.autoencoder.original import explain as explain
    from isthmus.comparison import compare as compare
    from isthmus.embedding import embed as embed
    from isthmus.io.tensors import ModelFileError as ModelFileError
    from isthmus.loading import load as load
    from isthmus.nets.step import Step as Step
    from isthmus.outliers.detector import OutlierDetector as OutlierDetector
    from isthmus.parts.architectures import Dense as Dense
    from isthmus.parts.blind import BlindSpot as BlindSpot
    from isthmus.parts.blind import Recorrupt as Recorrupt
    from isthmus.parts.convolutional import Conv as Conv
    from isthmus.parts.convolutional import Conv1d as Conv1d
    from isthmus.parts.corruptions import Gaussian as Gaussian
    from isthmus.parts.corruptions import Masking as Masking
    from isthmus.parts.corruptions import SaltPepper as SaltPepper
    from isthmus.parts.corruptions import Swap as Swap
    from isthmus.parts.corruptions import Uniform as Uniform
    from isthmus.parts.imaging import JPEG as JPEG
    from isthmus.parts.imaging import Stripes as Stripes
    from isthmus.parts.likelihoods import BCE as BCE
    from isthmus.parts.likelihoods import Poisson as Poisson
    from isthmus.parts.losses import MAE as MAE
    from isthmus.parts.losses import MSE as MSE
    from isthmus.parts.losses import Cosine as Cosine
    from isthmus.parts.losses import Huber as Huber
    from isthmus.parts.losses import Lp as Lp
    from isthmus.parts.penalties import L2 as L2
    from isthmus.parts.penalties import Contractive as Contractive
    from isthmus.parts.photons import PoissonNoise as PoissonNoise
    from isthmus.parts.sparsity import KL as KL
    from isthmus.parts.sparsity import L1 as L1
    from isthmus.parts.sparsity import TopK as TopK
    from isthmus.report.report import Report as Report
    from isthmus.search.tune import Search as Search
    from isthmus.search.tune import tune as tune
    from isthmus.streams.monitor import Monitor as Monitor
    from isthmus.training.runtime import enable_compilation_cache as enable_compilation_cache
    from isthmus.training.state import DivergenceError as DivergenceError
else:  # a checker that saw this would take every misspelt name for a good one

    def __getattr__(name: str) -> object:
        """Import public names at their first use: `import isthmus` itself loads nothing."""
        if name in _MODULES:
            return import_module(f"isthmus.{name}")
        if name not in _HOME:
            raise AttributeError(f"module 'isthmus' has no attribute {name!r}")
        return getattr(import_module(f"isthmus.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
