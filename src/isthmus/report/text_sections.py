"""The sections of a report that are told by the facts alone: words and tables."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from isthmus.report.blocks import Section, Table, listed, number, sizes
from isthmus.report.facts import Facts

MOST_COLUMNS = 30
MOST_CANDIDATES = 15
SLOTS = ("architecture", "corruption", "sparsity", "penalty", "loss", "scaling")
EQUATION = (
    "x~ = corrupt(x)     h = E(x~)     z = code(h)     x' = D(z)\n"
    "L  = mean_i w_i loss(x'_i, x_i) + sparsity.penalty(z) + sum_j penalty_j(step)"
)


def data(d: Facts, sampled: str) -> Section:
    """Return what the rows are: how many, their ranges, gaps and labels."""
    what = f"shape {sizes(d['shape'])}" if len(d["shape"]) > 1 else f"{d['n_columns']:,} columns"
    gaps = f"{d['n_missing']:,} values are missing" if d["n_missing"] else "no value is missing"
    text = [f"{d['n_rows']:,} rows of {what}; {gaps}. {_repeated(d)}{sampled}".strip()]
    constant = [c["name"] for c in d["columns"] if c["min"] == c["max"]]
    if constant:
        text.append(f"Constant, and so nothing to learn from: {_few(constant)}.")
    tables = [_ranges(d)]
    if d["labels"] is not None:
        tables.append(_counts(d["labels"]))
    return Section("The data", text, tables=tables)


def _repeated(d: Facts) -> str:
    n = d["n_repeated"]
    return f"{n:,} rows repeat an earlier one. " if n else ""


def _ranges(d: Facts) -> Table:
    shown = d["columns"][:MOST_COLUMNS]
    left = len(d["columns"]) - len(shown)
    caption = "Columns and their ranges" + (f"; {left:,} more are not shown" if left else "")
    keys = ("min", "mean", "std", "max")
    rows = [
        [c["name"], *(number(c[k]) for k in keys), _count(c["n_distinct"]), _count(c["missing"])]
        for c in shown
    ]
    head = ("Column", "Least", "Mean", "Deviation", "Largest", "Distinct", "Missing")
    return Table(caption, head, rows)


def _count(n: int | None) -> str:
    return "\u2013" if n is None else f"{n:,}"


def _counts(labels: Facts) -> Table:
    total = sum(c["rows"] for c in labels["counts"])
    left = labels["n_kinds"] - len(labels["counts"])
    caption = f"Rows by {labels['name']}" + (f"; {left:,} rarer ones are not shown" if left else "")
    rows = [
        [c["label"], f"{c['rows']:,}", f"{100 * c['rows'] / total:.1f} %"] for c in labels["counts"]
    ]
    return Table(caption, (labels["name"], "Rows", "Share"), rows)


def models(facts: Sequence[Facts], rows: str) -> Section:
    """Return the models: how good they are, and what fills their slots."""
    one = len(facts) == 1
    text = [words(facts[0])] if one else []
    text.append(
        "Every model is one equation with five slots: architecture (E and D), corruption, "
        "sparsity, penalty and loss. For a scaled row x:"
    )
    slots = Table(
        "What fills the slots",
        ("Model", "Layers", *(slot.capitalize() for slot in SLOTS)),
        [[f["name"], _layers(f), *(f["equation"][s] or "\u2013" for s in SLOTS)] for f in facts],
        words=2 + len(SLOTS),
        code=True,
    )
    title = "The model" if one else "The models"
    tables = [_scores(facts, rows), slots]
    return Section(title, text, notes=comparison(facts, rows), tables=tables, code=[("", EQUATION)])


def words(f: Facts) -> str:
    """Return a model's equation as sentences."""
    told = [
        f"The model takes a row of {f['n_features']:,} values through the layers {_layers(f)} to a "
        f"code of {f['n_components']:,}, and back through their mirror; {f['n_parameters']:,} "
        "numbers were learned."
    ]
    said = f["words"]
    told.append(
        f"Rows are scaled by {f['equation']['scaling']}."
        if f["equation"]["scaling"] != "None"
        else "Rows are taken as they are, unscaled."
    )
    told += [f"In training the input is corrupted ({s})." for s in said["corruption"]]
    told += [f"The code is kept sparse ({s})." for s in said["sparsity"]]
    told += [f"A penalty is added ({s})." for s in said["penalty"]]
    told += [f"What it minimises is the loss ({s})." for s in said["loss"]]
    return " ".join(told)


def _layers(f: Facts) -> str:
    return (" \u2192\u00a0" if "x" in f["layers"][0] else "-").join(f["layers"])


def _scores(facts: Sequence[Facts], rows: str) -> Table:
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
        ("Squared error", "data's units"),
        ("Error", on),
        ("PCA's", "same width"),
        ("The mean's", ""),
    ]
    return Table(f"Score and errors on the {rows}", head, [_score(f, len(losses)) for f in facts])


def _score(f: Facts, kinds: int) -> list[str]:
    b = f["baseline"]
    narrow = f["n_components"] < f["n_features"]
    error = number(f["error"]) + (f" {f['loss']}" if kinds > 1 else "")
    known = [b["model"], b["pca"] if narrow else None, b["mean"]] if b else [None] * 3
    return [
        f["name"],
        f"{f['n_components']:,}",
        f"{f['n_parameters']:,}",
        f"{f['epochs']:,}",
        f"{f['seconds']:.1f}",
        f"{f['score']:.3f}",
        error,
        number(f["raw_error"]),
        *map(number, known),
    ]


def comparison(facts: Sequence[Facts], rows: str) -> list[str]:
    """Return sentences about the table of models."""
    notes = [
        f"The score is 1 - error / error of the training mean on the {rows}: 1 is perfect and 0 is "
        "no better than always answering the mean."
    ]
    if len(facts) > 1:
        best = max(facts, key=lambda f: f["score"])
        notes.append(f"The best score is the {best['name']} model's, {best['score']:.3f}.")
    notes += _of_one_width(facts)
    wide = [f["name"] for f in facts if f["n_components"] >= f["n_features"]]
    narrow = [f for f in facts if f["baseline"] and f["name"] not in wide]
    notes += [_beside_pca(f) for f in narrow]
    if wide:
        notes.append(
            f"No comparison with PCA for {listed(wide)}: with a code as wide as the input PCA "
            "loses nothing, and only a constraint keeps a model from copying."
        )
    return notes


def _of_one_width(facts: Sequence[Facts]) -> list[str]:
    """Return how models with as narrow a code compare; one that learned to undo noise does not."""
    narrow = [f for f in facts if f["n_components"] < f["n_features"] and not f["denoising"]]
    notes = []
    for width, group in groupby(sorted(narrow, key=_width), key=_width):
        best, *others = sorted(group, key=lambda f: -f["score"])
        if others:
            said = listed([f"{f['name']} has {_worth(f)}" for f in others])
            notes.append(
                f"With a code of {width} units the {best['name']} model has the best score, "
                f"{_worth(best)} parameters; {said}."
            )
    return notes


def _width(f: Facts) -> int:
    return int(f["n_components"])


def _worth(f: Facts) -> str:
    return f"{f['score']:.3f} with {f['n_parameters']:,}"


def _beside_pca(f: Facts) -> str:
    b = f["baseline"]
    model, pca = number(b["model"]), number(b["pca"])
    where = f"on the {b['rows']} rows, {model} against {pca}"
    if f["denoising"]:
        return (
            f"The {f['name']} model learned to undo noise rather than to copy; on clean rows its "
            f"error beside PCA's with {f['n_components']} components is, {where}."
        )
    verdict = "below" if b["model"] < b["pca"] else "not below"
    return (
        f"The {f['name']} model's error is {verdict} that of PCA with {f['n_components']} components "
        f"{where}."
    )


def classifiers(c: Facts) -> Section:
    """Return how well classifiers read the labels from codes and from other representations."""
    ranked = sorted(c["table"], key=lambda r: -r["mean"])
    best = ranked[0]
    text = [
        "How well classifiers tell the labels from each form of the rows: the share that is right "
        f"among rows they were not trained on. The best is {best['classifier']} on "
        f"{best['input']}, {_accuracy(best)}.",
    ]
    if c.get("most_frequent") is not None:
        text.append(f"Always naming the most frequent class is right for {c['most_frequent']:.3f}.")
    if c.get("seen"):
        text.append("The model may have seen the rows that it is tested on, though no label.")
    head = ("Input", "Classifier", "Width", "Accuracy", "Deviation", "Seconds")
    rows = [
        [
            r["input"],
            r["classifier"],
            _count(r.get("width")),
            f"{r['mean']:.3f}",
            "\u2013" if r["std"] is None else f"{r['std']:.3f}",
            f"{r.get('fit_seconds', 0) + r.get('score_seconds', 0):.2f}",
        ]
        for r in ranked
    ]
    table = Table("Classifiers, the best first", head, rows, words=2)
    return Section("Classifiers on the code", text, tables=[table])


def _accuracy(r: Facts) -> str:
    return f"{r['mean']:.3f}" + ("" if r["std"] is None else f" \u00b1 {r['std']:.3f}")


def _seconds(r: Mapping[str, Any]) -> str:
    return "\u2013" if r.get("seconds") is None else f"{r['seconds']:.2f}"


def search(s: Facts) -> Section:
    """Return what a search over parameters found."""
    best = _params(s["best_params"])
    text = [
        f"{len(s['candidates']):,} candidates were compared by {s['scoring']}. The best, with "
        f"{number(s['best_score'])}, is {best}."
    ]
    shown = s["candidates"][:MOST_CANDIDATES]
    left = len(s["candidates"]) - len(shown)
    caption = "Candidates, the best first" + (f"; {left:,} more are not shown" if left else "")
    rows = [
        [_params(c["params"]), number(c["score"]), number(c.get("std")), _seconds(c)] for c in shown
    ]
    tables = [Table(caption, ("Parameters", "Score", "Deviation", "Seconds"), rows)]
    if s.get("importance"):
        ranked = sorted(s["importance"].items(), key=lambda item: -(item[1] or 0))
        worth = [[name, number(value)] for name, value in ranked]
        tables.append(Table("How much each parameter matters", ("Parameter", "Importance"), worth))
    return Section("The search", text, tables=tables)


def _params(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in params.items()) or "the defaults"


def reproduce(r: Facts) -> Section:
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
    seeds = [[m["name"], _seed(m["random_state"]), _seed(m["seed"])] for m in r["models"]]
    tables = [Table("Seeds", head, seeds), versions]
    return Section("How to reproduce", text, tables=tables, code=code)


def _seed(value: Any) -> str:
    return "\u2013" if value is None else str(value)


def _few(words: Sequence[str], most: int = 10) -> str:
    shown = list(words[:most])
    return (
        listed(shown) if len(words) <= most else f"{', '.join(shown)} and {len(words) - most} more"
    )
