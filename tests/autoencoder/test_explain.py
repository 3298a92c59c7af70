"""`explain`: contributions by column add up to minus the score, and cells are named in words."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from isthmus import Autoencoder, OutlierDetector
from isthmus.autoencoder import Explanation
from isthmus.schema import Column, cell_words, infer_schema, number_words, value_words

N = 240


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    z = rng.normal(size=N)
    days = np.rint(100 * (z + 0.1 * rng.normal(size=N))).astype(int)
    frame = pl.DataFrame(
        {
            "x": z + 0.1 * rng.normal(size=N),
            "country": np.where(z > 0.8, "UK", np.where(z > -0.5, "KP", "FR")),
            "when": [dt.date(2024, 1, 1) + dt.timedelta(days=int(d)) for d in days],
            "ok": z > 0,
        }
    )
    gaps = rng.random((N, 4)) < 0.1
    gaps[:, 0] &= ~gaps[:, 1:].all(axis=1)
    return frame.with_columns(
        pl.when(pl.Series(~gaps[:, j])).then(pl.col(c)).alias(c)
        for j, c in enumerate(frame.columns)
    )


@pytest.fixture(scope="module")
def ae(table):
    settings = {"max_epochs": 40, "early_stopping": False, "learning_rate": 0.01}
    return Autoencoder(3, **settings, random_state=0).fit(table)


@pytest.fixture(scope="module")
def detector(table):
    return OutlierDetector({"max_epochs": 10}, n_estimators=2, random_state=0).fit(table)


def test_contributions_are_the_cells_shares_of_the_loss(ae, table):
    """Each cell's cost over what the best constant costs, over the number of cells that are there."""
    found, gaps = ae.explain(table), np.array([table[c].is_null() for c in table.columns]).T
    model = ae.fitted_.model
    _, chances = ae.reconstruct(table, proba=True)
    costs = np.zeros((N, 4))
    x = table["x"].to_numpy()
    out = model.outputs(model.schema.encode(table))[:, 0]
    costs[:, 0] = ((x - np.nanmean(x)) / np.nanstd(x) - out) ** 2
    for j, (name, levels) in {1: ("country", None), 3: ("ok", ["False", "True"])}.items():
        told = chances[name].select(levels or ["KP", "FR", "UK"])
        cells = table[name].cast(pl.String).to_list()
        names = [n.lower() for n in told.columns] if levels else told.columns
        share = np.array([cells.count(n) for n in names]) / (N - gaps[:, j].sum())
        true = np.array([-1 if c is None else names.index(c) for c in cells])
        costs[:, j] = -np.log(told.to_numpy()[np.arange(N), true]) / -(share @ np.log(share))
    expected = np.where(gaps, 0, costs) / (4 - gaps.sum(axis=1, keepdims=True))
    known = [0, 1, 3]
    np.testing.assert_allclose(
        found.contribution[:, known], expected[:, known], rtol=2e-4, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["ae", "detector"])
def test_contributions_add_up_to_minus_the_score_and_missing_cells_have_none(kind, table, request):
    model = request.getfixturevalue(kind)
    found = model.explain(table)
    assert found.columns == tuple(table.columns)
    np.testing.assert_allclose(
        found.contribution.sum(axis=1), -model.score_samples(table), rtol=1e-5, atol=1e-6
    )
    gaps = np.array([table[c].is_null() for c in table.columns]).T
    assert gaps.any(axis=0).all()
    assert (found.contribution[gaps] == 0).all()
    assert (found.contribution[~gaps] > 0).all()
    assert (found.observed[gaps] == "missing").all()


def test_a_detectors_distance_is_over_the_cells_that_are_there(detector, table):
    member, rows = detector.members_[0], detector.schema_.encode(table)
    model = member.model
    made, known = model.placed(model.outputs(rows)), member.known()
    found = member.measured(rows, known)
    for i in np.flatnonzero(np.isnan(rows).any(axis=1))[:20]:
        gone = [table.columns.index(c) for c in table.columns if table[c][int(i)] is None]
        for drawn, (_, distance) in zip(known, found.nearest, strict=True):
            apart = model.slots_by_cell((made[i] - drawn.astype(float)) ** 2)
            apart[:, gone] = 0
            others = [d for d in apart.sum(axis=1) if d > 1e-9]  # itself is passed over
            assert distance[i] == pytest.approx(min(others), rel=1e-6)


def test_whole_rows_score_alike_beside_rows_with_gaps(detector, table):
    whole = table.drop_nulls()
    np.testing.assert_array_equal(
        detector.score_samples(whole),
        detector.score_samples(table)[
            table.select(pl.all_horizontal(pl.all().is_not_null())).to_series()
        ],
    )


def test_cells_are_named_in_words(ae):
    row = {"x": 9.0, "country": "XX", "when": dt.date(1999, 1, 31), "ok": None}
    found = ae.explain(pl.DataFrame([row], schema_overrides={"ok": pl.Boolean}))
    assert found.observed[0].tolist() == ["9", "XX", "1999-01-31", "missing"]
    x, country, when, ok = found.expected[0]
    assert float(x) < 9
    assert country.split(" (p = ")[0] in ("KP", "FR", "UK", "other")
    assert dt.date.fromisoformat(when).year >= 2022  # in the range seen
    assert ok.startswith(("True (p = 0.", "True (p = 1.", "False (p = 0.", "False (p = 1."))
    table = found.frame(top=2)
    assert table.schema == {
        "row": pl.Int64,
        "column": pl.String,
        "contribution": pl.Float64,
        "observed": pl.String,
        "expected": pl.String,
    }
    assert table["contribution"].is_sorted(descending=True)
    reasons = found.reasons()
    assert f"country: expected {country}, got XX" in reasons[0]
    assert reasons[0, 3] is None


def test_what_was_expected_is_no_reason():
    seen, expected = ["blue", "7", "KP", "3"], ["blue (p = 0.91)", "7", "UK (p = 0.93)", "4"]
    cells = (np.array([row], object) for row in (seen, expected))
    found = Explanation(tuple("abcd"), np.array([[4.0, 3, 2, 1]]), *cells)
    assert found.reasons(3).tolist() == [["c: expected UK (p = 0.93), got KP", None, None]]
    assert found.frame(1)["observed"].to_list() == ["blue"]


def test_plain_numbers_stay_numbers(iris):
    ae = Autoencoder(2, max_epochs=3, random_state=0).fit(iris)
    found = ae.explain(iris)
    again = ae.reconstruct(iris)
    np.testing.assert_array_equal(found.observed, iris)
    np.testing.assert_array_equal(found.expected, again)
    parts = ((iris - again) / ae.scaler_.scale) ** 2 / 4
    np.testing.assert_allclose(found.contribution, parts, rtol=1e-3, atol=1e-6)
    line = found.frame(top=1).row(0, named=True)
    assert isinstance(line["observed"], float)
    text = f"{line['column']}: expected {line['expected']:.4g}, got {line['observed']:.4g}"
    assert found.reasons(1)[0].tolist() == [text]
    with pytest.raises(ValueError, match="cosine"):
        Autoencoder(2, loss="cosine", max_epochs=1).fit(iris).explain(iris)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"),
        (-1234.5, "-1,234.5"),
        (1234567.8, "1,234,568"),
        (999999.7, "1,000,000"),
        (0.000123456789, "0.000123457"),
        (1e300, "1e+300"),
        (2024.0, "2,024"),
    ],
)
def test_numbers_in_words(value, words):
    assert number_words(value) == words


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (Column("c", "number", "", whole=True, low=0, high=5000), 1249.7, "1,250"),
        (Column("c", "number", "", whole=True, low=0, high=5000), 0.338, "0.34"),
        (Column("c", "number", "", low=0.0, high=10.0), 12.5, "10"),
        (Column("c", "date", "", unit="day", dtype="Datetime(us)"), 86400.0 * 3 + 7, "1970-01-04"),
        (Column("c", "date", "", unit="minute", dtype="Datetime(us)"), 61.0, "1970-01-01 00:01"),
        (Column("c", "time", "", unit="hour", dtype="Time"), 7300.0, "02:00:00"),
        (Column("c", "duration", "", unit="day", dtype="Duration(us)"), 86400.0, "1 day, 0:00:00"),
    ],
)
def test_expected_values_in_words(column, value, words):
    assert value_words(column, np.array([value])) == [words]


def test_observed_cells_are_as_they_were_written():
    frame = pl.DataFrame(
        {
            "amount": ["1.50", "2.25", " ", "1.50", None],
            "name": ["a" * 80, "b", "", "b", None],
            "at": [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2), None, None, None],
            "id": range(5),
        }
    )
    kinds = {"amount": "number", "name": "category", "at": "date", "id": "number"}
    schema = infer_schema(frame, kinds)
    words = cell_words(schema, frame)
    assert words[:, 0].tolist() == ["1.50", "2.25", " ", "1.50", "missing"]
    assert words[0, 1] == "a" * 56 + " ..."
    assert words[:2, 2].tolist() == ["2024-01-01", "2024-01-02"]
    late = frame.with_columns(at=pl.Series([dt.datetime(2024, 1, 1, 12, 30)] * 5))
    assert cell_words(schema, late)[0, 2] == "2024-01-01 12:30:00"
