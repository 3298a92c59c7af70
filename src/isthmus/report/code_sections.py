"""The sections of a report about one model's code: its units, its plane and its strangest rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from isthmus import plots
from isthmus.plots.axes import CLASSES, plain
from isthmus.report import measurements
from isthmus.report.blocks import Section, Table, listed, number, png
from isthmus.report.facts import Facts
from isthmus.report.plane import nearest_alike

METHODS = {
    "code": "as they are",
    "pca": "PCA",
    "tsne": "t-SNE",
    "opentsne": "t-SNE",
    "umap": "UMAP",
    "pacmap": "PaCMAP",
}
MOST_UNITS = 100  # that a picture of correlations can show
DEAD = "A dead unit never changes from row to row, and could be left out. "


def code(codes: Sequence[Facts], model: Any, X: Any) -> Section:
    """Return how the units of codes are used; of one model also how they go together."""
    text = [
        DEAD
        + "The effective rank is the number of directions that the codes spread over, as if all "
        "were equally wide; where it is far below the width, a narrower code would do. Units whose "
        "correlation is near 1 or -1 tell the same twice. Active is the share of values above 1 % "
        "of the largest.",
    ]
    told = codes if len(codes) == 1 else [c for c in codes if c["n_dead"] or c["n_alike"]]
    notes = [_used(c) for c in told]
    head = ("Model", "Width", "Dead", "Effective rank", "Mean |r|", "Largest |r|", "Active")
    table = Table("How codes are used", head, [_code_row(c) for c in codes])
    pictures = []
    r = measurements.correlation(model, X)
    if 2 <= len(r) <= MOST_UNITS and len(codes) == 1:
        figure = plots.correlation(r)
        caption = "Correlation between the units that change."
        pictures = [png(figure, "Correlations between code units as a grid", caption, half=True)]
    return Section("The code", text, pictures, notes, tables=[table])


def _used(c: Facts) -> str:
    dead = f"{c['n_dead']} of {c['width']} units are dead" if c["n_dead"] else "no unit is dead"
    twice = f"; {c['n_alike']} pairs correlate above 0.9" if c["n_alike"] else ""
    rank = f"{c['effective_rank']:.1f} of {c['width']}"
    return f"{c['name']}: {dead}; the effective rank is {rank}{twice}."


def _code_row(c: Facts) -> list[str]:
    return [
        c["name"],
        f"{c['width']:,}",
        f"{c['n_dead']:,}",
        f"{c['effective_rank']:.1f}",
        number(c["mean_correlation"]),
        number(c["largest_correlation"]),
        f"{100 * c['active']:.0f} %",
    ]


def plane(
    e: Facts, points: np.ndarray, labels: np.ndarray | None, payload: dict[str, Any], rows: str
) -> Section:
    """Return codes in the plane: a still picture, and what the page's script draws."""
    of = f"{e['n_points']:,} of " if e["n_points"] < e["n_rows"] else ""
    text = [
        f"The codes of {e['name']}, {e['width']} numbers for each of {of}{rows}, laid out in the "
        f"plane{_by(e)}",
        *_alike(points, labels),
    ]
    method = METHODS.get(e["method"], e["method"])
    figure = plots.embedding(points, labels)
    first, second = (plain(f"{method}, {which} axis") for which in ("first", "second"))
    figure.axes[0].set(xlabel=first, ylabel=second)
    alt = f"Codes in the plane, by {method}"
    return Section(f"Codes in the plane ({method})", text, [png(figure, alt)], plane=payload)


def _by(e: Facts) -> str:
    if e["method"] == "code":
        return " as they are."
    trust = ""
    if e["trustworthiness"] is not None:
        trust = (
            f" Its trustworthiness is {e['trustworthiness']:.3f}: 1 where all neighbours in the "
            "picture are neighbours in the code too."
        )
    return (
        f" by {METHODS.get(e['method'], e['method'])} so that neighbours stay neighbours. The axes "
        f"and the distances between groups have no unit.{trust}"
    )


def _alike(points: np.ndarray, labels: np.ndarray | None) -> list[str]:
    if labels is None or len(points) < 2:
        return []
    share = nearest_alike(points, labels)
    if share > 0.5 and len(np.unique(labels)) <= len(CLASSES):
        return [
            "The model never saw a label, and yet rows of one label lie together: the nearest "
            f"neighbour in the picture has the same label for {100 * share:.1f} % of the points."
        ]
    return ["The colours are the labels, which the model never saw."]


def strange(o: Facts, name: str, model: Any, X: Any, shape: Any) -> Section:
    """Return the strangest rows, with the columns, or the places of an image, that make them so."""
    told = o["rows"]
    text = [_strange_words(o, name)]
    images = shape is not None and len(shape) == 3 and shape[2] in (1, 3)
    pictures, tables = [], [_strange_rows(o)]
    if images:
        observed, expected = measurements.differences(model, X, [r["row"] for r in told])
        first, second = (v.reshape(-1, *shape) for v in (observed, expected))
        figure = plots.unlike(first, second, [str(r["row"]) for r in told])
        alt = "The strangest images, what the model makes of them, and the difference"
        pictures = [png(figure, alt, wide=True)]
    elif any(r["causes"] for r in told):
        tables.append(_causes(o))
        text.append(_causes_words(o))
    else:
        text.append("The model's loss is no mean over columns, and so no column is to blame.")
    return Section("The strangest rows", text, pictures, tables=tables)


def _causes_words(o: Facts) -> str:
    adds = "share is what it adds to the row's loss"
    if o["by"] == "detector":
        adds = "contribution is what it adds to minus the row's score"
    return (
        f"A column's {adds}. Observed is the value in the row, expected what the model makes of the "
        "whole row, or the detector of the normal row nearest to it; both are in the data's own units."
    )


def _strange_words(o: Facts, name: str) -> str:
    if o["by"] == "detector":
        calibrated = ""
        if any(r["pvalue"] is not None for r in o["rows"]):
            calibrated = (
                " The p-value is the share of the rows held out from training that are as strange; "
                "it says nothing of rows that were trained on."
            )
        return (
            f"Of {o['n_rows']:,} rows the detector flags {o['n_flagged']:,}. These have the lowest "
            f"scores; the median is {number(o['median'])}.{calibrated}{_detector_words(o)}"
        )
    return (
        f"The rows that {name} reproduces worst, of {o['n_rows']:,}. A score is minus the loss of "
        f"the row, in scaled units; the median is {number(o['median'])}. A low score is a reason to "
        "look, not a verdict."
    )


def _detector_words(o: Facts) -> str:
    d = o["detector"]
    if d is None:
        return ""
    below = (
        "" if d["threshold"] is None else f" Rows with scores below {number(d['threshold'])} are"
    )
    line = f"{below} flagged, by {d['rule']}." if below else f" Rows are flagged by {d['rule']}."
    return f" The detector is {d['n_members']} autoencoders.{line}"


def _strange_rows(o: Facts) -> Table:
    some = {key: any(r[key] is not None for r in o["rows"]) for key in ("id", "label", "pvalue")}
    head = ["Row", *(["Identifier"] * some["id"]), *(["Label"] * some["label"]), "Score"]
    head += ["p-value"] * some["pvalue"]
    rows = []
    for r in o["rows"]:
        words = [str(r["row"]), *([r["id"] or "\u2013"] * some["id"])]
        words += [r["label"] or "\u2013"] * some["label"]
        rows.append([*words, number(r["score"]), *([number(r["pvalue"])] * some["pvalue"])])
    caption = "The strangest rows, the strangest first; rows count from 0"
    return Table(caption, head, rows, 1 + some["id"] + some["label"])


def _causes(o: Facts) -> Table:
    rows = []
    for r in o["rows"]:
        for i, c in enumerate(r["causes"] or []):
            share = c["contribution"]
            rows.append(
                [
                    _called(r) if i == 0 else "",
                    c["column"],
                    f"{100 * share:.0f} %" if o["by"] == "model" else number(share),
                    number(c["observed"]),
                    number(c["expected"]),
                ]
            )
    share = "Share of the loss" if o["by"] == "model" else "Contribution"
    head = ("Row", "Column", share, "Observed", "Expected")
    return Table("Why they are strange: the columns that add most", head, rows, words=2)


def _called(r: Facts) -> str:
    return r["id"] if r["id"] is not None else f"{r['row']}"


def sampled(measured: int, drawn: int, n: int, seed: int) -> str:
    """Return how many rows were measured and drawn, where not all were."""
    said = []
    if measured < n:
        said.append(f"errors and codes are measured on {measured:,} of them")
    if drawn < n:
        said.append(f"the plane shows {drawn:,}")
    return (
        f"To keep this page small, {listed(said)}, drawn at random (seed {seed})." if said else ""
    )
