"""What results say: means, and differences that are paired by set.

A value of a set is the mean over seeds. A detector that failed on a set, at any seed, has none there
and ranks last; means are over the sets where it has one, differences over those where both have.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata, wilcoxon

from detection.read import CHOSEN_ON

SHOWN, DRAWN = 10, 40  # losses in a list; sets in a picture


class Values(NamedTuple):
    """Values by detector and set, NaN where there is none, under one protocol."""

    names: list[str]
    sets: list[str]
    auroc: np.ndarray  # (names, sets)
    precision: np.ndarray
    seconds: np.ndarray

    def part(self, chosen):
        """Return the values of some sets."""
        sets = [name for name, taken in zip(self.sets, chosen, strict=True) if taken]
        return Values(self.names, sets, *(v[:, chosen] for v in self[2:]))


class Paired(NamedTuple):
    """By how much one detector is ahead of another in the mean over sets, and how sure that is."""

    sets: int
    ahead: float
    error: float  # its standard error
    p: float  # Wilcoxon's, two-sided


def mean(values):
    """Return the mean of the finite values, NaN if there are none."""
    there = values[np.isfinite(values)]
    return there.mean() if len(there) else np.nan


def paired(ours, theirs):
    """Compare values by set, where both have one."""
    gaps = (ours - theirs)[np.isfinite(ours - theirs)]
    n = len(gaps)
    if n < 2:
        return Paired(n, mean(gaps), np.nan, np.nan)
    p = wilcoxon(gaps).pvalue if gaps.any() else 1.0
    return Paired(n, gaps.mean(), gaps.std(ddof=1) / np.sqrt(n), p)


def complete(results, names, sets, protocol, seeds, most):
    """Return the sets that all of these detectors have results of, at all seeds."""
    return [
        of
        for of in sets
        if all((name, of, protocol, seed, most) in results for name in names for seed in seeds)
    ]


def values_of(results, names, sets, protocol, seeds, most):
    """Gather means over seeds."""

    def value(name, of, what):
        found = [results[name, of, protocol, seed, most] for seed in seeds]
        return np.mean([result.get(what, np.nan) for result in found])

    arrays = (
        np.array([[value(name, of, what) for of in sets] for name in names])
        for what in ("auroc", "precision", "seconds")
    )
    return Values(names, sets, *arrays)


def table(values, reference):
    """Yield the lines of a table of Markdown, the best detector first."""
    picked = np.isin([name.split("/")[1] for name in values.sets], list(CHOSEN_ON))
    split = picked.any() and not picked.all()
    groups = [("chosen on", picked), ("others", ~picked)] if split else []
    ranks = rankdata(-np.nan_to_num(values.auroc, nan=-np.inf), axis=0)
    us = values.names.index(reference)
    head = ["detector", "sets", "AUROC", *(name for name, _ in groups), "precision", "rank", "s"]
    head += [f"{reference} ahead, AUROC", "p", f"{reference} ahead, precision", "p", "worst loss"]
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for i in sorted(range(len(values.names)), key=lambda i: -np.nan_to_num(mean(values.auroc[i]))):
        auroc = values.auroc[i]
        cells = [values.names[i], f"{np.isfinite(auroc).sum()}", f"{mean(auroc):.4f}"]
        cells += [f"{mean(auroc[chosen]):.4f}" for _, chosen in groups]
        cells += [f"{mean(values.precision[i]):.4f}", f"{mean(ranks[i]):.2f}"]
        cells.append(f"{mean(values.seconds[i]):.2f}")
        cells += ["", "", "", "", ""] if i == us else compared(values, us, i)
        yield f"| {' | '.join(cells)} |"


def compared(values, us, i):
    """Return the cells that compare a detector with the one of reference."""
    cells = []
    for array in (values.auroc, values.precision):
        found = paired(array[us], array[i])
        cells += [f"{found.ahead:+.4f} ± {found.error:.4f}", f"{found.p:.2g}"]
    gaps = values.auroc[us] - values.auroc[i]
    if not np.isfinite(gaps).any():
        return [*cells, ""]
    worst = np.nanargmin(gaps)
    return [*cells, f"{gaps[worst]:+.3f} {values.sets[worst]}"]


def losses(values, reference):
    """Yield lines about the sets where the detector of reference is most behind the best other."""
    us = values.names.index(reference)
    others = np.where(np.isfinite(values.auroc), values.auroc, -np.inf)
    others[us] = -np.inf
    best = others.argmax(axis=0)
    gaps = values.auroc[us] - others.max(axis=0)
    order = [j for j in np.argsort(gaps) if np.isfinite(gaps[j]) and gaps[j] < 0][:SHOWN]
    for j in order:
        told = f"{values.auroc[us, j]:.3f}, {values.names[best[j]]} {others[best[j], j]:.3f}"
        yield f"{gaps[j]:+.3f} {values.sets[j]}: {told}"


def failures(results, names, sets, protocol, seeds, most):
    """Yield a line for each detector that failed: where, and why most often."""
    for name in names:
        found = {}
        for of in sets:
            for seed in seeds:
                words = results[name, of, protocol, seed, most].get("failed")
                if words:
                    found.setdefault(of, words)
        if found:
            (words, _), *_ = Counter(found.values()).most_common(1)
            yield f"{name} failed on {len(found)} ({words}): {', '.join(found)}"


def versions(results, name):
    """Return the versions of a detector that results are of."""
    return {r["version"] for key, r in results.items() if key[0] == name}


def picture(path, tables):
    """Draw the AUROC of each detector on each set, best detectors first; a panel a protocol."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2 * len(tables)), layout="constrained")
    panels = figure.subplots(len(tables), squeeze=False).ravel()
    for axes, (protocol, values) in zip(panels, tables.items(), strict=True):
        means = [mean(row) for row in values.auroc]
        order = np.argsort(-np.nan_to_num(means))
        shown = values.auroc[order]
        axes.imshow(shown, cmap="cividis", vmin=0.4, vmax=1, aspect="auto")
        for i, j in np.argwhere(np.isfinite(shown)):
            colour = "k" if shown[i, j] >= 0.75 else "w"
            text = f"{100 * shown[i, j]:.0f}"
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color=colour)
        axes.set_yticks(range(len(order)), [f"{values.names[i]}  {means[i]:.3f}" for i in order])
        labels = [name.split("/")[1].lstrip("0123456789").lstrip("_") for name in values.sets]
        axes.set_xticks(range(len(labels)), labels, rotation=40, ha="right", fontsize=8)
        axes.set_title(f"AUROC in per cent, {protocol}")
    figure.savefig(path, dpi=110)
