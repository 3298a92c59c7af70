"""Pages made of sections: HTML and Markdown. They say what they are given and gather nothing."""

import base64
import datetime
import hashlib
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from isthmus import __version__
from isthmus.report.blocks import Section, Table
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
        HTML that asks for nothing from outside.
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    script = _part("embedding.js")
    return environment.from_string(_part("report.html.jinja")).render(
        facts=facts,
        sections=list(zip(anchors(sections), sections, strict=True)),
        today=datetime.date.today().isoformat(),
        version=__version__,
        style=Markup(_part("report.css")),
        script=Markup(script) if any(s.plane for s in sections) else "",
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def anchors(sections: Sequence[Section]) -> list[str]:
    """Return a name for the address of each section; no two are alike."""
    found: list[str] = []
    for section in sections:
        word = re.sub(r"[^a-z0-9]+", "-", section.title.lower()).strip("-") or "section"
        found.append(word if word not in found else f"{word}-{len(found)}")
    return found


def to_markdown(facts: Facts, sections: Sequence[Section]) -> str:
    """Render a page without pictures, which are told by their captions."""
    parts = [f"# {_plain(facts['title'])}", *(_plain(p) for p in facts["intro"])]
    for section in sections:
        parts.append(f"## {_plain(section.title)}")
        parts += [_plain(text) for text in section.text]
        parts += [_block(title, text) for title, text in section.code]
        parts += [_table(table) for table in section.tables]
        parts += ["\n".join(f"* {_plain(note)}" for note in section.notes)]
        parts += [_plain(picture.caption) for picture in section.pictures]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(title: str, text: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return (f"{_plain(title)}:\n\n" if title else "") + f"{fence}\n{text}\n{fence}"


def _table(table: Table) -> str:
    names = [h if isinstance(h, str) else f"{h[0]} ({h[1]})" if h[1] else h[0] for h in table.head]
    rule = [":--" if i < table.words else "--:" for i in range(len(names))]
    lines = [[_plain(cell) for cell in row] for row in (names, *table.rows)]
    rows = ["| " + " | ".join(line) + " |" for line in (lines[0], rule, *lines[1:])]
    return f"**{_plain(table.caption)}**\n\n" + "\n".join(rows)


def _plain(text: Any) -> str:
    """Return text in one line that Markdown, and the HTML it becomes, shows as it is."""
    return SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def _part(name: str) -> str:
    return (resources.files("isthmus.report") / "templates" / name).read_text("utf-8")
