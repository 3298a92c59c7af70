"""Which parameters of a search matter: the share of the scores' variance between their values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.search.candidates import Params


def importances(candidates: Sequence[Params], scores: np.ndarray) -> dict[str, float]:
    """Return the share of the scores' variance between the values of each parameter."""
    names = dict.fromkeys(name for params in candidates for name in params)
    finite = np.isfinite(scores)
    shares = {}
    for name in names:
        group, _ = quarters(candidates, name)
        shares[name] = _share_between(group[finite], scores[finite])
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def quarters(candidates: Sequence[Params], name: str) -> tuple[np.ndarray, bool]:
    """Return for each candidate the number of its value, or of the quarter its value lies in.

    The latter, and True, where there are too many values to compare.
    """
    values = [params.get(name) for params in candidates]
    texts = [repr(v) for v in values]
    distinct = list(dict.fromkeys(texts))
    if len(distinct) > max(5, len(values) // 3) and all(map(_is_number, values)):
        numbers = np.array(values, float)
        return np.searchsorted(np.quantile(numbers, (0.25, 0.5, 0.75)), numbers), True
    return np.array([distinct.index(text) for text in texts]), False


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _share_between(group: np.ndarray, scores: np.ndarray) -> float:
    total = float(np.sum((scores - scores.mean()) ** 2)) if len(scores) else 0.0
    if total <= 0:
        return 0.0
    between = (
        np.sum(group == g) * (scores[group == g].mean() - scores.mean()) ** 2
        for g in np.unique(group)
    )
    return float(sum(between) / total)
