"""The report on tables of mixed types: columns as a table, errors by column, cells in words."""

import json

import numpy as np
import polars as pl
import pytest

from isthmus import Autoencoder, OutlierDetector, Report, embed
from isthmus.report.tables import restored_cells, shown_values
from isthmus.schema import infer_schema

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
HOSTILE = "</script><script>alert('x')</script> & | `"


def people(n=80, seed=0):
    rng = np.random.default_rng(seed)
    town = rng.choice(["Ulm", HOSTILE, "Bonn"], n, p=[0.6, 0.3, 0.1])
    day = np.datetime64("2024-01-01") + rng.integers(0, 365, n)
    return pl.DataFrame(
        {
            "row": np.arange(n),
            "age": rng.integers(1, 90, n),
            "pay": [None if rng.random() < 0.2 else float(v) for v in rng.gamma(2, 1000, n)],
            HOSTILE: town.tolist(),
            "ok": (town == "Ulm").tolist(),
            "day": day,
        }
    )


@pytest.fixture(scope="module")
def table():
    return people()


@pytest.fixture(scope="module")
def model(table):
    with pytest.warns(UserWarning, match="'row'"):
        return Autoencoder(2, max_epochs=2, random_state=0).fit(table)


@pytest.fixture(scope="module")
def report(model, table):
    with pytest.warns(
        UserWarning, match="'ok' is one of the columns that the model was trained on"
    ):
        return Report(model, table, table["ok"].to_list(), label="ok")


def test_columns_are_a_table_of_what_they_are_taken_for(report, table):
    data = report.facts()["data"]
    assert data["n_missing"] == table["pay"].null_count()
    found = {column["name"]: column for column in data["columns"]}
    assert [c["kind"] for c in data["columns"]] == [
        "left out",
        "number",
        "number",
        "category",
        "boolean",
        "date",
    ]
    assert found["age"]["least"] == str(table["age"].min())
    assert found["day"]["most"] == str(table["day"].max())
    assert found["ok"]["usual"].startswith(f"{table['ok'].mode()[0]} (")
    assert found["pay"]["missing"] == table["pay"].null_count()
    assert found["row"]["n_distinct"] is None


def test_errors_are_those_of_the_model_by_column(report, model, table):
    facts = report.facts()["models"][0]
    assert facts["error"] == pytest.approx(-model.score_samples(table).mean())
    assert facts["score"] == pytest.approx(model.score(table))
    assert facts["raw_error"] is None
    assert facts["loss"] == "mse"
    assert [c["name"] for c in facts["columns"]] == ["age", "pay", HOSTILE, "ok", "day"]
    assert all(0 < c["lost"] < 3 for c in facts["columns"])


def test_the_worst_cells_are_in_words(report, table):
    rows = report.facts()["outliers"]["rows"]
    for row in rows:
        assert sum(c["contribution"] for c in row["causes"]) == pytest.approx(1)
        for cause in row["causes"]:
            cell = table[cause["column"]][row["row"]]
            assert cell is not None  # what is missing is no cause
            if cause["column"] in (HOSTILE, "ok", "day"):
                assert cause["observed"] == str(cell)
            if cause["column"] in (HOSTILE, "ok"):
                assert cause["expected"].endswith(")")
                assert " (p = 0." in cause["expected"]


def test_a_detectors_reasons_are_in_words_too(model, table):
    settings = {"n_estimators": 2, "columns": {"row": "ignore"}, "random_state": 0}
    detector = OutlierDetector({"max_epochs": 1}, **settings).fit(table)
    found = Report(model, table, detector=detector, embedding=False).facts()["outliers"]
    causes = [(row["row"], cause) for row in found["rows"] for cause in row["causes"]]
    named = [(row, c) for row, c in causes if c["column"] == HOSTILE]
    assert named
    assert all(c["observed"] == table[HOSTILE][row] for row, c in named)
    assert all("(p = 0." in c["expected"] for _, c in named)
    assert all(c["observed"] != "missing" for _, c in causes)


def test_facts_are_json_and_pages_escape_words(report, tmp_path):
    assert json.loads(json.dumps(report.facts(), allow_nan=False)) == report.facts()
    html = report.save(tmp_path / "r.html").read_text("utf-8")
    assert "<script>alert" not in html
    assert "What the columns are taken for" in html
    assert "identifier" in html
    text = report.save(tmp_path / "r.md").read_text("utf-8")
    assert "What a cell costs is counted in what the best constant answer costs" in text


def test_other_libraries_and_a_picture_of_ones_own(model, table, report):
    drawn = embed(model, table.to_arrow(), method="pca")
    for frame in (table.to_pandas(), table.to_arrow()):
        again = Report(model, frame, embedding=drawn).facts()
        assert again["data"]["columns"] == report.facts()["data"]["columns"]
        assert again["reproduce"]["fingerprint"] == report.facts()["reproduce"]["fingerprint"]


def test_points_show_words_for_levels_and_dates(table):
    schema = infer_schema(table, warn=False)
    gaps = schema.encode(table)
    gaps[0, 2] = np.nan
    shown = {value["name"]: value for value in shown_values(schema, gaps, 40)}
    town = shown[HOSTILE]
    words = [town["kinds"][k] for k in town["numbers"]]
    assert words == ["missing", *table[HOSTILE][1:].to_list()]
    assert town["kinds"][:2] == ["Ulm", HOSTILE]
    assert shown["day"]["texts"] == table["day"].cast(str).to_list()
    assert "texts" not in shown["age"]


def test_noise_that_is_undone_is_counted_by_cell():
    schema = infer_schema(
        pl.DataFrame({"x": [0.0, 1.0, 5.0, 9.0], "y": ["a", "b", "a", "a"]}), warn=False
    )
    rows = np.array([[0, 0], [1, 1], [5, 0], [9.0, 0]])
    noisy = np.array([[5, 0], [1, 0], [5, 0], [np.nan, 0]])  # two numbers and a level are changed
    clean = np.array([[1, 0], [9, 1], [5, 1], [0.0, 0]])  # a number and the level come back
    changed, back = restored_cells(schema, rows, noisy, clean)
    assert (changed, back) == (3 / 8, pytest.approx(2 / 3))
    assert restored_cells(schema, rows, rows, clean) == (0, None)


def test_rows_of_a_table_without_a_model_have_no_place(table):
    with pytest.raises(ValueError, match="give a fitted model, whose codes"):
        embed(None, table)
