"""Reports: one page about fitted models and the rows they are shown, which needs nothing else.

Facts are gathered first, as plain data; sections tell and draw them; pages only show sections.
"""

import json
import math
import platform
import zlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from isthmus import __version__
from isthmus.autoencoder.estimator import Autoencoder
from isthmus.embedding import sample_row_numbers
from isthmus.io.atomic import write_whole
from isthmus.io.plain import as_json
from isthmus.report import code_sections, facts, measurements, model_sections, text_sections
from isthmus.report.blocks import Section
from isthmus.report.facts import Facts, summarize
from isthmus.report.pages import to_html, to_markdown
from isthmus.report.plane import MOST_KINDS, lay_out, plane_payload

__all__ = ["ENDINGS", "Report", "Section", "summarize", "to_html", "to_markdown"]

ENDINGS = (".html", ".md", ".json")
MISSING = ("None", "nan", "<NA>", "NaT")
VERSIONS = ("jax", "equinox", "numpy", "scikit-learn")


class Report:
    """A report about one fitted model or several, and rows.

    Parameters
    ----------
    model : Autoencoder or dict of them
        A fitted model, or several by name, all of the same columns.
    X : array-like (n, d), DataFrame, or images (n, h, w[, c])
        The rows to show and to measure on, best ones that no model was trained on.
    y : array-like (n,), optional
        Labels, for colours and for choosing examples; no model sees them.
    comparison : Comparison, optional
        How well classifiers read the labels: what `isthmus.compare` found.
    search : Search or dict, optional
        What `isthmus.tune` found, or its facts.
    detector : OutlierDetector, optional
        What judges the strangest rows; by default it is the model's own score.
    embedding : Embedding or False, optional
        Where the codes lie in the plane; by default it is computed, with False left out.
    focus : str, optional
        Of several models the one whose code is laid out and whose strangest rows are told; by
        default the first.
    image_shape : tuple, optional
        (h, w) or (h, w, c) where flat rows are images; known already to models fitted on images and
        to convolutional ones.
    title : str, optional
        The heading.
    intro : sequence of str
        Paragraphs below it.
    rows : str, optional
        What the rows are, such as "450 test digits".
    label : str, optional
        What y is called; by default the name of a Series, or "label".
    ids : array-like (n,), optional
        What the rows are called.
    command : str, optional
        The command line that writes this report.
    extra : sequence of Section
        Further sections, put before the last.
    random_state : int
        The seed of samples and of the embedding.

    Raises
    ------
    ValueError
        For no model, rows of another shape, or labels of another length.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from isthmus import Autoencoder, Report
    >>> iris = load_iris()
    >>> ae = Autoencoder(2, max_epochs=5, random_state=0).fit(iris.data)
    >>> report = Report(ae, iris.data, iris.target)
    >>> report.facts()["data"]["n_rows"]
    150
    """

    def __init__(
        self,
        model: Any,
        X: Any,
        y: Any = None,
        *,
        comparison: Any = None,
        search: Any = None,
        detector: Any = None,
        embedding: Any = None,
        focus: str | None = None,
        image_shape: tuple[int, ...] | None = None,
        title: str | None = None,
        intro: Sequence[str] = (),
        rows: str = "",
        label: str | None = None,
        ids: Any = None,
        command: str | None = None,
        extra: Sequence[Section] = (),
        random_state: int = 0,
    ) -> None:
        self.models = dict(model) if isinstance(model, Mapping) else {"autoencoder": model}
        if not self.models:
            raise ValueError("A report needs at least one model; got an empty dict.")
        for fitted in self.models.values():
            if not isinstance(fitted, Autoencoder):
                raise TypeError(
                    f"A report is about an Autoencoder, or several by name; got {fitted!r}. A detector "
                    "is given as detector=."
                )
            check_is_fitted(fitted)
        self.focus = next(iter(self.models)) if focus is None else focus
        if self.focus not in self.models:
            known = ", ".join(map(repr, self.models))
            raise ValueError(f"The parameter focus must be one of {known}; got {focus!r}.")
        self.X = X if hasattr(X, "columns") else np.asarray(X)
        self.y = _as_labels(_as_long("y", y, len(self.X)))
        self.ids = _as_long("ids", ids, len(self.X))
        given = image_shape
        self.shape = facts.row_shape(self.models) if given is None else _checked(given, self.X)
        self.rows = rows or f"{len(self.X):,} rows"
        several = "Autoencoders" if len(self.models) > 1 else "Autoencoder"
        self.title = several if title is None else title
        self.label = str(getattr(y, "name", None) or "label") if label is None else label
        self.intro = list(intro)
        self.command, self.extra, self.random_state = command, list(extra), random_state
        self.comparison, self.search, self.detector = comparison, search, detector
        self.measured = sample_row_numbers(len(self.X), measurements.MOST_ROWS, random_state)
        self.plane = self._lay_out(embedding)
        self._known = self._gather()

    def facts(self) -> Facts:
        """Return all that the report says, as plain data that JSON holds."""
        return self._known

    def save(self, path: str | Path) -> Path:
        """Write the report, whole or not at all.

        Parameters
        ----------
        path : path
            The file; its ending chooses what it becomes: a page with all pictures (.html), a text
            (.md) or the facts alone (.json).

        Returns
        -------
        Path
            The file.
        """
        path = Path(path)
        if path.suffix.lower() not in ENDINGS:
            known = ", ".join(ENDINGS)
            raise ValueError(f"A report is written to a file that ends in {known}; got {path}.")
        kind = path.suffix.lower()
        if kind == ".json":
            content = json.dumps(self._known, allow_nan=False, indent=1, ensure_ascii=False) + "\n"
        else:
            render = to_html if kind == ".html" else to_markdown
            content = render(self._known, self.sections())
        write_whole(path, content.encode())
        return path

    def sections(self) -> list[Section]:
        """Return what pages show, in its order."""
        f, X, y = self._known, *self._sample()
        models = f["models"]
        found = [
            text_sections.data(f["data"], f["sampling"]),
            text_sections.models(models, self.rows),
        ]
        found += model_sections.standard(self.models, models, X, y, self.shape, self.rows)
        found.append(code_sections.code(f["codes"], self.models[self.focus], X))
        if self.plane is not None:
            found.append(self._plane())
        model = self.models[self.focus]
        if f["outliers"] is not None:
            found.append(
                code_sections.strange(f["outliers"], self.focus, model, self.X, self.shape)
            )
        if f["comparison"] is not None:
            found.append(text_sections.classifiers(f["comparison"]))
        if f["search"] is not None:
            found.append(text_sections.search(f["search"]))
        return [*found, *self.extra, text_sections.reproduce(f["reproduce"])]

    def _sample(self) -> tuple[Any, Any]:
        """Return the rows to measure on, and their labels."""
        if len(self.measured) == len(self.X):
            return self.X, self.y
        y = None if self.y is None else self.y[self.measured]
        return _safe_indexing(self.X, self.measured), y

    def _gather(self) -> Facts:
        X, _ = self._sample()
        models = [summarize(model, X, name=name) for name, model in self.models.items()]
        codes = [measurements.of_code(model, X, name) for name, model in self.models.items()]
        drawn = len(self.X) if self.plane is None else len(self.plane.rows)
        sampling = code_sections.sampled(len(self.measured), drawn, len(self.X), self.random_state)
        model, as_one = self.models[self.focus], self.shape is not None or np.ndim(self.X) > 2
        facts = {
            "title": self.title,
            "intro": self.intro,
            "rows": self.rows,
            "data": measurements.of_rows(model, self.X, self.y, self.label, as_one),
            "sampling": sampling,
            "models": models,
            "codes": codes,
            "embedding": self._embedding_facts(),
            "outliers": measurements.outliers(model, self.X, self.y, self.ids, self.detector),
            "comparison": None if self.comparison is None else self.comparison.facts(),
            "search": self.search.facts() if hasattr(self.search, "facts") else self.search,
            "reproduce": self._reproduce(),
        }
        told: Facts = as_json(facts)
        return told

    def _lay_out(self, embedding: Any) -> Any:
        if embedding is False:
            return None
        if embedding is None:
            return lay_out(self.models[self.focus], self.X, self.random_state)
        return embedding

    def _embedding_facts(self) -> Facts | None:
        if self.plane is None:
            return None
        plane = self.plane
        return {
            "name": self.focus,
            "width": self.models[self.focus].net_.n_components,
            "method": plane.method,
            "trustworthiness": plane.trustworthiness,
            "n_points": len(plane.points),
            "n_rows": len(self.X),
        }

    def _plane(self) -> Section:
        plane, model = self.plane, self.models[self.focus]
        judge = model if self.detector is None else self.detector
        scores = judge.score_samples(_safe_indexing(self.X, plane.rows))
        labels = None if self.y is None else self.y[np.asarray(plane.rows)]
        payload = plane_payload(
            plane, model, self.X, self.y, self.label, self.ids, scores, self.shape
        )
        points = np.asarray(plane.points, float)
        return code_sections.plane(self._known["embedding"], points, labels, payload, self.rows)

    def _reproduce(self) -> Facts:
        versions = {"isthmus": __version__, "Python": platform.python_version()}
        versions |= {name: version(name) for name in VERSIONS}
        rows = np.ascontiguousarray(facts.flat_rows(self.X), "<f8")
        return {
            "command": self.command,
            "versions": versions,
            "fingerprint": f"{zlib.crc32(rows.data):08x}",
            "models": [_made(name, model) for name, model in self.models.items()],
            "detector": _detector_code(self.detector),
        }


def _made(name: str, model: Any) -> Facts:
    """Return how a model is made again: its parameters, its seed, and the seed drawn from it."""
    drawn = getattr(model, "_rows_seen", None)
    state = model.random_state
    return {
        "name": name,
        "code": _code(model),
        "parameters": {k: _told(v) for k, v in model.get_params(deep=False).items()},
        "random_state": state if state is None or isinstance(state, int) else str(state),
        "seed": None if drawn is None else int(drawn[1]),
    }


def _code(model: Any) -> str:
    """Return Python that makes a model, without what is the default, and slots as spec strings."""
    slots = {k: v for k, v in facts.specs(model).items() if v}
    default = {k: p.default for k, p in signature(type(model)).parameters.items()}
    given = model.get_params(deep=False) | slots
    words = [f"{k}={given[k]!r}" for k, v in default.items() if given[k] not in (None, v)]
    return f"{type(model).__name__}({', '.join(words)})"


def _detector_code(detector: Any) -> str | None:
    """Return Python that makes a detector, without what is the default."""
    return " ".join(repr(detector).split()) if hasattr(detector, "get_params") else None


def _told(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str | None) else repr(value)


def _as_long(name: str, values: Any, n: int) -> np.ndarray | None:
    """Return one value for each row, or raise a ValueError."""
    if values is None:
        return None
    told = np.asarray(values)
    if told.ndim != 1 or len(told) != n:
        raise ValueError(f"{name} must hold one value for each of the {n} rows; got {told.shape}.")
    return told


def _as_labels(y: np.ndarray | None) -> np.ndarray | None:
    """Return labels that can be sorted: words for objects, times, and few numbers with gaps."""
    if y is None or y.dtype.kind not in "OMmf":
        return y
    if y.dtype.kind == "f":
        known = y[~np.isnan(y)]
        if len(known) == len(y) or len(np.unique(known)) > MOST_KINDS:
            return y
        words = [f"{v:g}" for v in y.tolist()]
    else:
        words = [str(v) for v in (y if y.dtype.kind == "O" else y.astype(str)).tolist()]
    return np.array(["missing" if word in MISSING else word for word in words])


def _checked(image_shape: tuple[int, ...], X: Any) -> tuple[int, ...]:
    """Return the shape of images with its channels, or raise a ValueError if the rows are others."""
    wanted, given = math.prod(image_shape), math.prod(np.shape(X)[1:])
    if wanted != given:
        raise ValueError(
            f"image_shape={tuple(image_shape)} holds {wanted} values, but the rows have {given}."
        )
    return facts.image_shape(image_shape)
