"""`isthmus info`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isthmus.cli.apart import first_autoencoder
from isthmus.cli.groups import fleet_facts, fleet_in_words
from isthmus.cli.models import load_any
from isthmus.cli.options import Common, ModelArgument
from isthmus.cli.outputs import end
from isthmus.cli.sources import check_present

SHOWN = 3  # recalibrations, of which there may be one a day

if TYPE_CHECKING:
    from isthmus.autoencoder import Autoencoder
    from isthmus.outliers import OutlierDetector
    from isthmus.report import Facts


def info(model: ModelArgument, /, *, common: Common = Common()) -> int:
    """Show what the file of a model or a detector holds.

    That is slots, layers, columns, and errors beside those of the mean and of PCA. Of a detector it is
    also its autoencoders, its threshold, and how that was recalibrated. With --quiet the file is only
    checked.

    For example:

        isthmus info flowers.isthmus
        isthmus info flowers.isthmus --json
        isthmus info detector.isthmus
    """
    check_present(model)

    from isthmus.outliers import OutlierDetector

    found, size = load_any(model), model.stat().st_size
    several = isinstance(found, OutlierDetector)
    facts, text = _of_detector(found) if several else _of_model(found)
    facts |= fleet_facts(found)
    text = "".join(f"Groups: {said}\n" for said in fleet_in_words(found).values()) + text
    names = None if found.schema_ is not None else getattr(found, "feature_names_in_", None)
    text = f"{model}: {size:,} bytes\n{text}\n"
    text += "" if names is None else f"Columns\n  {', '.join(names)}\n"
    return end(common, {"model": str(model), "bytes": size, **facts}, text)


def _of_model(ae: Autoencoder) -> tuple[dict[str, object], str]:
    """Return what is known of an autoencoder, as facts and in words."""
    from isthmus.model import SLOTS

    params = {k: v for k, v in ae.get_params(deep=False).items() if k not in SLOTS}
    facts = {
        "slots": ae.slots_.to_dict(),
        "parameters": params,
        "scaling": ae.scaling_,
        **_of_columns(ae),
        "n_parameters": ae.n_parameters_,
        "epochs": ae.n_iter_,
        "resumable": ae.unfinished_epochs is not None,
        "baseline": getattr(ae, "baseline_", None),
    }
    return facts, ae.summary()


def _of_detector(found: OutlierDetector) -> tuple[dict[str, object], str]:
    """Return what is known of a detector and of its first member, as facts and in words."""
    from isthmus.report import detector_facts

    known, params = detector_facts(found), found.get_params(deep=False)
    del params["autoencoder"]
    member, text = _of_model(first_autoencoder(found))
    facts = {"detector": known, "parameters": params, **_of_columns(found), "member": member}
    return facts, f"{_detector_in_words(known, found.n_features_in_)}{text}"


def _of_columns(found: Autoencoder | OutlierDetector) -> dict[str, object]:
    return {
        "features": list(getattr(found, "feature_names_in_", [])) or None,
        "n_features": found.n_features_in_,
        "schema": None if found.schema_ is None else found.schema_.to_dict()["columns"],
        "sample_shape": found.sample_shape_,
    }


def _detector_in_words(d: Facts, n_features: int) -> str:
    """Return lines about a detector, and a heading for its first member."""
    widths, held = " or ".join(map(str, d["widths"])), d["n_held_out"]
    others = "recent rows" if d["recalibrations"] else "rows held out"
    drawn = f"{d['n_draws']} draws of " if d["n_draws"] > 1 else ""
    by = d["rule"] if d["threshold"] is None else f"scores below {d['threshold']:.4g}, {d['rule']}"
    return (
        f"OutlierDetector: {n_features} features, {d['n_members']} autoencoders\n"
        f"  outliers      {by}\n"
        f"  p-values      {f'by {held:,} {others}' if held else 'none: no rows were held out'}\n"
        f"{_trail(d['recalibrations'])}"
        f"  references    {drawn}{d['n_references']:,} rows\n"
        f"  codes         {widths} components\n"
        f"  {d['n_parameters']:,} parameters\n"
        "The first member\n"
    )


def _trail(recalibrations: list[Facts]) -> str:
    """Return a line for each of the last recalibrations, and how many there were before."""
    last = recalibrations[-SHOWN:]
    earlier = len(recalibrations) - len(last)
    lines = [f"{earlier} times before"] if earlier else []
    lines += [_recalibrated(one) for one in last]
    return "".join(f"  recalibrated  {line}\n" for line in lines)


def _recalibrated(one: Facts) -> str:
    when = one["when"].replace("T", " ").replace("+00:00", " UTC")
    return (
        f"{when}, by {one['rows']:,} rows taken for {one['taken_for']}: threshold "
        f"{one['new_threshold']:.4g}, before {one['old_threshold']:.4g}"
    )
