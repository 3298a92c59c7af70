"""Large text files, numbers read as such at once: the results, words and errors of the usual way."""

import random
import warnings

import polars as pl
import pytest

from isthmus.io import (
    TableError,
    choose_columns,
    column_values,
    looks_headless,
    pieces,
    read_table,
    style_of,
    text,
)

KINDS = {
    "float": lambda r: f"{r.gauss(0, 3):.3f}",
    "whole": lambda r: str(r.randint(-50, 50)),
    "either": lambda r: f"{r.randint(1, 9)}.{r.randint(100, 999)}",
    "comma": lambda r: f"{r.randint(1, 99)},{r.randint(0, 99):02}",
    "grouped": lambda r: f"{r.randint(1, 9)} {r.randint(0, 999):03}",
    "code": lambda r: f"{r.randint(0, 99999):05}",
    "unit": lambda r: f"{r.randint(1, 99)} kg",
    "far": lambda r: r.choice(["inf", "-Infinity", "1e5", "+.5", "3.", "1e-400"]),
    "truth": lambda r: r.choice(["true", "False", "TRUE"]),
    "one": lambda r: r.choice("01"),
    "day": lambda r: f"{r.randint(1, 28)}/{r.randint(1, 12)}/2020",
    "word": lambda r: r.choice(["x", "y z", "naïve", "1", "-"]),
    "none": lambda r: "",
}
MISSING = ["", "", "NA", "NaN", "nan", "NAN", "?", " ", "null"]
NAMES = ["a", "b", "Unnamed: 0", "", "1.5", "x y", "c", "NA"]


def column(r, rows):
    """Return cells of a kind, some of them missing, with space around them, or of another kind."""
    kind = r.choice([*KINDS, "float", "float", "whole", "either"])
    other = r.choice([*KINDS])
    odd, gaps, space, late = (r.choice([0, 0, 0.02, 0.2]) for _ in range(4))
    cells = []
    for i in range(rows):
        cell = KINDS[other if r.random() < odd else kind](r)
        if r.random() < gaps:
            cell = r.choice(MISSING)
        if r.random() < space and i > late * rows:
            cell = f" {cell} "
        cells.append(cell)
    return cells


def quoted(r, cell, separator, share):
    if separator in cell or r.random() < share:
        more = r.choice(["", "", "\nand", '""', "\n\n"]) if r.random() < 0.1 else ""
        return f'"{cell}{more}"'
    return cell


def written(r):
    """Return the content of a text file, and its column's names."""
    rows, width, separator = r.randint(1, 60), r.randint(1, 5), r.choice(",,;\t|")
    names = r.sample(NAMES, width)
    quotes = r.choice([0, 0, 0, 0.1])
    lines = [separator.join(names)]
    for cells in zip(*(column(r, rows) for _ in range(width)), strict=True):
        if quotes:
            cells = [quoted(r, c, separator, quotes) for c in cells]
        lines.append(separator.join(c if quotes else c.replace(separator, "") for c in cells))
        if r.random() < 0.01:
            lines.append("")
    if r.random() < 0.05:
        lines.insert(r.randint(0, len(lines)), f"1{separator * r.randint(0, 5)}")
    content = r.choice(["\n", "\n", "\r\n"]).join(lines) + r.choice(["\n", "\n", ""])
    encoding = "cp1252" if r.random() < 0.03 else r.choice(["utf-8", "utf-8-sig"])
    return content.encode(encoding), names


def asked(r, names):
    """Return options of `choose_columns` at random."""
    named = [name or "column_1" for name in names]
    pick = lambda share: [n for n in named if r.random() < share]  # noqa: E731
    options = {"mixed": r.random() < 0.6, "set_apart": r.random() < 0.5}
    options["ids"] = pick(0.1)
    if r.random() < 0.3:
        options["names"] = [n for n in named if n not in options["ids"]]
        options["kinds"] = {
            n: r.choice(["number", "category", "date", "boolean"]) for n in pick(0.5)
        }
    elif options["mixed"]:
        options["asked"] = {n: r.choice(["number", "category", "boolean"]) for n in pick(0.2)}
    if r.random() < 0.1:
        options["weight"] = r.choice(named)
    return options


def outcome(path, header, decimal, options, name):
    """Return all that is made of a file, or the error, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            table = read_table(path, header=header)._replace(decimal=decimal)
            rows = choose_columns(table, **options)
            style = style_of(table, rows.X)
            values = column_values(table, table.rows.columns[name % table.rows.width])
            facts = table.text(table.rows.columns), rows, style, values
            facts = (*facts, looks_headless(table, rows.X.columns), table.row_index)
        except TableError as error:
            facts = str(error)
        light = table.light is not None if "table" in locals() else None
        return facts, [str(w.message) for w in caught], light


def flat(facts):
    """Return facts as what can be compared."""
    if not isinstance(facts, tuple):
        return facts
    words, rows, *others = facts
    weight = None if rows.weight is None else rows.weight.tolist()
    parts = [words, rows.X, rows.ids, pl.DataFrame([]) if rows.problems is None else rows.problems]
    frames = [pl.DataFrame(part) for part in parts]
    lines = [*map(str, rows.lines)]
    return [(f.schema, f.rows()) for f in frames], weight, lines, [*map(repr, others)]


def both(path, monkeypatch, *args):
    found = []
    for large in (2**62, 0):
        monkeypatch.setattr(text, "LARGE", large)
        found.append(outcome(path, *args))
    (usual, said, _), (light, said_too, is_light) = found
    assert repr(flat(light)) == repr(flat(usual))
    assert said_too == said
    return is_light


@pytest.mark.parametrize("seed", range(3))
def test_numbers_at_once_are_the_numbers_of_their_text(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(pieces, "PIECE", 301)
    lights = 0
    for number in range(15):
        r = random.Random(f"{seed} {number}")
        content, names = written(r)
        (path := tmp_path / "t.csv").write_bytes(content)
        args = (r.random() < 0.9, r.choice([None, None, "comma", "point"]), asked(r, names), number)
        lights += bool(both(path, monkeypatch, *args))
    assert lights > 5  # else nothing was compared


def test_a_large_file_of_numbers_takes_eight_bytes_a_cell(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "LARGE", 0)
    (path := tmp_path / "t.csv").write_text("a,b,w\n1,2.5,x\n,NA,y\n" + "0,7,z\n" * 20)
    table = read_table(path)
    assert table.rows.schema == {"a": pl.Float64, "b": pl.Float64, "w": pl.String}
    assert table.text(["b", "w"]).rows()[:2] == [("2.5", "x"), ("NA", "y")]
    some = table.only(pl.Series([False, True] * 11))
    assert some.only(pl.Series([True] + [False] * 10)).text(["b"]).rows() == [("NA",)]
    path.write_text("a,b,w\n")
    with pytest.raises(TableError, match="t.csv was cut off while it was read"):
        table.text(["a"])
