"""The page of an audit, and the command that writes it."""

import json
import re

import numpy as np
import polars as pl
import pytest

from isthmus import Audit
from isthmus.audit.page import summary


@pytest.fixture(scope="module")
def page(audit, tmp_path_factory):
    path = tmp_path_factory.mktemp("audit") / "page.html"
    return audit.save(path, title="<People>", command="isthmus audit people.csv").read_text()


@pytest.fixture
def csv(people, tmp_path):
    path = tmp_path / "people.csv"
    people[0].write_csv(path)
    return path


def test_the_page_leads_with_what_was_found(audit, page):
    places = [
        page.index(text)
        for text in ('class="summary"', 'id="cells"', 'id="findings"', 'id="columns"')
    ]
    assert places == sorted(places)
    assert summary(audit).startswith("400 rows of 6 columns: ")
    for finding in audit.findings_:
        assert finding.kind in page.lower()


def test_what_a_table_holds_is_text_on_the_page(page):
    assert "<b>16</b>" not in page
    assert "&lt;b&gt;16&lt;/b&gt;" in page
    assert "<h1>&lt;People&gt;</h1>" in page


def test_the_page_loads_nothing_and_runs_nothing(page):
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!#|data:)", page)


def test_every_picture_and_table_is_named_or_hidden(page):
    assert len(re.findall("<svg", page)) == len(re.findall(r"<svg[^>]*aria-hidden", page)) > 3
    assert len(re.findall('class="scroll"', page)) == len(
        re.findall('role="region" aria-label="[^"]+"', page)
    )


def test_a_table_without_faults_gets_a_page_that_says_so(tmp_path):
    table = pl.DataFrame({"x": np.random.default_rng(0).normal(size=30)})
    audit = Audit(table, folds=0)
    assert summary(audit) == "30 rows of 1 column: nothing seems to be wrong."
    assert "No check found anything." in audit.save(tmp_path / "a.html").read_text()


# -- the command -------------------------------------------------------------------------------------


def test_the_command_writes_the_page_and_the_cells(cli, csv):
    judging = ("--folds", 2, "--max-epochs", 5)
    ended = cli("audit", csv, "--id", "name", *judging, "--table", "cells.csv")
    assert ended.status == 0
    assert "page" in ended.out
    page = (csv.parent / "people-audit.html").read_text()
    assert "--id name" in page
    assert "--max-epochs 5" in page
    cells = pl.read_csv(csv.parent / "cells.csv")
    names = ["row", "line", "name", "column", "value", "expected", "sure", "p", "why"]
    assert cells.columns == names
    assert (cells["line"] == cells["row"] + 2).all()  # the first is that of the names
    assert "Rows count from 0." in page
    again = cli("audit", csv)
    assert again.status == 1
    assert "people-audit.html exists" in again.err


def test_the_command_takes_columns_for_what_it_is_told(cli, csv):
    """An infinite cell is for the audit to find, and not for the reader to refuse."""
    csv.write_text(csv.read_text().replace(",9100.0,", ",inf,", 1))
    words = ("--as", "tax=category", "--as", "name,since=ignore", "--folds", 0)
    ended = cli("audit", csv, *words, "--json")
    assert ended.status == 0, ended
    taken = json.loads(ended.out)["taken_for"]
    assert [taken[name] for name in ("tax", "name", "since")] == [
        "category",
        "left out",
        "left out",
    ]
    assert json.loads(ended.out)["findings"][0]["columns"] == ["wage"]
    page = (csv.parent / "people-audit.html").read_text()
    assert "--as tax=category --as name,since=ignore" in page


def test_the_command_reports_json(cli, csv):
    found = json.loads(cli("audit", csv, "--folds", 0, "--json", "-o", "found.json").out)
    assert found["audit"] == "found.json"
    assert {**json.loads((csv.parent / "found.json").read_text())}.items() <= found.items()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--target-fpr", "2"], "--target-fpr must be between 0 and 1"),
        (["--folds", "1"], "--folds must be 0, for checks alone, or at least 2"),
        (["-o", "page.pdf"], "end in .html or .json"),
        (["--table", "cells.xml"], "cells.xml"),
        (["--raw"], "--raw is for CSV"),
        (["--id", "nmae"], "nmae"),
        (["--as", "job=word"], "--as has 'word', which is no kind."),
        (["--as", "jbo=date"], "has no column 'jbo', which --as names. Did you mean 'job'?"),
    ],
)
def test_the_command_refuses_before_it_works(cli, csv, words, says):
    ended = cli("audit", csv, *words)
    assert ended.status != 0
    assert says in ended.err
    assert not (csv.parent / "people-audit.html").exists()


def test_an_identifier_has_no_name_of_a_result(cli, csv):
    csv.write_text(csv.read_text().replace("name,", "value,", 1))
    ended = cli("audit", csv, "--id", "value")
    assert "has the name of a column of the result" in ended.err
