"""What the shorter commands do: encode, reconstruct, score, info and demo."""

from pathlib import Path
from typing import Any

import polars as pl

import isthmus
from isthmus.cli import folders, outputs, sources
from isthmus.cli.folders import Source as Source
from isthmus.cli.options import Common
from isthmus.cli.outputs import Written as Written
from isthmus.cli.terminal import show_json, show_lines, show_text, warned
from isthmus.io.arrays import TableError
from isthmus.io.tables import file_ending, write_array


def encode(model: Path, data: Source, written: Written, common: Common, layer: int | None) -> int:
    """Write the codes, or the values of a hidden layer."""
    ae, rows = sources.opened(model, data, written)
    codes = ae.encode(rows.X, layer)
    last = layer in (None, -1, len(ae.net_.encoder))
    names = None if last else [f"layer{layer}_{i}" for i in range(codes.shape[1])]
    frame = pl.DataFrame(codes, schema=names or list(ae.get_feature_names_out()))
    return outputs.write(written, rows.ids, frame, common)


def reconstruct(model: Path, data: Source, written: Written, common: Common) -> int:
    """Write the rows as the model reproduces them."""
    assert written.output is not None
    folder = folders.goes_to_folder(data, written.output)
    if data.is_folder and not folder and file_ending(written.output) != ".npy":
        raise TableError(
            f"Images do not fit into {written.output}: write them to a folder or to a .npy file."
        )
    ae, rows = sources.opened(model, data, written, folder=folder)
    if folder:
        n = folders.write(ae, rows, written.output, force=written.force)
        outputs.show_written(written.output, f"{n:,} images", common, images=n)
        return 0
    if ae.sample_shape_ is not None and file_ending(written.output) != ".npy":
        raise TableError(
            f"Images of shape {ae.sample_shape_} do not fit into {written.output}: write them to a "
            ".npy file."
        )
    again = ae.reconstruct(rows.X)
    if again.ndim > 2:
        write_array(written.output, again)
        outputs.show_table(written.output, len(again), list(map(str, again.shape[1:])), common)
        return 0
    names = getattr(ae, "feature_names_in_", [f"x{i}" for i in range(again.shape[1])])
    return outputs.write(written, rows.ids, pl.DataFrame(again, schema=list(names)), common)


def score(model: Path, data: Source, written: Written, common: Common) -> int:
    """Write the scores, or print them."""
    ae, rows = sources.opened(model, data, written)
    scores = ae.score_samples(rows.X)
    if written.output is None and common.json:
        ids = {name: rows.ids[name].to_list() for name in rows.ids.columns}
        mean = ae.score(rows.X)
        show_json({"rows": len(scores), "score": mean, "scores": scores.tolist(), "ids": ids})
        return 0
    return outputs.write(written, rows.ids, pl.DataFrame({"score": scores}), common)


def info(model: Path, common: Common) -> int:
    """Show what the file of a model or a detector holds."""
    sources.check_present(model)
    found, size = folders.load_any(model), model.stat().st_size
    several = isinstance(found, isthmus.OutlierDetector)
    ae = found.member_autoencoder() if several else found
    if common.json:
        told = _detector(found) if several else _described(ae)
        show_json({"model": str(model), "bytes": size, **told})
        return 0
    text = f"{model}: {size:,} bytes\n{_members(found) if several else ''}{ae.summary()}\n"
    names = getattr(found, "feature_names_in_", None)
    show_text(text + (f"Columns\n  {', '.join(names)}\n" if names is not None else ""))
    return 0


def _described(ae: isthmus.Autoencoder) -> dict[str, Any]:
    from isthmus.model.slots import SLOTS

    params = {k: v for k, v in ae.get_params(deep=False).items() if k not in SLOTS}
    return {
        "slots": ae.slots_.to_dict(),
        "parameters": params,
        "scaling": ae.scaling_,
        "features": list(getattr(ae, "feature_names_in_", [])) or None,
        "n_features": ae.n_features_in_,
        "sample_shape": ae.sample_shape_,
        "n_parameters": ae.n_parameters_,
        "epochs": ae.n_iter_,
        "resumable": ae.unfinished_epochs is not None,
        "baseline": getattr(ae, "baseline_", None),
    }


def _detector(found: isthmus.OutlierDetector) -> dict[str, Any]:
    from isthmus.report.facts import detector_facts

    params = found.get_params(deep=False)
    del params["autoencoder"]
    return {
        "detector": detector_facts(found),
        "parameters": params,
        "features": list(getattr(found, "feature_names_in_", [])) or None,
        "n_features": found.n_features_in_,
        "sample_shape": found.sample_shape_,
        "member": _described(found.member_autoencoder()),
    }


def _members(found: isthmus.OutlierDetector) -> str:
    """Return lines about a detector, and a heading for its first member."""
    from isthmus.report.facts import detector_facts

    d = detector_facts(found)
    widths, held = " or ".join(map(str, d["widths"])), d["n_held_out"]
    drawn = f"{d['n_draws']} draws of " if d["n_draws"] > 1 else ""
    by = d["rule"] if d["threshold"] is None else f"scores below {d['threshold']:.4g}, {d['rule']}"
    return (
        f"OutlierDetector: {found.n_features_in_} features, {d['n_members']} autoencoders\n"
        f"  outliers      {by}\n"
        f"  p-values      {f'by {held:,} rows held out' if held else 'none: no rows were held out'}\n"
        f"  references    {drawn}{d['n_references']:,} rows a member\n"
        f"  codes         {widths} components\n"
        f"  {d['n_parameters']:,} parameters\n"
        "The first member\n"
    )


def demo(output: Path, common: Common, *, quick: bool) -> int:
    """Write the demonstration's report."""
    if output.exists() and not output.is_dir():
        raise TableError(f"Cannot write {output}: it is a file, and a folder is needed.")
    from isthmus import demo as demonstration

    sources.use_cache()
    report = demonstration.run(output, quick)
    if common.json:
        show_json({"report": str(report), "warnings": warned})
    elif not common.quiet:
        show_lines({"report": str(report)})
    return 0
