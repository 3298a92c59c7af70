"""Nothing twice: one report validates, encodes and scores its rows once for each model."""

import sys
from collections import Counter

import numpy as np
import pytest

from isthmus import Autoencoder, OutlierDetector, Report
from isthmus.autoencoder.validation import validate_rows
from isthmus.report import report as report_module
from isthmus.training.batches import map_batches

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N = 150


@pytest.fixture(scope="module")
def models(digits):
    settings = {"scaling": "range", "max_epochs": 2, "random_state": 0}
    made = {
        "wide": Autoencoder(70, sparsity="kl", **settings),
        "noisy": Autoencoder(5, corruption="gaussian", **settings),
        "conv": Autoencoder(4, "conv:channels=[3],input_shape=[8,8]", **settings),
    }
    return {name: model.fit(digits[:200]) for name, model in made.items()}


@pytest.fixture
def calls(monkeypatch):
    """Count what is done to so many rows, and by whom."""
    seen = []

    def spy_on(owner, name, describe):
        function = getattr(owner, name)

        def spied(*args, **keywords):
            seen.append(describe(*args))
            return function(*args, **keywords)

        monkeypatch.setattr(owner, name, spied)

    for method in ("transform", "encode", "reconstruct", "score_samples", "score"):
        spy_on(Autoencoder, method, lambda _, X, *rest, method=method: (method, len(X)))
    for method in ("score_samples", "pvalues", "predict"):
        spy_on(OutlierDetector, method, lambda _, X, method=method: (f"detector {method}", len(X)))
    for module in [m for name, m in sys.modules.items() if name.startswith("isthmus")]:
        if getattr(module, "validate_rows", None) is validate_rows:
            spy_on(module, "validate_rows", lambda _, X: ("validate", len(X)))
        if getattr(module, "map_batches", None) is map_batches:
            spy_on(module, "map_batches", lambda what, equation, net, x, *rest: (what, len(x)))
    return lambda n: Counter(what for what, rows in seen if rows == n)


def test_each_row_passes_through_each_model_once(tmp_path, digits, models, calls):
    X, y = digits[200 : 200 + N], np.arange(N) % 7
    Report(models, X, y, image_shape=(8, 8)).save(tmp_path / "r.html")
    # The noisy rows are other rows; they pass through the one model that learned to undo noise.
    assert calls(N) == {"validate": 3, "encode": 3, "decode": 3, "excess": 3, "reconstruct": 1}


def test_a_table_is_no_other(tmp_path, iris, calls):
    model = Autoencoder(3, max_epochs=2, random_state=0).fit(iris)
    before = calls(150)
    Report(model, iris, np.arange(150) % 3).save(tmp_path / "r.html")
    assert calls(150) - before == {"validate": 1, "encode": 1, "decode": 1, "excess": 1}


def test_a_second_page_needs_no_pass(tmp_path, digits, models, calls):
    report = Report(models, digits[200 : 200 + N], image_shape=(8, 8))
    before = calls(N)
    for name in ("r.html", "r.md", "r.json"):
        report.save(tmp_path / name)
    assert calls(N) == before


@pytest.mark.parametrize(("calibration", "pvalues"), [("split", 0), ("cross", 1)])
def test_a_detector_scores_the_rows_once(tmp_path, iris, calls, calibration, pvalues):
    settings = {"contamination": "none", "calibration": calibration, "random_state": 0}
    X = np.r_[iris, iris + 0.1]
    member = Autoencoder(2, max_epochs=2, early_stopping=False, random_state=0)
    detector = OutlierDetector(member, n_estimators=2, **settings).fit(X)
    before = calls(300)
    Report(detector.member_autoencoder(), X, detector=detector).save(tmp_path / "r.html")
    done = calls(300) - before
    assert (done["detector score_samples"], done["detector predict"]) == (1, 0)
    assert done["detector pvalues"] == pvalues
    assert (done["encode"], done["decode"], done["excess"]) == (1, 1, 1)


def test_of_many_rows_those_that_were_not_sampled_are_scored(monkeypatch, digits, models, calls):
    monkeypatch.setattr(report_module, "MOST_ROWS", 60)
    monkeypatch.setattr(report_module, "MOST_POINTS", 50)
    model, X = models["noisy"], digits[200 : 200 + N]
    report = Report(model, X, random_state=1)
    both = len(report.passes.seen)
    assert max(60, 50) < both < 60 + 50
    assert calls(both) == {"validate": 1, "encode": 1, "decode": 1, "excess": 1}
    assert calls(N - both)["score_samples"] == 1
    assert calls(N) == {}
    np.testing.assert_array_equal(report.judged.scores, model.score_samples(X))
    drawn = report.embedding.rows
    np.testing.assert_array_equal(report.passes.measure(drawn).codes, model.transform(X[drawn]))
    strangest = report.judged.strangest
    expected = model.reconstruct(X[strangest])
    np.testing.assert_array_equal(report.strangest.reconstructions, expected)
