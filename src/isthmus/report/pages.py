"""Pages made of sections: HTML and Markdown. They show what they are given and measure nothing."""

from __future__ import annotations

import base64
import datetime
import hashlib
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from isthmus import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.report.blocks import Section
    from isthmus.report.facts import Facts

SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&-])")


def to_html(facts: Facts, sections: Sequence[Section]) -> str:
    """Render a page; every text is escaped.

    Parameters
    ----------
    facts : dict
        "title" and "intro" (paragraphs).
    sections : sequence of Section
        What follows.

    Returns
    -------
    str
        HTML that loads nothing from outside.
    """
    script = template_source("embedding.js")
    return (
        templates(html=True)
        .get_template("report.html.jinja")
        .render(
            facts=facts,
            sections=list(zip(section_anchors(sections), sections, strict=True)),
            today=datetime.date.today().isoformat(),
            version=__version__,
            style=Markup(template_source("report.css")),
            script=Markup(script) if any(s.plane for s in sections) else "",
            digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def to_markdown(facts: Facts, sections: Sequence[Section]) -> str:
    """Render a page without pictures, of which the captions remain; every text is escaped."""
    template = templates(html=False).get_template("report.md.jinja")
    return template.render(facts=facts, sections=sections)


def section_anchors(sections: Sequence[Section]) -> list[str]:
    """Return a name for the address of each section; no two are alike."""
    found: list[str] = []
    for section in sections:
        word = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-") or "section"
        found.append(word if word not in found else f"{word}-{len(found)}")
    return found


def escape_markdown(text: object) -> str:
    """Return text in one line that Markdown, and the HTML it becomes, shows as it is."""
    return SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def code_block(text: str) -> Markup:
    """Return lines of code, between fences that are longer than any in them."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return Markup(f"{fence}\n{text}\n{fence}")


@cache
def templates(package: str = "isthmus.report", *, html: bool) -> jinja2.Environment:
    """Return the templates of a room, which escape whatever they are given, for a page or Markdown."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=html,
        finalize=None if html else _escaped_for_markdown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["code_block"] = code_block
    return environment


def _escaped_for_markdown(value: object) -> str:
    return value if isinstance(value, Markup) else escape_markdown(value)


def template_source(name: str, package: str = "isthmus.report") -> str:
    """Return a file that lies among the templates of a room, as it is."""
    return (resources.files(package) / "templates" / name).read_text("utf-8")
