"""`Monitor`: decisions row by row, its state in a file, and what it refuses."""

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus import Autoencoder, Monitor, OutlierDetector
from isthmus.io import ModelFileError, read_tensors, write_tensors


@pytest.fixture
def rows():
    x = np.random.default_rng(1).normal(size=(400, 10))
    x[50::60] += 4
    x[250:, 3] += 2
    return x


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("pvalues", ["tail", "conformal"])
def test_rows_one_by_one_are_decided_as_together(formula, rows, pvalues):
    together, alone = (Monitor(formula(), pvalues=pvalues) for _ in range(2))
    one = together.update(rows)
    others = [alone.update(rows[i : i + 1]) for i in range(len(rows))]
    assert same(one, [np.concatenate(values) for values in zip(*others, strict=True)])
    assert one.row.tolist() == list(range(400))
    assert (one.outlier == (one.pvalue <= one.level)).all()
    assert together.drift == alone.drift
    assert together.drift.columns == {"x3": "higher"}


@pytest.mark.parametrize("pvalues", ["tail", "conformal"])
def test_a_monitor_goes_on_from_its_file(formula, rows, tmp_path, pvalues):
    whole, first = (Monitor(formula(), pvalues=pvalues, random_state=3) for _ in range(2))
    right = whole.update(rows)
    for start in range(0, 400, 57):  # while columns are learnt, and after
        first.update(rows[start : start + 57])
        first.save(tmp_path / "m.state")
        first = Monitor.load(tmp_path / "m.state", formula())
        assert same(first.last, [values[start : start + 57] for values in right])
    assert first.metrics() == whole.metrics()
    assert first.drift == whole.drift
    assert (first.goodness, first.kind) == (whole.goodness, pvalues)


def test_tail_finds_what_conformal_pvalues_cannot(formula, rows):
    tail, conformal = (
        Monitor(formula(300), pvalues=kind).update(rows[:250]) for kind in ("tail", "conformal")
    )
    assert tail.outlier[[50, 110, 170]].all()
    assert tail.pvalue.min() < 1e-4
    assert conformal.pvalue.min() == 1 / 301


def test_a_tail_that_does_not_fit_is_not_used(formula):
    detector = formula()
    detector.calibration_scores_[:100] -= 20
    with pytest.warns(UserWarning, match=r"is no generalised Pareto.*p-values are conformal"):
        monitor = Monitor(detector)
    assert monitor.kind == "conformal"
    assert monitor.goodness <= 0.005
    with pytest.warns(UserWarning, match=r"has fewer than 40 of 150 calibration rows"):
        assert Monitor(formula(150)).goodness is None


def test_skipped_rows_have_numbers(formula, rows):
    monitor = Monitor(formula())
    monitor.update(rows[:3])
    monitor.skip(2)
    assert monitor.update(rows[3:5]).row.tolist() == [5, 6]
    assert "isthmus_unscored_rows_total 2\n" in monitor.metrics()


def test_metrics_are_text_of_prometheus(formula, rows):
    monitor = Monitor(formula())
    alerts = monitor.update(rows).outlier.sum()
    lines = monitor.metrics().splitlines()
    assert f"isthmus_alerts_total {alerts}" in lines
    assert 'isthmus_column_drift{column="x3",change="higher"} 1' in lines
    for line in lines:
        if not line.startswith("#"):
            name = line.partition(" ")[0].partition("{")[0]
            assert any(other.startswith(f"# TYPE {name} ") for other in lines)


def test_a_reference_shows_a_drift_from_the_first_row_on(formula, rows):
    normal = np.random.default_rng(2).normal(size=(300, 10))
    monitor = Monitor(formula(), reference=normal)
    monitor.update(rows[250:330])
    assert monitor.drift.columns == {"x3": "higher"}


@pytest.mark.parametrize(
    ("change", "options", "text"),
    [
        ({"calibration_scores_": None}, {}, "has none: fit it with contamination='none'"),
        ({"calibration_folds_": np.zeros(1000)}, {}, "fit the detector with calibration='split'"),
        ({"calibration_scores_": np.zeros(9)}, {}, "needs 16 calibration rows at least"),
        ({}, {"fdr": 1.5}, r"fdr must be a number in \(0, 1\); got 1.5"),
        ({}, {"fdr": True}, "fdr must be a number in"),
        ({}, {"pvalues": "exact"}, "pvalues must be one of 'tail', 'conformal'"),
        ({}, {"random_state": -1}, "random_state must be a whole number"),
    ],
)
def test_refusals(formula, change, options, text):
    detector = formula()
    for name, value in change.items():
        setattr(detector, name, value)
    with pytest.raises(ValueError, match=text):
        Monitor(detector, **options)


def test_files_of_others_and_damaged_ones_are_refused(formula, rows, tmp_path):
    path = tmp_path / "m.state"
    monitor = Monitor(formula())
    monitor.update(rows[:150])
    monitor.save(path)
    with pytest.raises(ModelFileError, match="belongs to a detector with other calibration"):
        Monitor.load(path, formula(seed=9))
    tensors, meta = read_tensors(path)
    for change in (
        {"tensors": {**tensors, "balls.scores": tensors["balls.scores"][:, 1:]}},
        {"tensors": {**tensors, "first": tensors["first"][:50]}},
        {"tensors": {**tensors, "changed": tensors["changed"] + 99}},
        {"meta": {**meta, "rows": -1}},
        {"meta": {**meta, "tail": [1]}},
        {"meta": {**meta, "budget": []}},
        {"meta": {**meta, "format": "isthmus"}},
    ):
        write_tensors(path, change.get("tensors", tensors), change.get("meta", meta))
        with pytest.raises(ModelFileError):
            Monitor.load(path, formula())
    with pytest.raises(ModelFileError, match="Cannot read"):
        Monitor.load(tmp_path / "none.state", formula())


def test_a_detector_of_a_mixed_table_follows_what_can_be_ranked(tmp_path):
    rng, n = np.random.default_rng(0), 160
    frame = pl.DataFrame(
        {
            "size": rng.normal(size=n),
            "kind": rng.choice(["a", "b", "c"], n),
            "day": np.datetime64("2024-01-01") + np.arange(n).astype("m8[D]"),
            "gap": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
        }
    ).with_columns(pl.col("gap").fill_nan(None))
    detector = OutlierDetector(
        Autoencoder(2, max_epochs=2, random_state=0),
        n_estimators=2,
        contamination="none",
        calibration_fraction=0.4,
        random_state=0,
    ).fit(frame)
    detector.save(tmp_path / "d.isthmus")
    monitor = Monitor(isthmus.load(tmp_path / "d.isthmus"), pvalues="conformal")
    decided = monitor.update(frame[:150])
    assert monitor.watch.columns == ("size", "kind", "gap")
    assert np.isneginf(monitor.watch.first[:, 2]).any()
    assert decided.pvalue == pytest.approx(detector.pvalues(frame[:150]))
