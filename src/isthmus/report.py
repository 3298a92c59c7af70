"""Reports: one self-contained HTML page about fitted models and the rows they are shown.

`summarize` gathers facts as plain data, `_sections` draws them, `to_html` renders and does no more.
"""

import datetime
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from isthmus import _facts, _sections
from isthmus._facts import Facts, summarize
from isthmus._pictures import Section, number
from isthmus.persistence import write_whole

__all__ = ["Section", "summarize", "to_html", "write"]


def write(
    path: str | Path,
    models: Mapping[str, Any],
    X: Any,
    y: Any = None,
    *,
    image_shape: tuple[int, ...] | None = None,
    title: str = "Autoencoders",
    intro: Sequence[str] = (),
    rows: str = "",
    embedded: str | None = None,
    extra: Sequence[Section] = (),
) -> Path:
    """Write a report about fitted models to an HTML file, whole or not at all.

    Parameters
    ----------
    path : path
        The file.
    models : dict of Autoencoder
        Fitted models by name, all of the same columns.
    X : array-like (n, d), DataFrame, or images (n, h, w[, c])
        The rows to show and to measure on, best ones that no model was trained on.
    y : array-like (n,), optional
        Labels, for colours and for choosing examples.
    image_shape : tuple, optional
        (h, w) or (h, w, c) where flat rows are images; known already to models fitted on images and
        to convolutional ones.
    title : str
        The heading.
    intro : sequence of str
        Paragraphs below it.
    rows : str, optional
        What the rows are, such as "450 test digits".
    embedded : str, optional
        The name of the model whose codes are drawn in the plane by t-SNE.
    extra : sequence of Section
        Further sections, put at the end.

    Returns
    -------
    Path
        The file.
    """
    if not models:
        raise ValueError("A report needs at least one model; got an empty dict.")
    facts = {name: summarize(model, X, name=name) for name, model in models.items()}
    shape = _facts.row_shape(models) if image_shape is None else _checked(image_shape, X)
    rows = rows or f"{len(X):,} rows"
    sections = _sections.standard(models, list(facts.values()), X, y, shape, rows)
    if embedded is not None:
        sections.append(_sections.embedding(embedded, models[embedded], X, y, rows))
    page = to_html(
        {"title": title, "intro": list(intro), "rows": rows, "models": list(facts.values())},
        [*sections, *extra],
    )
    path = Path(path)
    write_whole(path, page.encode())
    return path


def to_html(facts: Facts, sections: Sequence[Section]) -> str:
    """Render a page; every text is escaped.

    Parameters
    ----------
    facts : dict
        "title", "intro" (paragraphs), "rows" (what the rows are) and "models", each as
        `summarize` returns it.
    sections : sequence of Section
        What follows the table of models.

    Returns
    -------
    str
        HTML that asks for nothing from outside.
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters.update(number=number)
    home = resources.files("isthmus") / "templates" / "report.html.jinja"
    template = environment.from_string(home.read_text("utf-8"))
    notes = _sections.comparison(facts["models"], facts["rows"])
    today = datetime.date.today().isoformat()
    return template.render(facts=facts, sections=sections, notes=notes, today=today)


def _checked(image_shape: tuple[int, ...], X: Any) -> tuple[int, ...]:
    """Return the shape of images with its channels, or raise a ValueError if the rows are others."""
    wanted, given = math.prod(image_shape), math.prod(np.shape(X)[1:])
    if wanted != given:
        raise ValueError(
            f"image_shape={tuple(image_shape)} holds {wanted} values, but the rows have {given}."
        )
    return _facts.image_shape(image_shape)
