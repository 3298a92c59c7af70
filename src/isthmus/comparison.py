"""Classification on codes, beside raw columns and PCA of the same width: the same folds for all."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from isthmus import plots
from isthmus.autoencoder.validation import as_images, check_one_of, check_whole
from isthmus.plots.axes import FAINT, LINES, MARKS, axes_of, short
from isthmus.training.runtime import computing, draw_seed

INPUTS = ("raw columns", "PCA", "codes")
NAMES = ("logistic", "neighbours")
UNLABELLED = ("refuse", "drop", "use")


def named(names: Sequence[str] = NAMES) -> dict[str, Any]:
    """Return classifiers by their names, which are "logistic" and "neighbours"."""
    logistic = LogisticRegression(max_iter=1000, tol=1e-3)
    known = {
        "logistic": ("logistic regression", make_pipeline(StandardScaler(), logistic)),
        "neighbours": ("nearest neighbours", KNeighborsClassifier()),
    }
    for name in names:
        check_one_of("classifiers", name, NAMES)
    return dict(known[name] for name in names)


@dataclass(frozen=True)
class Comparison:
    """How well classifiers do on raw columns, on PCA and on codes.

    Parameters
    ----------
    table : list of dict
        A row for each classifier and input: "classifier", "input", "width", "mean" and "std" of the
        accuracy, "fit_seconds", "score_seconds", both means over the folds. "std" is None where
        rows were given to test on.
    folds : int
        How many folds; 0 where rows were given to test on.
    rows, unlabelled : int
        How many rows have a label, and how many of the others trained the model.
    classes : int
        How many classes there are.
    most_frequent : float
        The accuracy of always naming the most frequent class.
    seen : bool
        Whether the model was fitted before, so that it may have seen the rows it is tested on.
    encode_seconds : dict
        Mean seconds to fit and apply PCA and the model.
    """

    table: list[dict[str, Any]]
    folds: int
    rows: int
    unlabelled: int
    classes: int
    most_frequent: float
    seen: bool
    encode_seconds: dict[str, float] = field(repr=False)

    def facts(self) -> dict[str, Any]:
        """Return everything as JSON takes it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __str__(self) -> str:
        head = ("classifier", "input", "width", "accuracy", "fit s", "score s")
        lines = [head, *map(_cells, self.table)]
        wide = [max(len(line[j]) for line in lines) for j in range(len(head))]
        text = [
            "  ".join(c.ljust(w) if j < 2 else c.rjust(w) for j, (c, w) in enumerate(pairs))
            for pairs in (list(zip(line, wide, strict=True)) for line in lines)
        ]
        return "\n".join([*text, "", *self.notes()])

    def notes(self) -> list[str]:
        """Return what must be known to read the table, as sentences."""
        how = f"{self.folds} stratified folds" if self.folds else "tested on the rows given for it"
        more = f", {self.unlabelled:,} without a label trained the model" if self.unlabelled else ""
        told = [
            f"{self.rows:,} rows, {self.classes} classes, {how}{more}.",
            f"Always naming the most frequent class: {self.most_frequent:.3f}.",
        ]
        if self.seen:
            told.append(
                "The model was fitted before: it may have seen the rows that it is tested on."
            )
        return told

    def plot(self) -> Figure:
        """Draw the accuracies, with a standard deviation to each side."""
        kinds = list(dict.fromkeys(row["classifier"] for row in self.table))
        figure, axes = axes_of(6.4, 1.4 + 0.62 * len(kinds), "Accuracy", "")
        for j, name in enumerate(INPUTS):
            mine = [row for row in self.table if row["input"] == name]
            y = np.array([kinds.index(row["classifier"]) for row in mine]) + 0.2 * (j - 1)
            style: Any = {"color": LINES[(6, 1, 0)[j]], "fmt": MARKS[j], "capsize": 3}
            bars = [row["std"] or 0.0 for row in mine]
            label = name if name == "raw columns" else f"{name}, {mine[0]['width']} wide"
            axes.errorbar([row["mean"] for row in mine], y, xerr=bars, label=label, **style)
        axes.set_yticks(range(len(kinds)), [short(kind) for kind in kinds])
        axes.set_ylim(len(kinds) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=FAINT, linewidth=0.8)
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
        return figure


class _Labelled(NamedTuple):
    """Rows, their labels as numbers from 0, and rows without a label, or None."""

    X: Any
    y: np.ndarray
    kinds: np.ndarray
    rest: Any


def compare(
    model: Any,
    X: Any,
    y: Any,
    X_test: Any = None,
    y_test: Any = None,
    *,
    classifiers: Any = None,
    cv: int = 5,
    unlabelled: str = "refuse",
    random_state: Any = None,
) -> Comparison:
    """Compare classifiers on raw columns, on PCA of the same width and on the codes.

    A model that is not fitted is fitted anew on the training rows of each fold, so that nothing of
    the rows that are tested is known. Raw columns and PCA see rows scaled as the model scales them.

    Parameters
    ----------
    model : Autoencoder or transformer
        Not fitted, or fitted: then its codes are taken as they are, and the result says so.
    X : array-like (n, d), DataFrame, or images (n, h, w[, c])
        The rows.
    y : array-like (n,)
        The class of each row.
    X_test, y_test : optional
        Rows to test on, in place of folds.
    classifiers : dict or sequence of str, optional
        Classifiers by the names they are shown with, or some of "logistic" (on standardised columns)
        and "neighbours" (five of them); both by default.
    cv : int
        How many folds; stratified and shuffled.
    unlabelled : {"refuse", "drop", "use"}
        What becomes of rows whose class is missing: an error, nothing, or the model and PCA are
        trained on them too.
    random_state : None, int, RandomState or Generator
        The seed of the folds, and of the model where it has none.

    Returns
    -------
    Comparison
        `print` shows its table; `plot()` draws it.

    Raises
    ------
    ValueError, TypeError
        For labels that are missing or no classes, for classes with fewer rows than folds, and for
        things that do not classify.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from isthmus import Autoencoder, compare
    >>> X, y = load_iris(return_X_y=True)
    >>> result = compare(Autoencoder(2, max_epochs=5), X, y, cv=3, random_state=0)
    >>> [row["input"] for row in result.table]
    ['raw columns', 'PCA', 'codes', 'raw columns', 'PCA', 'codes']
    """
    chosen, seen = _classifiers(classifiers), _is_fitted(model)
    check_one_of("unlabelled", unlabelled, UNLABELLED)
    check_whole("cv", cv, 2)
    seed = draw_seed(random_state) % 2**32
    data = _labelled(X, y, unlabelled)
    test = None if X_test is None and y_test is None else _test_rows(X_test, y_test, data.kinds)
    model = model if seen else _seeded(model, seed)
    folds = [_Fold(model, seen, *split) for split in _splits(data, test, cv, seed)]
    table = [_row(name, c, j, folds) for name, c in chosen.items() for j in range(len(INPUTS))]
    return Comparison(
        table=table,
        folds=0 if test else cv,
        rows=len(data.y),
        unlabelled=0 if data.rest is None else len(data.rest),
        classes=len(data.kinds),
        most_frequent=float(np.mean([_most_frequent(fold) for fold in folds])),
        seen=seen,
        encode_seconds={
            name: float(np.mean([fold.seconds[name] for fold in folds]))
            for name in ("PCA", "codes")
        },
    )


class _Fold:
    """One split: the three inputs of its training and test rows."""

    def __init__(self, model: Any, seen: bool, rest: Any, train: Any, test: Any) -> None:
        (X, self.y), (X_test, self.y_test) = train, test
        every = X if rest is None else _stacked(X, rest)
        begin = time.perf_counter()
        fitted = model if seen else clone(model).fit(every)
        codes = tuple(_flat(fitted.transform(part)) for part in (X, X_test))
        middle = time.perf_counter()
        raw = tuple(_scaled(fitted, part) for part in (X, X_test))
        every = raw[0] if rest is None else _scaled(fitted, every)
        start = time.perf_counter()
        width = min(codes[0].shape[1], *every.shape)
        pca = PCA(width, random_state=0).fit(every)
        reduced = tuple(pca.transform(part) for part in raw)
        self.inputs = (raw, reduced, codes)
        self.seconds = {"PCA": time.perf_counter() - start, "codes": middle - begin}

    def tried(self, classifier: Any, j: int) -> tuple[float, float, float]:
        """Return the accuracy of a classifier on an input, and the seconds to fit and to score."""
        X, X_test = self.inputs[j]
        begin = time.perf_counter()
        fitted = clone(classifier).fit(X, self.y)
        middle = time.perf_counter()
        accuracy = float(np.mean(fitted.predict(X_test) == self.y_test))
        return accuracy, middle - begin, time.perf_counter() - middle


def _row(name: str, classifier: Any, j: int, folds: list[_Fold]) -> dict[str, Any]:
    tried = np.array([fold.tried(classifier, j) for fold in folds])
    mean, fit, score = tried.mean(axis=0).tolist()
    return {
        "classifier": name,
        "input": INPUTS[j],
        "width": folds[0].inputs[j][0].shape[1],
        "mean": mean,
        "std": float(tried[:, 0].std()) if len(folds) > 1 else None,
        "fit_seconds": fit,
        "score_seconds": score,
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    spread = "" if row["std"] is None else f" \u00b1 {row['std']:.3f}"
    seconds = (f"{row[name]:.2f}" for name in ("fit_seconds", "score_seconds"))
    accuracy = f"{row['mean']:.3f}{spread}"
    return (row["classifier"], row["input"], str(row["width"]), accuracy, *seconds)


def _classifiers(given: Any) -> dict[str, Any]:
    if given is None:
        return named()
    if isinstance(given, Sequence) and given and all(isinstance(name, str) for name in given):
        return named([given] if isinstance(given, str) else given)
    if not isinstance(given, Mapping) or not given:
        raise TypeError(f"classifiers must be a dict of names and classifiers; got {given!r}.")
    for name, classifier in given.items():
        if not (hasattr(classifier, "fit") and hasattr(classifier, "predict")):
            raise TypeError(f"The classifier {name!r} has no fit and predict: {classifier!r}.")
    return {str(name): classifier for name, classifier in given.items()}


def _is_fitted(model: Any) -> bool:
    if not (hasattr(model, "fit") and hasattr(model, "transform")):
        raise TypeError(f"The model must be an Autoencoder or another transformer; got {model!r}.")
    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    return True


def _seeded(model: Any, seed: int) -> Any:
    """Return a model that is not fitted, with this seed where it has none."""
    model = clone(model)
    if "random_state" in model.get_params(deep=False) and model.random_state is None:
        model.set_params(random_state=seed)
    return model


def _labelled(X: Any, y: Any, unlabelled: str) -> _Labelled:
    """Part the rows with a label from those without."""
    X, y = as_images(X), _column(y)
    check_consistent_length(X, y)
    lost = plots.missing(y)
    if lost.any() and unlabelled == "refuse":
        raise ValueError(
            f"{int(lost.sum())} of {len(y)} rows have no label, the first is row "
            f"{int(np.argmax(lost))}: give unlabelled='drop' to leave them out, or 'use' to train "
            "the model on them."
        )
    rest = _safe_indexing(X, np.flatnonzero(lost)) if lost.any() and unlabelled == "use" else None
    kinds, codes = _classes(y[~lost])
    return _Labelled(
        _safe_indexing(X, np.flatnonzero(~lost)) if lost.any() else X, codes, kinds, rest
    )


def _column(y: Any) -> np.ndarray:
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(f"y has shape {y.shape}; give one label a row.")
    return y


def _classes(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes and, for each row, the number of its own."""
    if y.dtype.kind == "f" and type_of_target(y).startswith("continuous"):
        raise ValueError(f"y holds numbers such as {y[y % 1 != 0][0]:g}, which are no classes.")
    kinds, codes = np.unique(y.astype(str) if y.dtype.kind == "O" else y, return_inverse=True)
    if len(kinds) < 2:
        raise ValueError(f"y has {len(kinds)} class{'es' * (len(kinds) != 1)}; there must be two.")
    return kinds, codes


def _test_rows(X: Any, y: Any, kinds: np.ndarray) -> tuple[Any, np.ndarray]:
    if X is None or y is None:
        raise ValueError("Give both X_test and y_test, or neither.")
    X, y = as_images(X), _column(y)
    check_consistent_length(X, y)
    if plots.missing(y).any():
        raise ValueError(f"{int(plots.missing(y).sum())} of the {len(y)} test rows have no label.")
    y = y.astype(str) if kinds.dtype.kind == "U" else y
    new = np.setdiff1d(y, kinds)
    if len(new):
        raise ValueError(f"No training row has the class {str(new[0])!r} of the test rows.")
    return X, np.searchsorted(kinds, y)


def _splits(data: _Labelled, test: Any, cv: int, seed: int) -> Iterator[tuple[Any, Any, Any]]:
    """Yield rows without a label, training rows and test rows."""
    if test is not None:
        yield data.rest, (data.X, data.y), test
        return
    counts = np.bincount(data.y)
    if counts.min() < cv:
        few = int(np.argmin(counts))
        raise ValueError(
            f"The class {str(data.kinds[few])!r} has {counts[few]} row{'s' * int(counts[few] != 1)}, "
            f"fewer than cv={cv} folds: use fewer folds, or leave this class out."
        )
    parts = StratifiedKFold(cv, shuffle=True, random_state=seed).split(data.y, data.y)
    for rows in parts:
        train, held = ((_safe_indexing(data.X, part), data.y[part]) for part in rows)
        yield data.rest, train, held


def _stacked(X: Any, rest: Any) -> Any:
    if isinstance(X, np.ndarray):
        return np.concatenate([X, rest])
    if hasattr(X, "iloc"):
        from pandas import concat

        return concat([X, rest])
    return X.vstack(rest)


def _flat(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x.reshape(len(x), -1)


def _scaled(model: Any, X: Any) -> np.ndarray:
    """Return rows as the model scales them; as they are for other transformers."""
    if not hasattr(model, "scaler_"):
        return _flat(X)
    with computing(model.dtype, model.device):
        return np.asarray(model.scaler_.forward(model._rows(X), model.dtype))


def _most_frequent(fold: _Fold) -> float:
    return float(np.mean(fold.y_test == np.argmax(np.bincount(fold.y))))
