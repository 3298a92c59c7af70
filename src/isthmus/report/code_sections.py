"""The sections of a report about one model's code: its units, its plane and its strangest rows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from isthmus import plots
from isthmus.plots import CLASS_COLOURS
from isthmus.report.blocks import (
    Section,
    Table,
    number_text,
    percent_text,
    pixel_picture,
    point_picture,
)
from isthmus.report.plane import alike_by_chance, alike_neighbours

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.embedding import Embedding
    from isthmus.report.facts import Facts

MOST_UNITS = 100  # that a picture of correlations can show


# -- the code ----------------------------------------------------------------------------------------


def code_section(facts: Sequence[Facts], correlations: np.ndarray) -> Section:
    """Return how the units of codes are used; of one model also how they go together."""
    text = [
        "A dead unit never changes from row to row, and could be left out. The effective rank is the "
        "number of directions that the codes spread over, as if all were equally wide; if it is far "
        "below the width, a narrower code would do. Units whose correlation is near 1 or -1 say the "
        "same thing twice. Active is the share of values above 1 % of the largest.",
    ]
    one = len(facts) == 1
    notes = [_use_note(c) for c in facts if one or c["n_dead"] or c["n_alike"]]
    head = ("Model", "Width", "Dead", "Effective rank", "Mean |r|", "Largest |r|", "Active")
    table = Table("How codes are used", head, [_use_line(c) for c in facts])
    pictures = []
    if one and 2 <= len(correlations) <= MOST_UNITS:
        alt = "Correlations between code units as a grid"
        caption = "Correlation between the units that change."
        pictures = [point_picture(plots.correlation(correlations), alt, caption, half=True)]
    return Section("The code", text, pictures, notes, tables=[table])


def _use_note(c: Facts) -> str:
    dead = f"{c['n_dead']} of {c['width']} units are dead" if c["n_dead"] else "no unit is dead"
    twice = f"; {c['n_alike']} pairs correlate above 0.9" if c["n_alike"] else ""
    rank = f"{c['effective_rank']:.1f} of {c['width']}"
    return f"{c['name']}: {dead}; the effective rank is {rank}{twice}."


def _use_line(c: Facts) -> list[str]:
    return [
        c["name"],
        f"{c['width']:,}",
        f"{c['n_dead']:,}",
        f"{c['effective_rank']:.1f}",
        number_text(c["mean_correlation"]),
        number_text(c["largest_correlation"]),
        percent_text(c["active"]),
    ]


# -- the plane ---------------------------------------------------------------------------------------


def plane_section(
    e: Facts,
    embedding: Embedding,
    labels: np.ndarray | None,
    label: str,
    payload: Facts,
    rows: str,
    *,
    trained_on: bool = False,
) -> Section:
    """Return codes in the plane: a still picture, and what the page's script draws.

    `labels` are those of the points, `label` is what they are called, and `trained_on` says whether
    that is a column of the model.
    """
    of = f"{e['n_points']:,} of " if e["n_points"] < e["n_rows"] else ""
    text = [
        f"The codes of {e['name']}, {e['width']} numbers for each of {of}{rows}, laid out in the "
        f"plane{_layout_text(e, embedding.title)}",
        *_label_sentence(embedding.points, labels, label if trained_on else None),
    ]
    method = "as they are" if e["method"] == "code" else embedding.title
    figure = embedding.plot(labels, label)
    picture = point_picture(figure, f"Codes in the plane, by {method}")
    return Section(f"Codes in the plane ({method})", text, [picture], plane=payload)


def _layout_text(e: Facts, title: str) -> str:
    if e["method"] == "code":
        return " as they are."
    text = (
        f" by {title} so that neighbours stay neighbours. The axes and the distances between groups "
        "have no unit."
    )
    if e["trustworthiness"] is None:
        return text
    return (
        f"{text} The trustworthiness is {e['trustworthiness']:.3f}; it is 1 if all neighbours in the "
        "picture are neighbours in the code too."
    )


def _label_sentence(
    points: np.ndarray, labels: np.ndarray | None, trained_on: str | None = None
) -> list[str]:
    if labels is None or len(points) < 2:
        return []
    known = "which the model never saw"
    if trained_on is not None:
        known = f"which the model was trained on: {trained_on} is one of its columns"
    if len(np.unique(labels)) > len(CLASS_COLOURS):
        return [f"The colours are the labels, {known}."]
    share, chance = alike_neighbours(points, labels), alike_by_chance(labels)
    measured = (
        f"the nearest neighbour in the picture has the same label for {percent_text(share, 1)} of the "
        f"points, and would for {percent_text(chance, 1)} by chance."
    )
    together = share > (1 + chance) / 2 and share - chance > _doubt(chance, len(labels))
    if together and trained_on is None:
        return [f"The model never saw a label, and yet rows of one label lie together: {measured}"]
    return [f"The colours are the labels, {known}; {measured}"]


def _doubt(chance: float, n: int) -> float:
    """Return three deviations of the share by chance; neighbours may be each other's, so twice over."""
    return 3 * math.sqrt(2 * chance * (1 - chance) / n)


# -- the strangest rows ------------------------------------------------------------------------------


def strangest_rows_section(
    o: Facts, name: str, images: tuple[np.ndarray, np.ndarray] | None
) -> Section:
    """Return the strangest rows, and the columns, or the places of an image, that make them so.

    `images` are these rows and their reconstructions, (n, h, w, c), if they are images.
    """
    rows = o["rows"]
    text = [_detector_sentences(o) if o["by"] == "detector" else _score_sentences(o, name)]
    pictures, tables = [], [_strangest_table(rows)]
    if images is not None:
        figure = plots.unlike(*images, [str(r["row"]) for r in rows])
        alt = "The strangest images, what the model makes of them, and the difference"
        pictures = [pixel_picture(figure, alt, wide=True)]
    elif any(r["causes"] for r in rows):
        tables.append(_cause_table(o))
        text.append(_cause_sentences(o))
    else:
        text.append("The model's loss is no mean over columns, and so no column is to blame.")
    return Section("The strangest rows", text, pictures, tables=tables)


def _score_sentences(o: Facts, name: str) -> str:
    return (
        f"Of {o['n_rows']:,} rows, these are the ones that {name} reproduces worst. A score is minus "
        f"the loss of the row, in scaled units; the median is {number_text(o['median'])}. A low "
        "score is a reason to look, not a verdict."
    )


def _detector_sentences(o: Facts) -> str:
    d, by_pvalues = o["detector"], any(r["pvalue"] is not None for r in o["rows"])
    sentences = [
        f"Of {o['n_rows']:,} rows the detector flags {o['n_flagged']:,}. These have the lowest "
        f"scores; the median is {number_text(o['median'])}."
    ]
    if by_pvalues:
        others = "recent rows" if d["recalibrations"] else "rows held out from training"
        sentences.append(
            f"The p-value is the share of the {others} that are as strange; it says nothing about rows "
            "that were trained on."
        )
    low = "" if d["threshold"] is None else f" with scores below {number_text(d['threshold'])}"
    comma = "," if low else ""
    sentences.append(f"The detector is {d['n_members']} autoencoders.")
    sentences.append(f"Rows{low} are flagged{comma} by {d['rule']}.")
    return " ".join(sentences)


def _cause_sentences(o: Facts) -> str:
    adds = "share is what it adds to the row's loss"
    if o["by"] == "detector":
        adds = "contribution is what it adds to minus the row's score"
    return (
        f"A column's {adds}. Observed is the value in the row. Expected is what the model makes of "
        "the whole row, or for a detector what the nearest normal row has. Both are in the data's "
        "own units."
    )


def _strangest_table(rows: Sequence[Facts]) -> Table:
    some = {key: any(r[key] is not None for r in rows) for key in ("id", "label", "pvalue")}
    head = ["Row", *(["Identifier"] * some["id"]), *(["Label"] * some["label"]), "Score"]
    head += ["p-value"] * some["pvalue"]
    lines = [
        [
            str(r["row"]),
            *([r["id"] or "\u2013"] * some["id"]),
            *([r["label"] or "\u2013"] * some["label"]),
            number_text(r["score"]),
            *([number_text(r["pvalue"])] * some["pvalue"]),
        ]
        for r in rows
    ]
    caption = "The strangest rows, the strangest first; rows count from 0"
    return Table(caption, head, lines, 1 + some["id"] + some["label"])


def _cell_text(cell: str | float | None) -> str:
    return cell if isinstance(cell, str) else number_text(cell)


def _cause_table(o: Facts) -> Table:
    by_model = o["by"] == "model"
    lines = []
    for r in o["rows"]:
        name = str(r["row"]) if r["id"] is None else r["id"]
        for c in r["causes"] or []:
            share = c["contribution"]
            added = percent_text(share) if by_model else number_text(share)
            values = (_cell_text(c["observed"]), _cell_text(c["expected"]))
            lines.append([name, c["column"], added, *values])
            name = ""  # once is enough
    share = "Share of the loss" if by_model else "Contribution"
    head = ("Row", "Column", share, "Observed", "Expected")
    return Table("Why they are strange: the columns that add most", head, lines, words=2)
