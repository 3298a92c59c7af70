"""Wrong cells, planted and found: isthmus beside peers that score cells.

    python benchmarks/cells.py [--data FOLDER] [--only NAME ...] [--tables NAME ...] [--most 5000]
                               [--seeds 0 1 2] [--results FILE]

In each table 1 % of the cells that can be are made wrong in one way: exchanged with another row's
("swap"), multiplied by 1,000 or 0.01 ("unit"), negated ("sign"), or misspelt or replaced by a rare
level ("typo"). A method sees the table so made, and no more, and scores its cells; tables, plants and
seeds are the same for all. What counts is the share of wrong cells among the first k, k being the
number planted (ties are drawn), the area under the ROC curve over the cells that are there, and the
one over rows, by each row's strangest cell. Methods that flag at a rate asked for are also given the
table as it came: the share of its cells that they flag, and of the right cells in a table with plants,
stand beside the rate.

FILE collects a line of JSON for each run, and what it holds is not run again. The peers need
pip install isthmus[table-peers]; `make bench-tables` makes an environment for them.
"""

import json
import time
import warnings

import numpy as np
from sklearn.metrics import roc_auc_score
from speed.results import machine
from tables.options import arguments
from tables.ours import audit_cells, audit_flags
from tables.peers import PEERS
from tables.plants import KINDS, plant, plantable
from tables.read import TABLES, table

SHARE = 0.01
RATES = (0.001, 0.01)
METHODS = {"isthmus": audit_cells, **PEERS}
FLAGS = {"isthmus": audit_flags}


def first_wrong(scores, wrong, seed):
    """Return the share of wrong ones among the highest scores, as many as are wrong; ties are drawn."""
    drawn = np.random.default_rng(seed).random(len(scores))
    return wrong[np.lexsort((drawn, -scores))[: wrong.sum()]].mean()


def present(frame):
    """Return which cells of a table are there."""
    return np.column_stack([column.is_not_null().to_numpy() for column in frame])


def judged(scores, wrong, here, seed):
    """Return how well the scores of cells find those that are wrong."""
    scores = np.where(here, np.nan_to_num(scores, nan=-1e30, posinf=1e30, neginf=-1e30), -1e30)
    rows = wrong.any(axis=1)
    return {
        "precision": first_wrong(scores[here], wrong[here], seed),
        "cells": roc_auc_score(wrong[here], scores[here]),
        "rows": roc_auc_score(rows, scores.max(axis=1)) if not rows.all() else None,
        "planted": int(wrong.sum()),
    }


def measured(method, frame, kind, seed):
    """Return what a method finds of cells planted in a table."""
    dirty, wrong = plant(frame, kind, SHARE, seed)
    begin = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = np.asarray(METHODS[method](dirty, seed), dtype=float)
    seconds = time.perf_counter() - begin
    return {**judged(scores, wrong, present(dirty), seed), "seconds": seconds}


def tried(method, frame, kind, seed):
    """Return the same, or why a peer failed."""
    try:
        return measured(method, frame, kind, seed)
    except Exception as error:
        if method == "isthmus":
            raise
        return {"failed": f"{type(error).__name__}: {error}"[:200]}


def flagged(method, frame, kind, seed):
    """Return which shares of cells are flagged at each rate asked for, in a table without plants and
    among the right cells of one with plants.
    """
    dirty, wrong = plant(frame, kind, SHARE, seed)
    found = {}
    for rate in RATES:
        clean = FLAGS[method](frame, seed, rate)[present(frame)].mean()
        right = FLAGS[method](dirty, seed, rate)[present(dirty) & ~wrong].mean()
        found[str(rate)] = (float(clean), float(right), int(present(frame).sum()))
    return found


def runs(options):
    """Yield method, table, kind and seed of each run, tables first."""
    for name in options.tables:
        for seed in options.seeds:
            frame = table(name, options.data, options.most, seed)
            for kind in KINDS:
                if plantable(frame, kind).any():
                    for method in options.only:
                        yield method, name, kind, seed, frame


def collect(options):
    """Run what the file of results does not hold, and return all results."""
    known = (
        [json.loads(line) for line in options.results.open()] if options.results.exists() else []
    )
    done = {(r["method"], r["table"], r["kind"], r["seed"], r["most"]) for r in known}
    for method, name, kind, seed, frame in runs(options):
        key = {"method": method, "table": name, "kind": kind, "seed": seed, "most": options.most}
        if tuple(key.values()) in done:
            continue
        result = key | tried(method, frame, kind, seed)
        if method in FLAGS and kind == "swap":
            result["flagged"] = flagged(method, frame, kind, seed)
        with options.results.open("a") as file:
            file.write(json.dumps(result) + "\n")
        known.append(result)
    wanted = (options.only, options.tables, options.seeds, [options.most])
    names = ("method", "table", "seed", "most")
    return [r for r in known if all(r[n] in w for n, w in zip(names, wanted, strict=True))]


def mean(results, value, **where):
    """Return a mean over kinds of means over seeds, of those results that are as asked."""
    found = [r for r in results if all(r[k] == v for k, v in where.items()) and "failed" not in r]
    kinds = {r["kind"] for r in found}
    return np.mean([np.mean([r[value] for r in found if r["kind"] == k]) for k in kinds])


def by_table(results, tables, kind):
    """Return the mean over tables of the precision for one kind of wrong cells."""
    return np.mean([mean(results, "precision", table=t, kind=kind) for t in tables])


def row(name, values):
    """Return a line of a table."""
    return f"| {name} | {' | '.join(v if isinstance(v, str) else f'{v:.3f}' for v in values)} |"


def head(title, name, columns):
    """Return the first lines of a table."""
    return f"\n{title}\n{row(name, columns)}\n|{'---|' * (len(columns) + 1)}"


MEASURES = {
    "precision": "precision among the first k",
    "cells": "AUROC over cells",
    "rows": "AUROC over rows",
    "seconds": "seconds",
}


def lines(results, options):
    """Yield the lines of the tables: each measure by table, and precision by kind of wrong cell."""
    for value, said in MEASURES.items():
        yield head(said, "method", [*options.tables, "mean"])
        for method in options.only:
            found = [mean(results, value, method=method, table=t) for t in options.tables]
            yield row(method, [*found, np.mean(found)])
    kinds = [k for k in KINDS if any(r["kind"] == k for r in results)]
    yield head("precision, by kind", "method", kinds)
    for method in options.only:
        own = [r for r in results if r["method"] == method]
        yield row(method, [by_table(own, options.tables, kind) for kind in kinds])


def failures(results):
    """Yield a line for each peer that failed somewhere; means leave these runs out."""
    for method in METHODS:
        failed = [r for r in results if r["method"] == method and "failed" in r]
        if failed:
            yield f"{method} failed on {len(failed)} runs, as by {failed[0]['failed']}"


def rates(results):
    """Yield a line for each rate that was asked for, with its binomial error."""
    for r in results:
        for rate, (clean, right, n) in r.get("flagged", {}).items():
            errors = (clean - float(rate)) / np.sqrt(float(rate) * (1 - float(rate)) / n)
            yield (
                f"{r['method']}, {r['table']}, seed {r['seed']}: asked {rate}, flagged {clean:.4f} "
                f"of the cells as they came ({errors:+.1f} binomial errors), {right:.4f} of the right "
                "ones beside wrong ones"
            )


def main():
    """Plant, find, and print the tables."""
    options = arguments(__doc__, "tables", METHODS, TABLES, 5000, "cells.jsonl")
    results = collect(options)
    print("{processor}, {cores} cores, {day}".format(**machine(options)))
    print("\n".join([*lines(results, options), *rates(results), *failures(results)]))


if __name__ == "__main__":
    main()
