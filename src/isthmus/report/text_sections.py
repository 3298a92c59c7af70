"""The sections of a report that need the facts alone: words and tables."""

from __future__ import annotations

from itertools import groupby
from math import isnan
from typing import TYPE_CHECKING

from isthmus.report.blocks import (
    Section,
    Table,
    count_text,
    number_text,
    percent_text,
    shape_text,
)
from isthmus.words import listed, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from isthmus.report.facts import Facts

MOST_RANGES = 30
MOST_CANDIDATES = 15
MOST_NAMES = 10
SLOTS = ("architecture", "corruption", "sparsity", "penalty", "loss", "scaling")
TABLE_LOSS = (
    "That is the loss of numbers; a level, true or false costs its cross-entropy. What a cell costs is "
    "counted in what the best constant answer costs in its column, and a row's loss is the mean over "
    "the cells that are there."
)
EQUATION = (
    "x~ = corrupt(x)     h = E(x~)     z = code(h)     x' = D(z)\n"
    "L  = mean_i w_i loss(x'_i, x_i) + sparsity.penalty(z) + sum_j penalty_j(step)"
)


# -- the data ----------------------------------------------------------------------------------------


def data_section(d: Facts, sampling: str) -> Section:
    """Return what the rows are: how many, their ranges, gaps and labels."""
    shape = d["shape"]
    what = f"shape {shape_text(shape)}" if len(shape) > 1 else f"{d['n_columns']:,} columns"
    gaps = f"{d['n_missing']:,} values are missing" if d["n_missing"] else "no value is missing"
    again = f"{d['n_repeated']:,} rows repeat an earlier one. " if d["n_repeated"] else ""
    text = [f"{d['n_rows']:,} rows of {what}; {gaps}. {again}{sampling}".strip()]
    table = d.get("table", False)
    constant = [c["name"] for c in d["columns"] if not table and c["min"] == c["max"]]
    if constant:
        few = len(constant) <= MOST_NAMES
        names = listed(constant, "and") if few else shortened(constant, MOST_NAMES)
        text.append(f"Constant, and so nothing to learn from: {names}.")
    tables = [(_schema_table if table else _range_table)(d["columns"])]
    if d["labels"] is not None:
        tables.append(_label_table(d["labels"]))
    return Section("The data", text, tables=tables)


def sampling_sentence(measured: int, drawn: int, n: int, seed: int) -> str:
    """Return how many of n rows were measured and drawn, if not all were."""
    parts = []
    if measured < n:
        parts.append(f"errors and codes are measured on {measured:,} of them")
    if drawn < n:
        parts.append(f"the plane shows {drawn:,}")
    if not parts:
        return ""
    return f"To keep this page small, {listed(parts, 'and')}, drawn at random (seed {seed})."


def _range_table(columns: Sequence[Facts]) -> Table:
    shown = columns[:MOST_RANGES]
    caption = f"Columns and their ranges{_left_out(columns, shown)}"
    head = ("Column", "Least", "Mean", "Deviation", "Largest", "Distinct", "Missing")
    rows = [
        [
            c["name"],
            *(number_text(c[key]) for key in ("min", "mean", "std", "max")),
            count_text(c["n_distinct"]),
            count_text(c["missing"]),
        ]
        for c in shown
    ]
    return Table(caption, head, rows)


def _schema_table(columns: Sequence[Facts]) -> Table:
    """Return what the columns of a table of mixed types are taken for, and what they hold."""
    shown = columns[:MOST_RANGES]
    caption = f"What the columns are taken for, and what they hold{_left_out(columns, shown)}"
    usual = ("Usual", "median, or level")
    head = ("Column", "Taken for", "Why", usual, "Least", "Largest", "Distinct", "Missing")
    rows = [
        [
            *(c[key] for key in ("name", "kind", "why")),
            *(c[key] or "\u2013" for key in ("usual", "least", "most")),
            count_text(c["n_distinct"]),
            count_text(c["missing"]),
        ]
        for c in shown
    ]
    return Table(caption, head, rows, words=3)


def _left_out(every: Sequence[Facts], shown: Sequence[Facts]) -> str:
    left = len(every) - len(shown)
    return f"; {left:,} more are not shown" if left else ""


def _label_table(labels: Facts) -> Table:
    total = sum(c["rows"] for c in labels["counts"])
    left = labels["n_kinds"] - len(labels["counts"])
    caption = f"Rows by {labels['name']}" + (f"; {left:,} rarer ones are not shown" if left else "")
    rows = [
        [c["label"], f"{c['rows']:,}", percent_text(c["rows"] / total, 1)] for c in labels["counts"]
    ]
    return Table(caption, (labels["name"], "Rows", "Share"), rows)


# -- the models --------------------------------------------------------------------------------------


def models_section(facts: Sequence[Facts], rows: str) -> Section:
    """Return the models: how good they are, and what fills their slots."""
    one = len(facts) == 1
    text = [model_in_words(facts[0])] if one else []
    text.append(
        "Every model is one equation with five slots: architecture (E and D), corruption, "
        "sparsity, penalty and loss. For a scaled row x:"
    )
    title = "The model" if one else "The models"
    tables = [_score_table(facts, rows), _slot_table(facts)]
    notes = comparison_notes(facts, rows)
    return Section(title, text, notes=notes, tables=tables, code=[("", EQUATION)])


def model_in_words(f: Facts) -> str:
    """Return a model's equation as sentences."""
    scaling, words = f["equation"]["scaling"], f["words"]
    slots = (
        "" if f["n_slots"] is None else f", {f['n_slots']:,} slots for numbers, levels and gaps,"
    )
    sentences = [
        f"The model takes a row of {f['n_features']:,} {'columns' if slots else 'values'}{slots} "
        "through the layers "
        f"{_layers_text(f)} to a code of {f['n_components']:,}, and back through their mirror "
        f"image. It has {f['n_parameters']:,} parameters.",
        f"Rows are scaled ({scaling})." if scaling != "None" else "Rows are not scaled.",
    ]
    sentences += [f"In training the input is corrupted ({s})." for s in words["corruption"]]
    sentences += [f"The code is kept sparse ({s})." for s in words["sparsity"]]
    sentences += [f"A penalty is added ({s})." for s in words["penalty"]]
    sentences += [f"The loss is minimised ({s})." for s in words["loss"]]
    if slots:
        sentences.append(TABLE_LOSS)
    return " ".join(sentences)


def _layers_text(f: Facts) -> str:
    return (" \u2192\u00a0" if "x" in f["layers"][0] else "-").join(f["layers"])


def _slot_table(facts: Sequence[Facts]) -> Table:
    head = ("Model", "Layers", *(slot.capitalize() for slot in SLOTS))
    rows = [
        [f["name"], _layers_text(f), *(f["equation"][s] or "\u2013" for s in SLOTS)] for f in facts
    ]
    return Table("What fills the slots", head, rows, words=len(head), code=True)


def _score_table(facts: Sequence[Facts], rows: str) -> Table:
    judged = {f["baseline"]["rows"] for f in facts if f["baseline"]}
    on = f"on the {judged.pop()} rows" if len(judged) == 1 else "on rows of training"
    losses = {f["loss"] for f in facts}
    unit = f"{facts[0]['loss']}, scaled" if len(losses) == 1 else "scaled"
    head: list[str | tuple[str, str]] = [
        "Model",
        "Code width",
        "Parameters",
        "Epochs",
        "Seconds",
        ("Score", "1 is perfect"),
        ("Error", unit),
        *([("Squared error", "data's units")] * _any_raw(facts)),
        ("Error", on),
        ("PCA's", "same width"),
        ("The mean's", ""),
    ]
    lines = [_score_line(f, len(losses) > 1, _any_raw(facts)) for f in facts]
    return Table(f"Score and errors on the {rows}", head, lines)


def _any_raw(facts: Sequence[Facts]) -> bool:
    """Return whether squared errors in the data's units mean anything."""
    return any(f["raw_error"] is not None for f in facts)


def _score_line(f: Facts, name_loss: bool, raw: bool) -> list[str]:
    b = f["baseline"]
    narrow = f["n_components"] < f["n_features"]
    comparable = narrow and bool(b) and not isnan(b["pca"])
    known = [b["model"], b["pca"] if comparable else None, b["mean"]] if b else [None] * 3
    return [
        f["name"],
        f"{f['n_components']:,}",
        f"{f['n_parameters']:,}",
        f"{f['epochs']:,}",
        f"{f['seconds']:.1f}",
        f"{f['score']:.3f}",
        number_text(f["error"]) + (f" {f['loss']}" if name_loss else ""),
        *([number_text(f["raw_error"])] * raw),
        *map(number_text, known),
    ]


def comparison_notes(facts: Sequence[Facts], rows: str) -> list[str]:
    """Return sentences about the table of models."""
    notes = [
        f"The score is 1 - error / error of the training mean on the {rows}: 1 is perfect, and 0 is "
        "no better than always answering the mean."
    ]
    if len(facts) > 1:
        best = max(facts, key=lambda f: f["score"])
        notes.append(f"The {best['name']} model has the best score, {best['score']:.3f}.")
    notes += _notes_by_width(facts)
    wide = [f["name"] for f in facts if f["n_components"] >= f["n_features"]]
    judged = [f for f in facts if f["baseline"] and f["name"] not in wide]
    notes += [_pca_note(f) for f in judged if not isnan(f["baseline"]["pca"])]
    if wide:
        notes.append(
            f"No comparison with PCA for {listed(wide, 'and')}: with a code as wide as the input PCA "
            "loses nothing, and only a constraint keeps a model from copying."
        )
    return notes


def _notes_by_width(facts: Sequence[Facts]) -> list[str]:
    """Return how models with as narrow a code compare; one that learned to undo noise does not."""
    narrow = [f for f in facts if f["n_components"] < f["n_features"] and not f["denoising"]]
    notes = []
    for width, group in groupby(sorted(narrow, key=_code_width), key=_code_width):
        best, *others = sorted(group, key=lambda f: -f["score"])
        if others:
            rest = listed([f"{f['name']} has {_worth_text(f)}" for f in others], "and")
            notes.append(
                f"With a code of {width} units the {best['name']} model has the best score, "
                f"{_worth_text(best)} parameters; {rest}."
            )
    return notes


def _code_width(f: Facts) -> int:
    return int(f["n_components"])


def _worth_text(f: Facts) -> str:
    return f"{f['score']:.3f} with {f['n_parameters']:,}"


def _pca_note(f: Facts) -> str:
    b, pca = f["baseline"], f"PCA with {f['n_components']} components"
    own, linear = number_text(b["model"]), number_text(b["pca"])
    if f["denoising"]:
        return (
            f"The {f['name']} model learned to undo noise, not to copy. On the {b['rows']} rows, "
            f"which are clean, its error is {own}, and that of {pca} is {linear}."
        )
    verdict = "below" if b["model"] < b["pca"] else "not below"
    return (
        f"On the {b['rows']} rows the {f['name']} model's error, {own}, is {verdict} that of {pca}, "
        f"{linear}."
    )


# -- results of other parts --------------------------------------------------------------------------


def classifiers_section(c: Facts) -> Section:
    """Return how well classifiers read the labels from codes and from other representations."""
    ranked = sorted(c["table"], key=lambda r: -r["mean"])
    best = ranked[0]
    text = [
        "For each form of the rows, the share that a classifier labels correctly, among rows that it "
        f"was not trained on. The best is {best['classifier']} on {best['input']}, "
        f"{_accuracy_text(best)}."
    ]
    if c.get("most_frequent") is not None:
        sentence = f"Always naming the most frequent class is right for {c['most_frequent']:.3f}"
        clear = best["mean"] - (best["std"] or 0) > c["most_frequent"]
        text.append(sentence + ("." if clear else ", and no classifier is clearly better."))
    if c.get("seen") and c.get("label_taken") is None:
        text.append("The model may have seen the rows that it is tested on, but no label.")
    if c.get("label_taken") is not None:
        text.append(
            f"The label, {c['label_taken']}, is one of the columns that the model was trained on, so "
            "its codes tell of it. Raw columns and PCA are without it."
        )
    head = ("Input", "Classifier", "Width", "Accuracy", "Deviation", "Seconds")
    rows = [
        [
            r["input"],
            r["classifier"],
            count_text(r.get("width")),
            f"{r['mean']:.3f}",
            "\u2013" if r["std"] is None else f"{r['std']:.3f}",
            f"{r.get('fit_seconds', 0) + r.get('score_seconds', 0):.2f}",
        ]
        for r in ranked
    ]
    table = Table("Classifiers, the best first", head, rows, words=2)
    return Section("Classifiers on the code", text, tables=[table])


def _accuracy_text(r: Facts) -> str:
    return f"{r['mean']:.3f}" + ("" if r["std"] is None else f" \u00b1 {r['std']:.3f}")


def search_section(s: Facts) -> Section:
    """Return what a search over parameters found."""
    candidates, best = s["candidates"], _params_text(s["best_params"])
    compared = "candidate was" if len(candidates) == 1 else "candidates were"
    text = [
        f"{len(candidates):,} {compared} compared by {s['scoring']}. The best, with "
        f"{number_text(s['best_score'])}, is {best}."
    ]
    shown = candidates[:MOST_CANDIDATES]
    rows = [
        [
            _params_text(c["params"]),
            number_text(c["score"]),
            number_text(c.get("std")),
            "\u2013" if c.get("seconds") is None else f"{c['seconds']:.2f}",
        ]
        for c in shown
    ]
    caption = f"Candidates, the best first{_left_out(candidates, shown)}"
    tables = [Table(caption, ("Parameters", "Score", "Deviation", "Seconds"), rows)]
    if s.get("importance"):
        ranked = sorted(s["importance"].items(), key=lambda item: -(item[1] or 0))
        worth = [[name, number_text(value)] for name, value in ranked]
        tables.append(Table("How much each parameter matters", ("Parameter", "Importance"), worth))
    return Section("The search", text, tables=tables)


def _params_text(params: Mapping[str, object]) -> str:
    return ", ".join(f"{k}={v}" for k, v in params.items()) or "the defaults"


def reproduction_section(r: Facts) -> Section:
    """Return how to get this page and these models again."""
    text = [
        "The same versions, rows, parameters and seed give the same model, to the bit on the same "
        f"kind of processor. The rows have the fingerprint {r['fingerprint']} (CRC-32)."
    ]
    code = [("This page", r["command"])] if r["command"] else []
    code += [(f"The model {m['name']}", m["code"]) for m in r["models"]]
    code += [("The detector", r["detector"])] if r["detector"] else []
    versions = Table("Versions", ("Of", "Version"), [[k, v] for k, v in r["versions"].items()], 2)
    head = ("Model", "Seed", "Seed drawn")
    seeds = [[m["name"], _seed_text(m["random_state"]), _seed_text(m["seed"])] for m in r["models"]]
    return Section(
        "How to reproduce", text, tables=[Table("Seeds", head, seeds), versions], code=code
    )


def _seed_text(seed: int | str | None) -> str:
    return "\u2013" if seed is None else str(seed)
