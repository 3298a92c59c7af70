"""Nothing is done twice: rows are validated once for each call, and slots are resolved once."""

from collections import Counter

import numpy as np
import pytest

from isthmus import Autoencoder, OutlierDetector, tune

X = np.random.default_rng(0).normal(size=(120, 5))


@pytest.fixture
def counts(monkeypatch):
    """How often the expensive beginnings were called, wherever they are imported."""
    found = Counter()

    def spy(path):
        module, _, name = path.rpartition(".")
        original = getattr(__import__(module, fromlist=[name]), name)

        def counted(*arguments, **options):
            found[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(path, counted)

    spy("isthmus.autoencoder.estimator.validate_rows")
    spy("isthmus.autoencoder.estimator.resolve_slots")
    spy("isthmus.autoencoder.estimator.fingerprint")
    spy("isthmus.autoencoder.many.fingerprint")
    spy("isthmus.autoencoder.run.prepare_rows")
    spy("isthmus.autoencoder.rows.fit_scaler")
    spy("isthmus.outliers.detector.validate_rows")
    spy("isthmus.outliers.detector.resolve_slots")
    spy("isthmus.outliers.detector.strangeness")
    spy("isthmus.search.candidates.resolve_slots")
    return found


def test_a_fit_validates_and_resolves_once(counts):
    ae = Autoencoder(2, max_epochs=1, random_state=0).fit(X)
    assert counts == dict.fromkeys(
        ("validate_rows", "resolve_slots", "fingerprint", "prepare_rows"), 1
    ) | {"fit_scaler": 1}
    for use in (ae.transform, ae.reconstruct, ae.score_samples, ae.score, ae.partial_fit):
        counts.clear()
        use(X)
        assert counts["validate_rows"] == 1, use.__name__
        assert counts["resolve_slots"] <= 1


def test_a_detector_prepares_the_rows_of_its_members_once(counts):
    detector = OutlierDetector(n_estimators=4, random_state=0)
    scores = detector.fit_score_samples(X)
    assert counts["validate_rows"] == counts["resolve_slots"] == counts["fingerprint"] == 1
    assert counts["fit_scaler"] == 1
    assert counts["prepare_rows"] == 4  # of which three find the rows ready
    assert counts["strangeness"] == 0  # what settles the reference rows scores them, too
    counts.clear()
    np.testing.assert_array_equal(detector.score_samples(X), scores)
    assert counts == {"validate_rows": 1, "strangeness": 1}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"contamination": 0.1},
        {"contamination": "none"},
        {"alpha": 0.1, "fdr": True},
        {"contamination": "none", "calibration": "cross"},
    ],
)
def test_fitting_and_scoring_is_what_each_alone_is(settings):
    alone = OutlierDetector(n_estimators=3, random_state=0, **settings).fit(X)
    both = OutlierDetector(n_estimators=3, random_state=0, **settings)
    np.testing.assert_array_equal(both.fit_score_samples(X), alone.score_samples(X))
    np.testing.assert_array_equal(both.fit_predict(X), alone.predict(X))
    assert both.offset_ == alone.offset_


def test_a_search_resolves_each_candidate_once(counts):
    grid = {"n_components": [1, 2], "learning_rate": [1e-3, 1e-2]}
    ae = Autoencoder(2, max_epochs=1, random_state=0)
    tune(ae, grid, X, cv=2)
    # Four candidates, and the last fit beside its rehearsal.
    assert counts["resolve_slots"] <= 6
