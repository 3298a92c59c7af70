"""Classification on codes, beside raw columns and PCA of the same width: the same folds for all."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, TypedDict

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _num_samples, check_is_fitted

from isthmus.autoencoder import (
    Autoencoder,
    as_images,
    check_one_of,
    check_rows_have_cells,
    check_whole,
    is_mixed,
    schema_of,
    validate_rows,
)
from isthmus.model import bind_loss, fit_table_scaler, layout_of, pca_axes
from isthmus.parts import MSE, plan
from isthmus.plots import (
    FAINT_GREY,
    LINE_COLOURS,
    POINT_MARKS,
    figure_and_axes,
    missing_labels,
    short_text,
)
from isthmus.schema import columns_of, infer_schema, is_frame
from isthmus.training import draw_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.figure import Figure

    from isthmus.schema import Schema

INPUTS = ("raw columns", "PCA", "codes")
CLASSIFIERS = ("logistic", "neighbours")
UNLABELLED = ("refuse", "drop", "use")
ONE_HOT = "Raw columns are standardised numbers, and a column for each level and each kind of gap."


class Line(TypedDict):
    """One classifier on one input: its accuracy, and mean seconds of a fold."""

    classifier: str
    input: str
    width: int
    mean: float
    std: float | None
    fit_seconds: float
    score_seconds: float


class Transformer(Protocol):
    """What makes codes of rows, in scikit-learn's way."""

    def get_params(self, deep: bool = True) -> dict[str, object]:
        """Return the parameters by name."""

    def set_params(self, **params: object) -> Self:
        """Set parameters by name."""

    def fit(self, X: ArrayLike) -> Self:
        """Learn from rows."""

    def transform(self, X: ArrayLike) -> ArrayLike:
        """Return the codes of rows."""


class Classifier(Protocol):
    """What names the classes of rows."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Learn from rows and their classes."""

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the classes of rows."""


def known_classifiers(names: Sequence[str] = CLASSIFIERS) -> dict[str, Classifier]:
    """Return classifiers by the names they are shown with; `names` are theirs in `compare`."""
    logistic = LogisticRegression(max_iter=1000, tol=1e-3)
    known = {
        "logistic": ("logistic regression", make_pipeline(StandardScaler(), logistic)),
        "neighbours": ("nearest neighbours", KNeighborsClassifier()),
    }
    for name in names:
        check_one_of("classifiers", name, CLASSIFIERS)
    return dict(known[name] for name in names)


@dataclass(frozen=True)
class Comparison:
    """How well classifiers do on raw columns, on PCA and on codes.

    Parameters
    ----------
    table : list of dict
        A row for each classifier and input: "classifier", "input", "width", "mean" and "std" of the
        accuracy, "fit_seconds", "score_seconds", both means over the folds. "std" is None if rows
        were given to test on.
    folds : int
        How many folds; 0 if rows were given to test on.
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
    one_hot : bool
        Whether the rows are a table of mixed types, which raw columns and PCA take one-hot.
    label_taken : str, optional
        The label's name if the model takes a column of this name; raw columns and PCA are without it.
    """

    table: list[Line]
    folds: int
    rows: int
    unlabelled: int
    classes: int
    most_frequent: float
    seen: bool
    encode_seconds: dict[str, float] = field(repr=False)
    one_hot: bool = False
    label_taken: str | None = None

    def facts(self) -> dict[str, object]:
        """Return everything as JSON takes it."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __str__(self) -> str:
        head = ("classifier", "input", "width", "accuracy", "fit s", "score s")
        lines = [head, *map(_line_cells, self.table)]
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
        notes = [
            f"{self.rows:,} rows, {self.classes} classes, {how}{more}.",
            f"Always naming the most frequent class: {self.most_frequent:.3f}.",
        ]
        if self.one_hot:
            notes.append(ONE_HOT)
        if self.seen:
            notes.append(
                "The model was fitted before: it may have seen the rows that it is tested on."
            )
        if self.label_taken is not None:
            notes.append(
                f"The label, {self.label_taken!r}, is one of the columns that the model takes; raw "
                "columns and PCA are without it."
            )
        return notes

    def plot(self) -> Figure:
        """Draw the accuracies, with a standard deviation to each side."""
        kinds = list(dict.fromkeys(row["classifier"] for row in self.table))
        figure, axes = figure_and_axes(6.4, 1.4 + 0.62 * len(kinds), "Accuracy", "")
        looks = zip((6, 1, 0), POINT_MARKS, strict=False)  # grey for the raw columns
        for j, (name, (colour, mark)) in enumerate(zip(INPUTS, looks, strict=True)):
            mine = [line for line in self.table if line["input"] == name]
            y = [kinds.index(line["classifier"]) + 0.2 * (j - 1) for line in mine]
            bars = [line["std"] or 0.0 for line in mine]
            label = name if name == "raw columns" else f"{name}, {mine[0]['width']} wide"
            means = [line["mean"] for line in mine]
            axes.errorbar(
                means, y, xerr=bars, fmt=mark, color=LINE_COLOURS[colour], capsize=3, label=label
            )
        axes.set_yticks(range(len(kinds)), [short_text(kind) for kind in kinds])
        axes.set_ylim(len(kinds) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.grid(axis="x", color=FAINT_GREY, linewidth=0.8)
        figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)
        return figure


class _Labelled(NamedTuple):
    """Rows, their labels as numbers from 0, and rows without a label, or None."""

    X: ArrayLike
    y: np.ndarray
    kinds: np.ndarray
    rest: ArrayLike | None


def compare(
    model: Transformer,
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    classifiers: Mapping[str, Classifier] | Sequence[str] | None = None,
    cv: int = 5,
    unlabelled: str = "refuse",
    random_state: int | np.random.RandomState | np.random.Generator | None = None,
) -> Comparison:
    """Compare classifiers on raw columns, on PCA of the same width and on the codes.

    A model that is not fitted is fitted anew on the training rows of each fold, so that nothing of
    the rows that are tested is known. Raw columns and PCA see rows scaled as the model scales them;
    of a table of mixed types a column for each level, and one for the gaps of each column that has any.
    What its columns are taken for is settled once, by all rows.

    Parameters
    ----------
    model : Autoencoder or transformer
        Not fitted, or fitted: then its codes are taken as they are, and the result says so.
    X : array-like (n, d), DataFrame, or images (n, h, w[, c])
        The rows.
    y : array-like (n,)
        The class of each row. Raw columns and PCA are without a column of the same name as a Series
        has; where the model takes it, the result says so.
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
        The seed of the folds, and of the model if it has none.

    Returns
    -------
    Comparison
        `print` shows its table; `plot()` draws it.

    Raises
    ------
    ValueError, TypeError
        For labels that are missing or no classes, for classes with fewer rows than folds, for things
        that do not classify, and where the label is the only column.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from isthmus import Autoencoder, compare
    >>> X, y = load_iris(return_X_y=True)
    >>> result = compare(Autoencoder(2, max_epochs=5), X, y, cv=3, random_state=0)
    >>> [row["input"] for row in result.table]
    ['raw columns', 'PCA', 'codes', 'raw columns', 'PCA', 'codes']
    """
    chosen, seen = _checked_classifiers(classifiers), _is_fitted(model)
    check_one_of("unlabelled", unlabelled, UNLABELLED)
    check_whole("cv", cv, 2)
    seed = draw_seed(random_state) % 2**32
    data = _labelled(X, y, unlabelled)
    test = None if X_test is None and y_test is None else _test_rows(X_test, y_test, data.kinds)
    schema = _schema_of(model, data)
    if isinstance(model, Autoencoder):
        check_rows_have_cells(schema, as_images(X))
    label = _label_among(y, data.X, schema)
    model = model if seen else _knowing(_seeded(model, seed), schema)
    told: set[str] = set()
    folds = []
    for split in _splits(data, test, cv, seed):
        with _warning_once(told):
            folds.append(_Fold(model, seen, split, schema, label))
    table = [_line(name, c, j, folds) for name, c in chosen.items() for j in range(len(INPUTS))]
    return Comparison(
        table=table,
        folds=0 if test else cv,
        rows=len(data.y),
        unlabelled=0 if data.rest is None else _num_samples(data.rest),
        classes=len(data.kinds),
        most_frequent=float(np.mean([_share_of_most_frequent(fold) for fold in folds])),
        seen=seen,
        encode_seconds={
            name: float(np.mean([fold.seconds[name] for fold in folds]))
            for name in ("PCA", "codes")
        },
        one_hot=folds[0].one_hot,
        label_taken=label,
    )


Labelled = tuple[ArrayLike, np.ndarray]  # rows and the numbers of their classes
Split = tuple[ArrayLike | None, Labelled, Labelled]  # rows without a label, to train on, to test on


class _Fold:
    """One split: the three inputs of its training and test rows."""

    def __init__(
        self,
        model: Transformer,
        seen: bool,
        split: Split,
        schema: Schema | None,
        label: str | None,
    ) -> None:
        rest, (X, self.y), (X_test, self.y_test) = split
        every = X if rest is None else _stacked(X, rest)
        begin = time.perf_counter()
        fitted = model if seen else clone(model).fit(every)
        codes = tuple(_flat(fitted.transform(part)) for part in (X, X_test))
        middle = time.perf_counter()
        scaled, self.one_hot = _scaling_of(fitted, every, schema)
        kept = slice(None) if label is None else _columns_beside(label, fitted, every, schema)
        raw = tuple(scaled(part)[:, kept] for part in (X, X_test))
        wide = raw[0] if rest is None else scaled(every)[:, kept]
        start = time.perf_counter()
        reduced = _by_axes(wide, min(codes[0].shape[1], *wide.shape), raw)
        self.inputs = (raw, reduced, codes)
        self.seconds = {"PCA": time.perf_counter() - start, "codes": middle - begin}

    def try_out(self, classifier: Classifier, j: int) -> tuple[float, float, float]:
        """Return the accuracy of a classifier on an input, and the seconds to fit and to score."""
        X, X_test = self.inputs[j]
        begin = time.perf_counter()
        fitted = clone(classifier).fit(X, self.y)
        middle = time.perf_counter()
        accuracy = float(np.mean(fitted.predict(X_test) == self.y_test))
        return accuracy, middle - begin, time.perf_counter() - middle


@contextmanager
def _warning_once(told: set[str]) -> Iterator[None]:
    """Leave out warnings that differ from those told only in their numbers, as folds do."""
    with warnings.catch_warnings(record=True) as heard:
        yield
    for warning in heard:
        kind = re.sub(r"\d[\d.e+-]*", "", str(warning.message))
        if kind not in told:
            told.add(kind)
            warnings.warn(warning.message, warning.category, stacklevel=4)


def _by_axes(rows: np.ndarray, width: int, parts: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    """Return parts on the leading principal axes of rows, as baselines find them: scikit-learn's PCA
    finds others on float32 rows far from 0.
    """
    mean, axes = pca_axes(rows, np.ones(len(rows)), width)
    return tuple(part - mean if axes is None else (part - mean) @ axes.T for part in parts)


def _line(name: str, classifier: Classifier, j: int, folds: Sequence[_Fold]) -> Line:
    tried = np.array([fold.try_out(classifier, j) for fold in folds])
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


def _line_cells(line: Line) -> tuple[str, ...]:
    spread = "" if line["std"] is None else f" \u00b1 {line['std']:.3f}"
    accuracy = f"{line['mean']:.3f}{spread}"
    seconds = (f"{line['fit_seconds']:.2f}", f"{line['score_seconds']:.2f}")
    return (line["classifier"], line["input"], str(line["width"]), accuracy, *seconds)


def _checked_classifiers(
    given: Mapping[str, Classifier] | Sequence[str] | None,
) -> dict[str, Classifier]:
    if given is None:
        return known_classifiers()
    if isinstance(given, Sequence) and given and all(isinstance(name, str) for name in given):
        return known_classifiers([given] if isinstance(given, str) else given)
    if not isinstance(given, Mapping) or not given:
        raise TypeError(f"classifiers must be a dict of names and classifiers; got {given!r}.")
    for name, classifier in given.items():
        if not (hasattr(classifier, "fit") and hasattr(classifier, "predict")):
            raise TypeError(f"The classifier {name!r} has no fit and predict: {classifier!r}.")
    return {str(name): classifier for name, classifier in given.items()}


def _is_fitted(model: Transformer) -> bool:
    if not (hasattr(model, "fit") and hasattr(model, "transform")):
        raise TypeError(f"The model must be an Autoencoder or another transformer; got {model!r}.")
    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    return True


def _seeded(model: Transformer, seed: int) -> Transformer:
    """Return a model that is not fitted, with this seed if it has none."""
    model = clone(model)
    if model.get_params(deep=False).get("random_state", seed) is None:
        model.set_params(random_state=seed)
    return model


def _labelled(X: ArrayLike, y: ArrayLike, unlabelled: str) -> _Labelled:
    """Part the rows with a label from those without."""
    X, labels = as_images(X), _label_column(y)
    check_consistent_length(X, labels)
    lost = missing_labels(labels)
    if lost.any() and unlabelled == "refuse":
        raise ValueError(
            f"{int(lost.sum())} of {len(labels)} rows have no label, the first is row "
            f"{int(np.argmax(lost))}: give unlabelled='drop' to leave them out, or 'use' to train "
            "the model on them."
        )
    rest = _safe_indexing(X, np.flatnonzero(lost)) if lost.any() and unlabelled == "use" else None
    kinds, codes = _classes(labels[~lost])
    kept = _safe_indexing(X, np.flatnonzero(~lost)) if lost.any() else X
    return _Labelled(kept, codes, kinds, rest)


def _label_column(y: ArrayLike) -> np.ndarray:
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"y has shape {labels.shape}; give one label a row.")
    return labels


def _classes(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the classes and, for each row, the number of its own."""
    if labels.dtype.kind == "f" and type_of_target(labels).startswith("continuous"):
        number = labels[labels % 1 != 0][0]
        raise ValueError(f"y holds numbers such as {number:g}, which are no classes.")
    words = labels.astype(str) if labels.dtype.kind == "O" else labels
    kinds, codes = np.unique(words, return_inverse=True)
    if len(kinds) < 2:
        raise ValueError(f"y has {len(kinds)} class{'es' * (len(kinds) != 1)}; there must be two.")
    return kinds, codes


def _test_rows(X: ArrayLike | None, y: ArrayLike | None, kinds: np.ndarray) -> Labelled:
    if X is None or y is None:
        raise ValueError("Give both X_test and y_test, or neither.")
    X, labels = as_images(X), _label_column(y)
    check_consistent_length(X, labels)
    lost = int(missing_labels(labels).sum())
    if lost:
        raise ValueError(f"{lost} of the {len(labels)} test rows have no label.")
    labels = labels.astype(str) if kinds.dtype.kind == "U" else labels
    new = np.setdiff1d(labels, kinds)
    if len(new):
        raise ValueError(f"No training row has the class {str(new[0])!r} of the test rows.")
    return X, np.searchsorted(kinds, labels)


def _splits(data: _Labelled, test: Labelled | None, cv: int, seed: int) -> Iterator[Split]:
    """Yield the folds, or the one split that was given."""
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


def _stacked(X: ArrayLike, rest: ArrayLike) -> ArrayLike:
    """Return rows below others, as a table if they are one: its columns keep their names."""
    if hasattr(X, "vstack"):  # Polars
        return X.vstack(rest)
    if hasattr(X, "iloc"):
        from pandas import concat

        return concat([X, rest])
    return np.concatenate([np.asarray(X), np.asarray(rest)])


def _flat(x: ArrayLike) -> np.ndarray:
    rows = np.asarray(x)
    return rows.reshape(len(rows), -1)


def _schema_of(model: Transformer, data: _Labelled) -> Schema | None:
    """Return what the columns of a table of mixed types are taken for in all folds."""
    every = data.X if data.rest is None else _stacked(data.X, data.rest)
    if not isinstance(model, Autoencoder):
        return infer_schema(every, warn=False) if is_mixed(every) else None
    return model.schema_ if _is_fitted(model) else schema_of(model, every)


def _label_among(y: ArrayLike, X: ArrayLike, schema: Schema | None) -> str | None:
    """Return the name of labels if it is also that of a column that is used."""
    name = getattr(y, "name", None)
    if name is None or not is_frame(X):
        return None
    used = columns_of(X).names if schema is None else [column.name for column in schema.used]
    if used == [str(name)]:
        raise ValueError(f"X has no column beside the label, {name!r}.")
    return str(name) if str(name) in used else None


def _columns_beside(
    label: str, model: Transformer, X: ArrayLike, schema: Schema | None
) -> np.ndarray:
    """Return which of the scaled columns are not the label's."""
    if schema is None:
        return np.array(columns_of(X).names) != label
    mixed = model.fitted_.model.mixed if isinstance(model, Autoencoder) else None
    p = plan(layout_of(schema) if mixed is None else mixed.layout)
    return np.array([column.name for column in schema.used])[p.cells[p.owner]] != label


def _knowing(model: Transformer, schema: Schema | None) -> Transformer:
    """Return a model that takes the columns of a table for what a schema says."""
    known = schema is not None and isinstance(model, Autoencoder)
    return model.set_params(columns=schema) if known else model


def _scaling_of(
    model: Transformer, train: ArrayLike, schema: Schema | None
) -> tuple[Callable[[ArrayLike], np.ndarray], bool]:
    """Return what scales rows as the model does, and whether it makes them one-hot.

    Those of a table in front of another transformer are made so as an Autoencoder would; rows of
    numbers are left as they are.
    """
    if isinstance(model, Autoencoder):
        return (lambda X: _seen(model, X)), schema is not None
    return (_flat, False) if schema is None else (_one_hot(schema, train), True)


def _seen(model: Autoencoder, X: ArrayLike) -> np.ndarray:
    """Return rows as a model scales them."""
    rows = validate_rows(model, X, reset=False)
    return model.fitted_.model.seen(np.asarray(rows))


def _one_hot(schema: Schema, train: ArrayLike) -> Callable[[ArrayLike], np.ndarray]:
    """Return what makes rows of a table one-hot and scales them, as these rows tell."""
    layout, rows, weight = layout_of(schema), schema.encode(train), np.ones(_num_samples(train))
    scaler = fit_table_scaler("standard", rows, weight, layout)
    alike = np.ones(len(schema.used))
    loss = bind_loss(MSE(), layout, scaler.forward(rows, "float64"), weight, alike)
    return lambda X: np.asarray(loss.seen(jnp.asarray(scaler.forward(schema.encode(X), "float32"))))


def _share_of_most_frequent(fold: _Fold) -> float:
    return float(np.mean(fold.y_test == np.argmax(np.bincount(fold.y))))
