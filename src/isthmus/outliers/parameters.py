"""The parameters of a detector, and what a fit leaves."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sklearn.base import BaseEstimator

from isthmus.autoencoder import Parameters, check_columns, check_real, check_whole
from isthmus.words import suggestion

if TYPE_CHECKING:
    import numpy as np

    from isthmus.autoencoder import Autoencoder
    from isthmus.outliers.judges import Judges
    from isthmus.outliers.members import Member
    from isthmus.outliers.recalibration import Recalibration
    from isthmus.schema import Schema
    from isthmus.training import RandomState


NESTED = "autoencoder__"


class DetectorParameters(BaseEstimator):
    """The constructor's parameters; see `OutlierDetector`."""

    n_features_in_: int
    feature_names_in_: np.ndarray
    members_: list[Member]
    template_: Autoencoder
    offset_: float
    calibration_scores_: np.ndarray | None
    calibration_folds_: np.ndarray | None
    recalibrations_: list[Recalibration]
    sample_shape_: tuple[int, ...] | None
    fleet_: Judges | None = None  # of groups, if the fit was given any
    # scikit-learn hands groups that are meant for a splitter to nobody else, unless asked to
    __metadata_request__fit: ClassVar = {"groups": False}
    __metadata_request__predict: ClassVar = {"groups": False}
    __metadata_request__decision_function: ClassVar = {"groups": False}
    __metadata_request__transform: ClassVar = {"groups": False}

    def __init__(
        self,
        autoencoder: Autoencoder | Mapping[str, object] | None = None,
        *,
        n_estimators: int = 8,
        max_samples: int | str = "auto",
        contamination: float | str = "auto",
        target_fpr: float | None = None,
        alpha: float | None = None,
        fdr: bool = False,
        calibration: str = "split",
        calibration_fraction: float = 0.2,
        n_references: int | str = "auto",
        columns: Mapping[str, str] | Schema | None = None,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.autoencoder = autoencoder
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.contamination = contamination
        self.target_fpr = target_fpr
        self.alpha = alpha
        self.fdr = fdr
        self.calibration = calibration
        self.calibration_fraction = calibration_fraction
        self.n_references = n_references
        self.columns = columns
        self.random_state = random_state
        self.verbose = verbose

    def set_params(self, **params: Any) -> Self:
        """Set parameters; `autoencoder__max_epochs=20` changes the default autoencoder, too."""
        nested = {name: value for name, value in params.items() if name.startswith(NESTED)}
        super().set_params(**{name: value for name, value in params.items() if name not in nested})
        if isinstance(self.autoencoder, Mapping | None):
            changes = {name.removeprefix(NESTED): value for name, value in nested.items()}
            _check_names(changes)
            self.autoencoder = {**(self.autoencoder or {}), **changes} or self.autoencoder
            return self
        return super().set_params(**nested)


def _check_names(changes: Mapping[str, object]) -> None:
    """Raise a ValueError for a name that is no parameter of an autoencoder."""
    known = Parameters().get_params(deep=False)
    for name in changes:
        first = name.partition("__")[0]
        if first not in known:
            raise ValueError(
                f"An Autoencoder has no parameter {first!r}.{suggestion(first, known)}"
            )


def check_detector(detector: DetectorParameters) -> None:
    """Raise one clear error for the first parameter of a detector out of range."""
    check_whole("n_estimators", detector.n_estimators, 1)
    check_whole("max_samples", detector.max_samples, 2, auto=True)
    check_whole("n_references", detector.n_references, 1, auto=True)
    check_columns(detector.columns)
    _check_contamination(detector.contamination)
    for name in ("target_fpr", "alpha", "calibration_fraction"):
        value = getattr(detector, name)
        if value is not None or name == "calibration_fraction":
            check_real(name, value, "(0, 1)", _is_share(value))
    if detector.target_fpr is not None and detector.alpha is not None:
        raise ValueError(
            f"target_fpr={detector.target_fpr} and alpha={detector.alpha} are two thresholds: give one."
        )
    if detector.calibration not in ("split", "cross"):
        raise ValueError(
            f"The parameter calibration must be 'split' or 'cross'; got {detector.calibration!r}."
        )
    if detector.calibration == "cross" and detector.n_estimators < 2:
        raise ValueError("calibration='cross' needs n_estimators of at least 2; got 1.")
    if detector.fdr and detector.alpha is None:
        raise ValueError("fdr=True needs alpha, the rate of false discoveries to allow.")
    if not isinstance(detector.autoencoder, Parameters | Mapping | None):
        raise TypeError(
            "The autoencoder must be an Autoencoder, or a dict of what to change in the default; got "
            f"{detector.autoencoder!r}."
        )
    given = detector.autoencoder
    if isinstance(given, Mapping):
        _check_names(given)
    if (
        given.get("columns") if isinstance(given, Mapping) else given and given.columns
    ) is not None:
        raise ValueError(
            "The autoencoder of a detector names columns, which the detector takes: give it "
            "OutlierDetector(columns=...)."
        )


def _check_contamination(c: object) -> None:
    number = float(c) if isinstance(c, numbers.Real) and not isinstance(c, bool) else math.nan
    if c in ("auto", "none") if isinstance(c, str) else 0 <= number <= 0.5:
        return
    hint = ""
    if c is None:
        hint = " 'none' says that the rows are clean, 'auto' that nothing is known."
    elif 1 <= number <= 50:
        hint = f" A share is no percentage: {number:g} % is {number / 100:g}."
    elif number > 0.5:
        hint = " What more than half of the rows are is normal."
    raise ValueError(
        "The parameter contamination must be 'auto', 'none' or a number in [0, 0.5]; got "
        f"{c!r}.{hint}"
    )


def _is_share(value: object) -> bool:
    return isinstance(value, numbers.Real) and 0 < float(value) < 1
