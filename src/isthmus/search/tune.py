"""`tune`: search over the parameters of an autoencoder, many candidates in one program."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import (
    KFold,
    ParameterGrid,
    ParameterSampler,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
    check_cv,
)
from sklearn.utils.validation import _num_samples

from isthmus.autoencoder import (
    Autoencoder,
    as_images,
    check_real,
    check_rows_have_cells,
    check_whole,
    parted,
    read_whole_or_some,
    schema_of,
)
from isthmus.io import as_json
from isthmus.search.candidates import (
    build_candidate,
    parameter_text,
    parameters_in_words,
)
from isthmus.search.criteria import choose_criterion
from isthmus.search.importance import importances
from isthmus.search.race import Data, Scorer, Table
from isthmus.training import DivergenceError, Progress, draw_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from sklearn.pipeline import Pipeline

    from isthmus.autoencoder import Front
    from isthmus.schema import Schema
    from isthmus.search.candidates import (
        Params,
    )
    from isthmus.search.criteria import Criterion

Searched = TypeVar("Searched", bound="Autoencoder | Pipeline")
HELD_OUT = 0.2
DRAWN = 32  # candidates, where distributions are given and no number
LONGEST = 3  # rungs of successive halving: less than a ninth of the training tells little


@dataclass(frozen=True)
class Search(Generic[Searched]):
    """What `tune` found; the attributes are those of scikit-learn's searches.

    Attributes
    ----------
    best_estimator_ : Autoencoder or Pipeline
        The best candidate, fitted anew on all rows, with the steps that stand in front of it.
    best_params_ : dict
        Its parameters.
    best_score_ : float
        Its mean score on held-out rows.
    best_index_ : int
        Its place in `cv_results_`.
    cv_results_ : dict of arrays
        By candidate: "params", "param_*", "split*_test_score", "mean_test_score", "std_test_score",
        "rank_test_score", "mean_fit_time", "mean_score_time" and their deviations. With halving
        also "iter", the last rung that a candidate reached, and "n_resources", its epochs there.
    importance_ : dict of float
        By parameter: the share of the variance of mean scores that lies between its values, most
        important first; a continuous one is cut at its quartiles.
    scoring_ : str
        The name of the criterion.
    seconds_ : float
        How long the search took, without the last fit.
    """

    best_estimator_: Searched
    best_index_: int
    cv_results_: dict[str, Any]
    importance_: dict[str, float]
    scoring_: str
    seconds_: float

    @property
    def best_params_(self) -> dict[str, Any]:
        """The parameters of the best candidate."""
        params: dict[str, Any] = self.cv_results_["params"][self.best_index_]
        return params

    @property
    def best_score_(self) -> float:
        """The mean score of the best candidate."""
        return float(self.cv_results_["mean_test_score"][self.best_index_])

    def plot(self) -> Figure:
        """Draw the mean score over the two most important parameters."""
        from isthmus.search.picture import draw_search

        return draw_search(self)

    def facts(self) -> dict[str, Any]:
        """Return the search as plain data that JSON holds: the best, all candidates, importance."""
        found = self.cv_results_
        columns = {
            "score": "mean_test_score",
            "std": "std_test_score",
            "rank": "rank_test_score",
            "seconds": "mean_fit_time",
            "rung": "iter",
            "epochs": "n_resources",
        }
        known = {name: found[key] for name, key in columns.items() if key in found}
        rows = [
            {"params": _told(params), **{name: values[i] for name, values in known.items()}}
            for i, params in enumerate(found["params"])
        ]
        facts: dict[str, Any] = as_json(
            {
                "scoring": self.scoring_,
                "best_params": _told(self.best_params_),
                "best_score": self.best_score_,
                "importance": self.importance_,
                "seconds": self.seconds_,
                "candidates": sorted(rows, key=lambda row: row["rank"]),
            }
        )
        return facts

    def __repr__(self) -> str:
        best = parameters_in_words(self.best_params_)
        n = len(self.cv_results_["params"])
        return f"Search of {n} candidates; best by {self.scoring_}, {self.best_score_:.4f}: {best}"


def _told(params: Params) -> dict[str, Any]:
    """Return parameters as JSON holds them."""
    plain = (bool, int, float, np.number, str, type(None))
    return {k: v if isinstance(v, plain) else parameter_text(v) for k, v in params.items()}


def tune(
    autoencoder: Searched,
    grid: Any,
    X: Any,
    y: Any = None,
    *,
    n_iter: int | None = None,
    scoring: Any = "reconstruction",
    cv: Any = None,
    halving: bool = False,
    factor: int = 3,
) -> Search[Searched]:
    """Search over parameters; candidates whose shapes agree are trained in one program.

    Every candidate is what `autoencoder.set_params(**params).fit(rows)` makes of the rows it is
    trained on, within rounding, and all have the same seed. What the columns of a table of mixed types
    are taken for is settled once, by all rows. Steps in front of the autoencoder learn from the rows to
    train on alone.

    Parameters
    ----------
    autoencoder : Autoencoder or Pipeline
        What the candidates have in common; its `random_state` seeds everything, and its `verbose`
        shows progress. A scikit-learn Pipeline ends in an Autoencoder.
    grid : dict or list of dicts
        Lists of values by parameter, which may belong to a part, as `sparsity__rho` or
        `corruption__0__std`. With `n_iter`, or with distributions among them (anything with `rvs`,
        as in `scipy.stats`), candidates are drawn. Of a Pipeline they are those of its last step, by
        its name, as `autoencoder__learning_rate`.
    X : array-like (n, d), DataFrame, images (n, h, w[, c]), or path
        The rows.
    y : array-like (n,), optional
        Classes of rows, for the scoring.
    n_iter : int, optional
        How many candidates to draw; 32 where there are distributions.
    scoring : {"reconstruction", "probe", "stability"} or callable
        On held-out rows, higher is better. "reconstruction" is `Autoencoder.score`, to compare
        codes of one width; "probe" the accuracy of a linear classifier of the codes, learned on the
        training rows; "stability" the agreement of the codes of two seeds up to rotation, as linear
        CKA. A function is called as `scoring(estimator, X_held, y_held)`.
    cv : float, int, splitter or iterable, optional
        A float is the share of rows held out once, 0.2 by default; a whole number the folds.
    halving : bool
        Whether all candidates are trained for a part of their epochs first, and only the best of them
        go on.
    factor : int
        With halving, one in how many goes on, to as many times the epochs.

    Returns
    -------
    Search
        Results under scikit-learn's names, with the best candidate fitted on all rows.

    Raises
    ------
    ValueError, TypeError
        For an empty grid, unknown parameters, candidates that cannot be trained, too few rows or a
        scoring without its y.
    DivergenceError
        When every candidate diverges. One that does has the score NaN and is ranked last.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from isthmus import Autoencoder, tune
    >>> ae = Autoencoder(2, max_epochs=20, random_state=0)
    >>> found = tune(ae, {"learning_rate": [1e-4, 1e-2]}, load_iris().data)
    >>> found.best_params_
    {'learning_rate': 0.01}
    """
    begin = time.perf_counter()
    front, common = parted(autoencoder, "The search is among parameters of")
    seed = _settled_seed(common)
    candidates = _listed(grid, n_iter, seed)
    own = [_of_last_step(front, params) for params in candidates]
    criterion = choose_criterion(scoring, y)
    data = Data(as_images(read_whole_or_some(X, seed)), y, front)
    splits = _splits(cv, data.X, y, criterion, seed)
    seen = front.learnt(data.X, y)[1]
    schema = schema_of(common, seen)
    check_rows_have_cells(schema, seen)
    built = [build_candidate(common, params, seed, schema) for params in own]
    rungs = _rungs(len(candidates), factor) if halving else [Rung(len(candidates), 1.0)]
    with closing(Progress("tune", common.verbose)) as count:
        knowing = [_knowing(common, schema) for _ in splits]
        scorer = Scorer(built, criterion, splits, count, {}, knowing)
        table = _race(scorer, rungs, data)
        count.finish()
    best = int(np.argmin(table.ranks()))
    results = table.results(candidates, halving)
    importance = importances(candidates, table.first_scores)
    seconds = time.perf_counter() - begin
    model = _fitted(common, own[best], seed, data)
    return Search(model, best, results, importance, criterion.name, seconds)


def _of_last_step(front: Front, params: Params) -> Params:
    """Return parameters by the names that an autoencoder has for them, at the end of a pipeline.

    Raises a ValueError for those of a step in front, which all candidates share.
    """
    for name in params:
        if not name.startswith(front.prefix):
            raise ValueError(
                f"The grid names {name!r}, and the search is among parameters of the last step: give "
                f"them as {front.prefix}learning_rate; those of other steps are set beforehand, or "
                "searched by scikit-learn's GridSearchCV."
            )
    return {name.removeprefix(front.prefix): value for name, value in params.items()}


def _knowing(autoencoder: Autoencoder, schema: Schema | None) -> Autoencoder:
    """Return what validates the rows of a split: by the schema of all rows, as the last fit."""
    clean: Autoencoder = clone(autoencoder)
    return clean if schema is None else clean.set_params(columns=schema)


def _fitted(autoencoder: Autoencoder, params: Params, seed: int, data: Data) -> Any:
    """Return the best candidate, fitted on all rows; it warns as if the user had called `fit`."""
    best = clone(autoencoder).set_params(random_state=seed).set_params(**params)
    model = clone(data.front.before(best))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(data.X, data.y)
    for warning in caught:
        warnings.warn(warning.message, stacklevel=3)
    return model


# -- candidates and folds ------------------------------------------------------------------------


def _settled_seed(autoencoder: Autoencoder) -> int:
    state = autoencoder.random_state
    return int(state) if isinstance(state, int | np.integer) else draw_seed(state)


def _listed(grid: Any, n_iter: int | None, seed: int) -> list[dict[str, Any]]:
    """Return the candidates of a grid, or drawn ones."""
    if not grid or not (isinstance(grid, Mapping) or all(grid)):
        raise ValueError(
            f"The grid is empty; give values by parameter, such as {{'learning_rate': [1e-3, 1e-2]}}; "
            f"got {grid!r}."
        )
    parts = [grid] if isinstance(grid, Mapping) else list(grid)
    drawn = any(hasattr(v, "rvs") for part in parts for v in part.values())
    if n_iter is None and not drawn:
        return list(ParameterGrid(grid))
    n = DRAWN if n_iter is None else n_iter
    check_whole("n_iter", n, 1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The total space of parameters")  # then all of it
        return list(ParameterSampler(grid, n, random_state=seed % 2**32))


def _splits(cv: Any, X: Any, y: Any, criterion: Criterion, seed: int) -> list[Any]:
    """Return the rows to train on and to hold out of each split."""
    n, seed = _num_samples(X), seed % 2**32
    if n < 4:
        raise ValueError(f"To train on some rows and hold out others needs at least 4; got {n}.")
    if y is not None and _num_samples(y) != n:
        raise ValueError(f"X has {n} rows, but y has {_num_samples(y)}.")
    classes = criterion.name == "probe"
    if cv is None or isinstance(cv, float):
        share = HELD_OUT if cv is None else cv
        check_real("cv", share, "(0, 1) where it is a share", 0 < share < 1)
        once = StratifiedShuffleSplit if classes else ShuffleSplit
        cv = once(1, test_size=share, random_state=seed)
    elif isinstance(cv, int | np.integer):
        folds = StratifiedKFold if classes else KFold
        cv = folds(int(cv), shuffle=True, random_state=seed)
    return list(check_cv(cv, y, classifier=classes).split(np.zeros(n), y))


class Rung(NamedTuple):
    """How many candidates are trained, and for which share of their epochs."""

    n: int
    share: float


def _rungs(n: int, factor: int) -> list[Rung]:
    """Return the rungs of successive halving, the last of which trains to the end."""
    check_whole("factor", factor, 2)
    depth = min(int(math.log(n, factor) + 1e-9), LONGEST - 1)
    return [Rung(-(-n // factor**r), 1 / factor ** (depth - r)) for r in range(depth + 1)]


# -- the race -----------------------------------------------------------------------------------


def _race(scorer: Scorer, rungs: Sequence[Rung], data: Data) -> Table:
    """Score the candidates, rung by rung: the best of one go on to the next."""
    candidates = [candidate.params for candidate in scorer.candidates]
    table = Table(len(candidates), len(scorer.splits))
    for number, rung in enumerate(rungs):
        best = np.sort(np.argsort(table.ranks(), kind="stable")[: rung.n]).tolist()
        chosen = [i for i in best if number == 0 or np.isfinite(table.means[i])]
        table.rung[chosen] = number
        scorer.fill(table, chosen, rung.share, data)
        if number == 0:
            table.first_scores = table.means
        _check_diverged(table, chosen, candidates)
    _warn_diverged(table, candidates)
    return table


def _check_diverged(table: Table, chosen: Sequence[int], candidates: Sequence[Params]) -> None:
    if np.isfinite(table.means[chosen]).any():
        return
    i, error = next(iter(table.errors.items()))
    raise DivergenceError(
        f"All {len(chosen)} candidates diverged; the first, {parameters_in_words(candidates[i])}: "
        f"{error}"
    )


def _warn_diverged(table: Table, candidates: Sequence[Params]) -> None:
    if table.errors:
        named = "; ".join(parameters_in_words(candidates[i]) for i in list(table.errors)[:3])
        more = "; ..." if len(table.errors) > 3 else ""
        warnings.warn(
            f"{len(table.errors)} of {len(candidates)} candidates diverged and are ranked last: "
            f"{named}{more}. Leave out the largest learning rates and weights.",
            FitFailedWarning,
            stacklevel=4,
        )
