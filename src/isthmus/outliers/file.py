"""Files of detectors: the arrays of all members under prefixes, and their JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

import jax
import numpy as np

from isthmus.autoencoder import (
    pack_columns,
    pack_names,
    pack_parameters,
    plain_parameters,
    unpack_columns,
    unpack_parameters,
)
from isthmus.io import ModelFileError
from isthmus.model import DETECTOR, DETECTORS, Record, pack_model, unpack_model
from isthmus.outliers.conformal import FOLDS
from isthmus.outliers.constants import NONE, Constants
from isthmus.outliers.groups_file import pack_judges, unpack_judges
from isthmus.outliers.members import Member, panels_of
from isthmus.outliers.panel import Panel, Usual
from isthmus.outliers.parameters import DetectorParameters, check_detector
from isthmus.outliers.recalibration import pack_recalibrations, unpack_recalibrations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.autoencoder import (
        Autoencoder,
    )
    from isthmus.model import Meta, Model, Tensors

Kind = TypeVar("Kind", bound=DetectorParameters)


def pack_detector(detector: DetectorParameters) -> tuple[Tensors, Meta]:
    """Return a fitted detector as arrays by name and JSON."""
    _check_unchanged(detector)
    params = detector.get_params(deep=False)
    given = params.pop("autoencoder")
    template = detector.template_ if isinstance(given, Mapping) else given
    mixed = detector.members_[0].model.schema is not None
    panels = panels_of(detector.members_)
    tensors, members = _packed_members(detector, panels)
    if detector.calibration_scores_ is not None:
        tensors["calibration_scores"] = np.asarray(detector.calibration_scores_)
    if detector.calibration_folds_ is not None:
        tensors["calibration_folds"] = np.asarray(detector.calibration_folds_, np.int64)
    meta = {
        "kind": DETECTOR,
        "parameters": plain_parameters(params),
        "autoencoder": None if template is None else pack_parameters(template, mixed=mixed),
        "fitted": {
            "n_features_in": int(detector.n_features_in_),
            "feature_names_in": pack_names(detector),
            "sample_shape": detector.sample_shape_,
            "offset": float(detector.offset_),
            **pack_recalibrations(detector.recalibrations_),
        },
        "template": pack_parameters(detector.template_, mixed=mixed),
        "members": members,
        **(
            {"panels": [_pack_panel(k, panel, tensors) for k, panel in enumerate(panels)]}
            if panels
            else {}
        ),
        **pack_columns(detector),
    }
    if detector.fleet_ is not None:
        arrays, meta["groups"] = pack_judges(detector.fleet_)
        tensors, meta["kind"] = tensors | arrays, DETECTORS
    return tensors, meta


def _check_unchanged(detector: DetectorParameters) -> None:
    """Raise a ValueError where parameters were set that the fitted members do not have."""
    if detector.n_estimators != len(detector.members_):
        raise ValueError(
            f"n_estimators is {detector.n_estimators}, but {len(detector.members_)} members were "
            "fitted: fit again before saving."
        )
    held, folds = detector.calibration_scores_, detector.calibration_folds_
    if held is not None and _crossed(detector) != (folds is not None):
        raise ValueError(
            f"calibration is {detector.calibration!r} and was not when the detector was fitted: fit "
            "again before saving."
        )


def _crossed(detector: DetectorParameters) -> bool:
    """Return whether calibration rows have folds; those of a recalibration have none."""
    return detector.calibration == "cross" and not detector.recalibrations_


def _packed_members(
    detector: DetectorParameters, panels: list[Panel]
) -> tuple[Tensors, list[Meta]]:
    tensors: Tensors = {}
    members = []
    for k, member in enumerate(detector.members_):
        arrays, meta = pack_model(member.model)
        meta["fitted"]["history"] = member.history
        if member.panel is None:
            arrays["references"] = np.ascontiguousarray(member.references)
            _pack_constants(member.constants, arrays, meta)
        tensors |= {f"member.{k}.{name}": array for name, array in arrays.items()}
        members.append(meta)
    return tensors, members


def _pack_panel(k: int, panel: Panel, tensors: Tensors) -> Meta:
    """Add the arrays of a panel, whose members are those k modulo the number of panels."""
    arrays: Tensors = {"references": np.ascontiguousarray(panel.references)}
    meta: Meta = {"usual": panel.usual._asdict()}
    _pack_constants(panel.constants, arrays, meta)
    tensors.update({f"panel.{k}.{name}": array for name, array in arrays.items()})
    return meta


def _pack_constants(constants: Constants, arrays: Tensors, meta: Meta) -> None:
    if len(constants.columns):
        arrays["constant_columns"] = constants.columns
        arrays["constant_values"] = constants.values
        meta["constant_cost"] = constants.cost


def unpack_detector(kind: type[Kind], of: type[Autoencoder], tensors: Tensors, meta: Meta) -> Kind:
    """Return the fitted detector `of` autoencoders, after checks that arrays and JSON fit."""
    template = meta["autoencoder"]
    detector = kind(
        None if template is None else unpack_parameters(of, template),
        **{**Record(meta).plain("parameters"), **unpack_columns(meta)},
    )
    check_detector(detector)
    members = Record(meta).records("members")
    if len(members) != detector.n_estimators:
        raise ModelFileError(f"The file holds {len(members)} members, not {detector.n_estimators}.")
    first = members[0]  # before 1.3 each member had parameters of its own
    detector.template_ = unpack_parameters(of, meta.get("template", first))
    fitted = Record(meta).record("fitted")
    detector.n_features_in_ = fitted.whole("n_features_in", 1)
    names = fitted.column_names(detector.n_features_in_)
    if names is not None:
        detector.feature_names_in_ = names
    detector.sample_shape_ = fitted.row_shape()
    detector.offset_ = fitted.number("offset")
    detector.calibration_scores_ = tensors.get("calibration_scores")
    detector.calibration_folds_ = tensors.get("calibration_folds")
    detector.recalibrations_ = unpack_recalibrations(fitted)
    arrays = _by_number(tensors, "member")
    if "panels" in meta:
        models = [
            _model(arrays.get(str(k), {}), k, member, detector) for k, member in enumerate(members)
        ]
        detector.members_ = _in_panels(models, members, tensors, Record(meta).records("panels"))
    else:
        detector.members_ = [
            _member(arrays.get(str(k), {}), k, member, detector) for k, member in enumerate(members)
        ]
    _check(detector)
    if meta["kind"] == DETECTORS:
        groups = Record(meta).record("groups")
        detector.fleet_ = unpack_judges(tensors, groups, detector.n_features_in_)
    return detector


def _by_number(tensors: Tensors, kind: str) -> dict[str, Tensors]:
    """Return the arrays of each member or panel, by its number."""
    found: dict[str, Tensors] = {}
    for name, array in tensors.items():
        prefix, _, rest = name.partition(".")
        number, _, own = rest.partition(".")
        if prefix == kind:
            found.setdefault(number, {})[own] = array
    return found


def _model(mine: Tensors, k: int, meta: Meta, detector: DetectorParameters) -> Model:
    model = unpack_model(mine, meta)
    seen = model.n_features, model.sample_shape
    if seen != (detector.n_features_in_, detector.sample_shape_) or not model.net.decoder:
        raise ModelFileError(f"Member {k} does not fit the {detector.n_features_in_} features.")
    return model


def _member(mine: Tensors, k: int, meta: Meta, detector: DetectorParameters) -> Member:
    model, name = _model(mine, k, meta, detector), f"member.{k}"
    references = _references(mine, name, model, model.n_components)
    history = Record(meta["fitted"]).history()
    return Member(model, references, history, _constants(mine, name, meta, model))


def _references(mine: Tensors, name: str, model: Model, width: int) -> np.ndarray:
    references: np.ndarray = mine["references"]
    whole = references.ndim == 3 and references.size and references.shape[2] == width
    if references.dtype != model.dtype or not whole:
        raise ModelFileError(
            f"The array '{name}.references' has shape {references.shape} and dtype "
            f"{references.dtype}, not (draws, rows, {width}) and {model.dtype}."
        )
    return references


def _kind_of(model: Model) -> tuple[object, ...]:
    """Return what the members of a panel have in common: all but their numbers."""
    leaves, structure = jax.tree.flatten(model.net)
    shapes = [np.shape(leaf) for leaf in leaves]
    return structure, shapes, model.dtype, repr(model.slots), type(model.scaler)


def _in_panels(
    models: list[Model], members: Sequence[Meta], tensors: Tensors, panels: Sequence[Meta]
) -> list[Member]:
    """Return members that judge together: member k belongs to panel k modulo their number."""
    if not 0 < len(panels) <= len(models) or any(model.schema for model in models):
        raise ModelFileError(f"The file's {len(panels)} panels do not fit {len(models)} members.")
    arrays, made = _by_number(tensors, "panel"), []
    for k, meta in enumerate(panels):
        mine, name, own = arrays.get(str(k), {}), f"panel.{k}", tuple(models[k :: len(panels)])
        usual = Record(meta).record("usual")
        units = Usual(*(usual.number(unit) for unit in Usual._fields))
        if not all(0 < unit < np.inf for unit in units):
            raise ModelFileError(f"What is usual to panel {k} is not positive and finite.")
        references = _references(mine, name, own[0], own[0].net.n_features)
        if any(_kind_of(model) != _kind_of(own[0]) for model in own):
            raise ModelFileError(f"The members of panel {k} differ in more than their weights.")
        made.append(Panel(own, references, _constants(mine, name, meta, own[0]), units))
    return [
        Member(
            model,
            made[k % len(made)].references,
            Record(meta["fitted"]).history(),
            made[k % len(made)].constants,
            made[k % len(made)],
        )
        for k, (model, meta) in enumerate(zip(models, members, strict=True))
    ]


def _constants(mine: Tensors, name: str, meta: Meta, model: Model) -> Constants:
    """Return the constant columns of a member; files before 1.4 know none."""
    if not mine.keys() & {"constant_columns", "constant_values"}:
        return NONE
    columns, values = mine["constant_columns"], mine["constant_values"]
    kinds = columns.dtype == np.int64 and values.dtype == np.float64
    if not kinds or columns.ndim != 1 or columns.shape != values.shape:
        raise ModelFileError(f"The constant columns and values of {name} are not as many.")
    cost = Record(meta).number("constant_cost")
    width = model.n_features if model.schema is None else len(model.schema.values)
    known = {*range(width)}.issuperset(columns.tolist())
    if not known or not np.isfinite([*values, cost]).all() or cost <= 0:
        raise ModelFileError(f"The constant columns of {name} do not fit the features.")
    return Constants(columns, values, cost)


def _check(detector: DetectorParameters) -> None:
    """Raise a ModelFileError unless threshold and calibration scores are as many as needed."""
    held, done = detector.calibration_scores_, detector.recalibrations_
    fits = not done or done[-1].n_calibration == (0 if held is None else len(held))
    if (held is None and detector.fdr) or not np.isfinite(detector.offset_) or not fits:
        raise ModelFileError("The file's calibration scores, threshold and parameters do not fit.")
    if held is not None and (held.ndim != 1 or held.dtype != np.float64 or not len(held)):
        raise ModelFileError(f"The calibration scores have shape {held.shape}, {held.dtype}.")
    folds = detector.calibration_folds_
    crossed = _crossed(detector) and held is not None
    k = min(FOLDS, detector.n_estimators) if crossed else 0
    panels, most = len(panels_of(detector.members_)), min(FOLDS, detector.n_estimators)
    if panels and panels not in ({k} if crossed else {1, most}):
        raise ModelFileError(f"The file's {panels} panels are not one for each fold.")
    if folds is None and not crossed:
        return
    folds = np.empty(0) if folds is None or folds.dtype.kind != "i" else folds
    if held is None or folds.shape != held.shape or {*folds.tolist()} != {*range(k)}:
        raise ModelFileError(f"The calibration folds do not number {k} folds of the scores.")
