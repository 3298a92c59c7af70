"""Reports: one page about fitted models and the rows they are shown, which needs nothing else.

Facts are measured first, as plain data; sections describe and draw them; pages render sections.
"""

from __future__ import annotations

import copy
import json
import math
import platform
import warnings
import zlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import _num_samples, check_is_fitted

from isthmus import __version__
from isthmus.autoencoder import (
    Autoencoder,
    Front,
    columns_behind,
    output_names,
    parted,
    validate_rows,
)
from isthmus.embedding import Embedding, sample_row_numbers
from isthmus.io import as_json, write_whole
from isthmus.outliers import OutlierDetector
from isthmus.report.code_sections import code_section, plane_section, strangest_rows_section
from isthmus.report.facts import known_row_shape, with_channels
from isthmus.report.measurements import (
    MOST_ROWS,
    ModelPasses,
    as_float_matrix,
    causes_behind,
    code_facts,
    column_names,
    detector_causes,
    judge_by_detector,
    judge_by_scores,
    label_facts,
    model_causes,
    model_facts,
    outlier_facts,
    row_facts,
    rows_of,
    unit_correlations,
    used_columns,
)
from isthmus.report.model_sections import are_images, sections_of_models
from isthmus.report.pages import to_html, to_markdown
from isthmus.report.plane import (
    MOST_KINDS,
    MOST_POINTS,
    MOST_SHOWN_COLUMNS,
    embed_codes,
    embedding_facts,
    label_payload,
    plane_payload,
    thumbnail_sheet,
)
from isthmus.report.recipes import recipe
from isthmus.report.tables import shown_values, table_facts
from isthmus.report.text_sections import (
    classifiers_section,
    data_section,
    models_section,
    reproduction_section,
    sampling_sentence,
    search_section,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from isthmus.comparison import Comparison
    from isthmus.report.blocks import Section
    from isthmus.report.facts import Facts
    from isthmus.search import Search

ENDINGS = (".html", ".md", ".json")
MISSING = ("None", "nan", "<NA>", "NaT")
VERSIONS = ("jax", "equinox", "numpy", "scikit-learn")


class Report:
    """A report about one fitted model or several, and rows.

    Parameters
    ----------
    model : Autoencoder, Pipeline or dict
        A fitted model, or several by name, all of the same columns. Of a scikit-learn Pipeline that
        ends in an Autoencoder the report shows what this sees, and names the columns of X that make
        rows strange.
    X : array-like (n, d), DataFrame, or images (n, h, w[, c])
        The rows to show and to measure on; best are rows that no model was trained on.
    y : array-like (n,), optional
        Labels, for colours and for choosing examples; best none that a model was trained on. Where
        they are called as one of the model's columns the report warns and says so.
    comparison : Comparison, optional
        How well classifiers read the labels: what `isthmus.compare` found.
    search : Search or dict, optional
        What `isthmus.tune` found, or its facts.
    detector : OutlierDetector, optional
        What judges the strangest rows; by default it is the model's own score.
    embedding : Embedding or False, optional
        Where the codes lie in the plane, as `isthmus.embed` returns it; by default it is computed,
        and False leaves it out.
    focus : str, optional
        Of several models the one whose code is laid out and whose strangest rows are shown; by
        default the first.
    image_shape : tuple, optional
        (h, w) or (h, w, c) if flat rows are images; models fitted on images and convolutional ones
        know it already.
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
    ValueError, TypeError
        For no model, things that are no fitted model, rows of another shape, or labels of another
        length.

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
        model: Autoencoder | Pipeline | Mapping[str, Autoencoder],
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        comparison: Comparison | None = None,
        search: Search[Any] | Mapping[str, object] | None = None,
        detector: OutlierDetector | None = None,
        embedding: Embedding | Literal[False] | None = None,
        focus: str | None = None,
        image_shape: tuple[int, ...] | None = None,
        title: str | None = None,
        intro: Sequence[str] = (),
        rows: str = "",
        label: str | None = None,
        ids: ArrayLike | None = None,
        command: str | None = None,
        extra: Sequence[Section] = (),
        random_state: int = 0,
    ) -> None:
        front, models = _parted(model)
        self.models = _checked_models(models)
        self.focus = next(iter(self.models)) if focus is None else focus
        if self.focus not in self.models:
            known = ", ".join(map(repr, self.models))
            raise ValueError(f"The parameter focus must be one of {known}; got {focus!r}.")
        self.front, self.given = front, X if hasattr(X, "columns") else np.asarray(X)
        self.X = self.given
        if front.steps is not None:
            self.X, self.models = _seen_behind(front, self.given, self.models)
        n = self.n_rows = _num_samples(self.X)
        self.y = None if y is None else _as_labels(_one_each("y", y, n))
        self.ids = None if ids is None else _one_each("ids", ids, n)
        given = image_shape
        self.shape = (
            known_row_shape(self.models) if given is None else _checked_shape(given, self.X)
        )
        self.rows = rows or f"{n:,} rows"
        several = "Autoencoders" if len(self.models) > 1 else "Autoencoder"
        self.title = several if title is None else title
        self.label = str(getattr(y, "name", None) or "label") if label is None else label
        self.trained_on = y is not None and self.label in self._columns_used()
        if self.trained_on:
            warnings.warn(_trained_on_text(self.label), stacklevel=2)
        self.intro, self.command, self.extra = list(intro), command, list(extra)
        self.comparison, self.search, self.random_state = comparison, search, random_state
        self.detector = None if detector is None else _checked_detector(detector)
        self._measure(None if embedding is None else _checked_embedding(embedding, n))
        self._facts: Facts = as_json(self._gather())

    def facts(self) -> Facts:
        """Return all that the report says, as plain data that JSON holds."""
        return self._facts

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
        kind = path.suffix.lower()
        if kind not in ENDINGS:
            known = ", ".join(ENDINGS)
            raise ValueError(f"A report is written to a file that ends in {known}; got {path}.")
        if kind == ".json":
            content = json.dumps(self._facts, allow_nan=False, indent=1, ensure_ascii=False) + "\n"
        else:
            render = to_html if kind == ".html" else to_markdown
            content = render(self._facts, self.sections())
        write_whole(path, content.encode())
        return path

    def sections(self) -> list[Section]:
        """Return what pages show, in its order."""
        f = self._facts
        sample = self.passes.sample
        labels = None if self.y is None else self.y[sample]
        found = [
            data_section(f["data"], f["sampling"]),
            models_section(f["models"], self.rows),
            *sections_of_models(self.passes, f["models"], labels, self.shape, self.rows),
            code_section(f["codes"], unit_correlations(self.passes.measure(sample).codes)),
        ]
        if self.embedding is not None:
            found.append(self._plane_section(self.embedding))
        found.append(strangest_rows_section(f["outliers"], self.focus, self._strange_images()))
        if f["comparison"] is not None:
            found.append(classifiers_section(f["comparison"]))
        if f["search"] is not None:
            found.append(search_section(f["search"]))
        return [*found, *self.extra, reproduction_section(f["reproduce"])]

    def _measure(self, embedding: Embedding | Literal[False] | None) -> None:
        """Pass the rows through the models, lay codes out in the plane, and judge all rows."""
        n, seed, detector = self.n_rows, self.random_state, self.detector
        drawn = sample_row_numbers(n, MOST_POINTS if embedding is None else 0, seed)
        sample = sample_row_numbers(n, MOST_ROWS, seed)
        self.passes = ModelPasses(self.models, self.focus, self.X, sample, drawn)
        self.embedding = embedding or None
        if embedding is None:
            self.embedding = embed_codes(self.passes.measure(drawn).codes, drawn, n, seed)
        self.judged = (
            judge_by_scores(self.passes.scores())
            if detector is None
            else judge_by_detector(detector, self.given)
        )
        self.strangest = self.passes.measure(self.judged.strangest)

    # -- facts -----------------------------------------------------------------------------------

    def _gather(self) -> Facts:
        rows = self._flat(self.X)
        measured, denoised = self.passes.measured, self.passes.denoised
        found = self.search
        return {
            "title": self.title,
            "intro": self.intro,
            "rows": self.rows,
            "data": self._row_facts(rows),
            "sampling": self._sampling(),
            "models": [model_facts(m, d) for m, d in zip(measured, denoised, strict=True)],
            "codes": [code_facts(m.name, m.codes) for m in measured],
            "embedding": self._embedding_facts(),
            "outliers": self._outlier_facts(),
            "comparison": None if self.comparison is None else self.comparison.facts(),
            "search": found if found is None or isinstance(found, Mapping) else found.facts(),
            "reproduce": self._reproduction(rows),
        }

    def _flat(self, X: ArrayLike) -> np.ndarray:
        """Return rows as numbers, those of a table of mixed types as its schema encodes them."""
        if self.models[self.focus].schema_ is None:
            return as_float_matrix(X)
        return np.asarray(validate_rows(self.models[self.focus], X, reset=False))

    def _row_facts(self, rows: np.ndarray) -> Facts:
        schema = self.models[self.focus].schema_
        if schema is not None:
            return table_facts(schema, rows, self._label_facts(), MOST_ROWS)
        images = self.shape is not None or np.ndim(self.X) > 2
        names = [] if images else column_names(self.models[self.focus])
        return row_facts(rows, np.shape(self.X)[1:], names, self._label_facts())

    def _label_facts(self) -> Facts | None:
        if self.y is None:
            return None
        return label_facts(self.y, self.label) | {"trained_on": self.trained_on}

    def _sampling(self) -> str:
        n, seed = self.n_rows, self.random_state
        drawn = n if self.embedding is None else len(self.embedding.rows)
        return sampling_sentence(len(self.passes.sample), drawn, n, seed)

    def _embedding_facts(self) -> Facts | None:
        if self.embedding is None:
            return None
        width = self.models[self.focus].net_.n_components
        return embedding_facts(self.embedding, self.focus, width)

    def _outlier_facts(self) -> Facts:
        causes = self._causes(self.judged.strangest)
        return outlier_facts(self.judged, self.detector, causes, self.ids, self.y)

    def _causes(self, rows: np.ndarray) -> list[list[Facts]] | None:
        """Return why rows are strange, to the detector or to the model in focus."""
        if self.detector is not None:
            return detector_causes(self.detector, rows_of(self.given, rows))
        steps, seen = self.front.steps, self.passes.rows(rows)
        if steps is None:
            return model_causes(self.strangest, seen)
        return causes_behind(steps, self.models[self.focus], seen, self.given, rows)

    def _columns_used(self) -> list[str]:
        """Return the names of the columns that the model in focus was trained on."""
        used, steps = used_columns(self.models[self.focus]), self.front.steps
        return used if steps is None else [*used, *columns_behind(steps, self.given)]

    def _reproduction(self, rows: np.ndarray) -> Facts:
        versions = {"isthmus": __version__, "Python": platform.python_version()}
        versions |= {name: version(name) for name in VERSIONS}
        content = np.ascontiguousarray(rows, "<f8")
        return {
            "command": self.command,
            "versions": versions,
            "fingerprint": f"{zlib.crc32(content.data):08x}",
            "models": [recipe(name, model, self.front) for name, model in self.models.items()],
            "detector": None if self.detector is None else " ".join(repr(self.detector).split()),
        }

    # -- sections --------------------------------------------------------------------------------

    def _strange_images(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the strangest rows and their reconstructions, if they are images."""
        if not are_images(self.shape):
            return None
        rows, made = self.strangest.rows, self.strangest.reconstructions
        return rows.reshape(-1, *self.shape), made.reshape(-1, *self.shape)

    def _plane_section(self, embedding: Embedding) -> Section:
        numbers = np.asarray(embedding.rows)
        schema, rows = self.models[self.focus].schema_, self._flat(self.passes.rows(numbers))
        values: list[Facts] = [{"name": "score", "values": self.judged.scores[numbers]}]
        thumbnails = None
        if schema is not None:
            values += shown_values(schema, rows, MOST_SHOWN_COLUMNS)
        elif are_images(self.shape):
            thumbnails = thumbnail_sheet(rows.reshape(-1, *self.shape))
        else:
            names = column_names(self.models[self.focus])[:MOST_SHOWN_COLUMNS]
            pairs = zip(names, rows.T, strict=False)
            values += [{"name": name, "values": column} for name, column in pairs]
        labels = None if self.y is None else self.y[numbers]
        ids = None if self.ids is None else [str(name) for name in self.ids[numbers]]
        label = None if labels is None else label_payload(labels, self.label)
        payload = plane_payload(embedding.points, numbers, ids, label, values, thumbnails)
        facts = self._facts["embedding"]
        return plane_section(
            facts, embedding, labels, self.label, payload, self.rows, trained_on=self.trained_on
        )


# -- what is given -----------------------------------------------------------------------------------


def _parted(
    model: Autoencoder | Pipeline | Mapping[str, Autoencoder],
) -> tuple[Front, Mapping[str, Autoencoder]]:
    """Return what stands in front of a model, and models by name."""
    if isinstance(model, Mapping):
        return Front(), model
    if not isinstance(model, Pipeline):
        return Front(), {"autoencoder": model}
    front, inner = parted(model, "A report is about")
    return front, {"autoencoder": inner}


def _seen_behind(
    front: Front, X: ArrayLike, models: Mapping[str, Autoencoder]
) -> tuple[ArrayLike, dict[str, Autoencoder]]:
    """Return rows as models behind steps see them, and the models, with the names of their columns."""
    rows = front.seen(X)
    if hasattr(rows, "columns") or front.steps is None or rows.ndim > 2:
        return rows, dict(models)
    names = output_names(front.steps, rows.shape[1])
    named = {name: copy.copy(model) for name, model in models.items()}
    for model in named.values():
        model.feature_names_in_ = np.array(names, object)
    return pl.DataFrame(rows, schema=names), named


def _checked_models(given: Mapping[str, Autoencoder]) -> dict[str, Autoencoder]:
    """Return fitted models by name, or raise an error."""
    models = dict(given)
    if not models:
        raise ValueError("A report needs at least one model; got an empty dict.")
    for fitted in models.values():
        if not isinstance(fitted, Autoencoder):
            raise TypeError(
                f"A report is about an Autoencoder, or several by name; got {fitted!r}. A detector "
                "is given as detector=, and a Pipeline by itself."
            )
        check_is_fitted(fitted)
        if not fitted.net_.decoder:
            raise ValueError(
                "A report needs the whole model; this one was saved as an encoder alone."
            )
    return models


def _trained_on_text(label: str) -> str:
    return (
        f"The label {label!r} is one of the columns that the model was trained on, so what the report "
        "says of labels is no discovery: fit the model without this column, or choose another label."
    )


def _checked_detector(detector: OutlierDetector) -> OutlierDetector:
    """Return a fitted detector, or raise an error."""
    if not isinstance(detector, OutlierDetector):
        raise TypeError(f"The detector of a report must be an OutlierDetector; got {detector!r}.")
    check_is_fitted(detector)
    return detector


def _checked_embedding(embedding: Embedding | Literal[False], n: int) -> Embedding | Literal[False]:
    """Return points of n rows, or False for none, or raise an error."""
    if embedding is False:
        return False
    if not isinstance(embedding, Embedding):
        raise TypeError(f"The embedding must be what embed returned, or False; got {embedding!r}.")
    if embedding.total != n:
        raise ValueError(
            f"The embedding is one of {embedding.total} rows, but the report is about {n}."
        )
    return embedding


def _one_each(name: str, values: ArrayLike, n: int) -> np.ndarray:
    """Return one value for each row, or raise a ValueError."""
    array = np.asarray(values)
    if array.ndim != 1 or len(array) != n:
        raise ValueError(f"{name} must hold one value for each of the {n} rows; got {array.shape}.")
    return array


def _as_labels(y: np.ndarray) -> np.ndarray:
    """Return labels that can be sorted: words for objects, times, and few numbers with gaps."""
    if y.dtype.kind not in "OMmf":
        return y
    if y.dtype.kind == "f":
        known = y[~np.isnan(y)]
        if len(known) == len(y) or len(np.unique(known)) > MOST_KINDS:
            return y
        words = [f"{v:g}" for v in y.tolist()]
    else:
        words = [str(v) for v in (y if y.dtype.kind == "O" else y.astype(str)).tolist()]
    return np.array(["missing" if word in MISSING else word for word in words])


def _checked_shape(image_shape: tuple[int, ...], X: ArrayLike) -> tuple[int, ...]:
    """Return the shape of images with its channels, or raise a ValueError if the rows are others."""
    wanted, given = math.prod(image_shape), math.prod(np.shape(X)[1:])
    if wanted != given:
        raise ValueError(
            f"image_shape={tuple(image_shape)} holds {wanted} values, but the rows have {given}."
        )
    return with_channels(image_shape)
