"""Models in MLflow: a pyfunc with scores, decisions and reasons, stored as one safe file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from sklearn.utils.validation import check_is_fitted

from isthmus import __version__
from isthmus.autoencoder import Autoencoder
from isthmus.loading import load
from isthmus.nets import Layer
from isthmus.outliers import OutlierDetector
from isthmus.parts import Part
from isthmus.words import install

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Model: TypeAlias = Autoencoder | OutlierDetector

FILE = "model.isthmus"
REASONS = 3  # columns that are named for each row
RECORDS = """
autoencoder.estimator.Autoencoder
model.bending.Bent model.counting.Rooted model.evaluation.Baseline model.fitted.Fitted
model.gaps.Gaps model.model.Model model.scaling.Affine model.slots.Slots
nets.convolution.Axis nets.net.Net
outliers.constants.Constants outliers.detector.OutlierDetector outliers.members.Member
outliers.panel.Panel outliers.panel.Usual outliers.recalibration.Recalibration
parts.tables.Layout parts.tables.Mixed parts.tables.OnCells
schema.columns.Column schema.columns.Value schema.schema.Schema
"""  # what fitted models are made of, beside parts and layers
LEVELS = ["polars.datatypes.classes.Enum", "polars.series.series.Series"]  # a schema's, in tables


def log_model(model: Model, name: str = "model", **options: Any) -> Any:
    """Log a fitted model or detector to MLflow.

    What is stored is the file that `save` writes, which holds no code, and no pickle. As a pyfunc it
    returns a DataFrame with the index of the rows: `score`; of a detector `outlier`; and `because1` to
    `because3`, the columns that make the row strange, in words, where the loss is a sum over columns.

    Parameters
    ----------
    model : Autoencoder or OutlierDetector
        A fitted one.
    name : str
        The model's name.
    **options
        As of `mlflow.pyfunc.log_model`, such as `signature`, `input_example`,
        `registered_model_name` and `pip_requirements`, which are this version of isthmus by default.
        With an `input_example` alone the signature is that of what is made of it.

    Returns
    -------
    mlflow.models.model.ModelInfo
        What was logged; its `model_uri` is what `load_model` takes.
    """
    with stored(model, options) as settings:
        return from_mlflow("pyfunc").log_model(name=name, **settings)


def save_model(model: Model, path: str | Path, **options: Any) -> None:
    """Write a fitted model or detector to a folder in MLflow's format.

    Parameters
    ----------
    model : Autoencoder or OutlierDetector
        A fitted one.
    path : path
        The folder, which must not be there.
    **options
        As of `mlflow.pyfunc.save_model`.
    """
    with stored(model, options) as settings:
        from_mlflow("pyfunc").save_model(path=str(path), **settings)


def load_model(model_uri: str) -> Model:
    """Return the model or the detector itself that `log_model` or `save_model` stored.

    Parameters
    ----------
    model_uri : str
        Where it is, such as `models:/outliers/3`, `runs:/.../model` or a folder.
    """
    folder = Path(from_mlflow("artifacts").download_artifacts(artifact_uri=str(model_uri)))
    flavour = from_mlflow("models").Model.load(str(folder)).flavors.get("python_function", {})
    if flavour.get("loader_module") != __name__:
        raise ValueError(
            f"{model_uri} was not stored by isthmus.mlflow: load it by the flavour that stored it."
        )
    return load(folder / flavour["data"])


def skops_trusted_types() -> list[str]:
    """Return what fitted models are made of, for MLflow's own flavour for scikit-learn.

    `mlflow.sklearn.log_model(model, name="model", skops_trusted_types=skops_trusted_types())` stores
    models of built-in parts as skops does. A function or a part of your own is not in the list: that
    is for you to trust.
    """
    parts = [*below(Part), *below(Layer)]
    built_in = [f"{c.__module__}.{c.__qualname__}" for c in parts if "Custom" not in c.__name__]
    ours = [name for name in built_in if name.startswith("isthmus.")]
    return sorted({*ours, *(f"isthmus.{name}" for name in RECORDS.split()), *LEVELS})


def below(base: type) -> Iterator[type]:
    """Yield all classes that are made from one."""
    found: list[type] = base.__subclasses__()
    for cls in found:
        yield cls
        yield from below(cls)


def from_mlflow(part: str) -> Any:
    """Import a part of MLflow, which only this module needs."""
    try:
        return import_module(f"mlflow.{part}")
    except ImportError as error:
        raise ImportError(f"isthmus.mlflow needs mlflow: {install('mlflow')}.") from error


@contextmanager
def stored(model: Model, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Write a model's file, and yield what MLflow needs to store it."""
    if not isinstance(model, Autoencoder | OutlierDetector):
        raise TypeError(
            f"isthmus.mlflow stores an Autoencoder or an OutlierDetector; got {type(model).__name__}."
        )
    check_is_fitted(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE
        model.save(path)
        usual: dict[str, Any] = {"pip_requirements": [f"isthmus=={__version__}"]}
        if (example := options.get("input_example")) is not None:
            made = Judge(model).predict(example)
            usual["signature"] = from_mlflow("models").infer_signature(example, made)
        yield {**usual, **options, "loader_module": __name__, "data_path": str(path)}


class Judge:
    """A model as MLflow's pyfunc: `predict` says of rows how strange they are, and why."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, rows: Any, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return score, decision and reasons of each row."""
        import pandas as pd

        model, scores = self.model, self.model.score_samples(rows)
        found: dict[str, Any] = {"score": scores}
        if isinstance(model, OutlierDetector):
            crossed = model.calibration_folds_ is not None
            pvalues = model.pvalues(rows) if crossed else None
            found["outlier"] = model.decide(scores, pvalues) == -1
        index = rows.index if isinstance(rows, pd.DataFrame) else None
        return pd.DataFrame({**found, **self.reasons(rows)}, index=index)

    def reasons(self, rows: Any) -> dict[str, np.ndarray]:
        """Return the columns that make rows strange, in words; none where columns cannot be told."""
        model = self.model
        fitted = model.fitted_ if isinstance(model, Autoencoder) else model.members_[0]
        if not fitted.model.slots.loss.by_column:
            return {}
        phrases = model.explain(rows).reasons(REASONS)
        return {f"because{i + 1}": phrases[:, i] for i in range(phrases.shape[1])}


def _load_pyfunc(path: str) -> Judge:
    """Return the pyfunc of a stored file; MLflow finds it by this name."""
    return Judge(load(path))
