"""Columns that never changed in training: another value there is seen, explained and exported."""

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from isthmus import Autoencoder, OutlierDetector
from isthmus.outliers.constants import find_constants
from isthmus.outliers.members import strangeness

LIMITS = [{}, {"contamination": 0.05}, {"contamination": 0.0}, {"contamination": "none"}]
CROSSED = {"contamination": "none", "calibration": "cross", "alpha": 0.02}


def rows(n=200, seed=0):
    """Return normal rows whose last three columns are 100, 0 and a tenth."""
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.normal(size=(n, 4)), np.full((n, 3), [100.0, 0.0, 0.1])])


def changed(column, value, n=50):
    X = rows(n, seed=1)
    X[:, column] = value
    return X


def short(**settings):
    ae = Autoencoder(2, max_epochs=5, early_stopping=False)
    return OutlierDetector(**{"autoencoder": ae, "n_estimators": 5, "random_state": 0, **settings})


@pytest.fixture(scope="module", params=[*LIMITS, CROSSED], ids=str)
def fitted(request):
    return short(**request.param).fit(rows())


@pytest.fixture(scope="module")
def clean():
    return short(contamination="none").fit(rows())


@pytest.mark.parametrize(
    ("column", "value"), [(4, 150.0), (4, 100.1), (4, -1e9), (5, 1.0), (5, 1e-9), (6, 0.3)]
)
def test_a_change_is_found_by_every_limit(fitted, column, value):
    found = fitted.predict(changed(column, value)) == -1
    assert found.mean() >= 0.96


@pytest.mark.parametrize(
    ("column", "value"), [(5, 0.1 + 0.2 - 0.3), (4, 100 * (1 + 1e-7)), (6, 0.3 / 3)]
)
def test_rounding_is_no_change(clean, column, value):
    same = rows(50, seed=1)
    np.testing.assert_allclose(
        clean.score_samples(changed(column, value)), clean.score_samples(same), rtol=1e-4
    )


def test_rows_without_a_change_score_by_the_equation_alone(clean):
    new = rows(60, seed=1)
    bare = [member._replace(constants=find_constants(new, None)) for member in clean.members_]
    assert np.array_equal(clean.score_samples(new), -strangeness(bare, new))
    np.testing.assert_allclose(
        clean.score_samples(new.astype("f4")), clean.score_samples(new), 1e-5
    )


def test_a_change_costs_what_one_row_among_all_would_pay(clean):
    costs = {member.constants.cost for member in clean.members_}
    assert costs == {160 / 7}
    constants = find_constants(rows(), "standard")
    losses = constants.added(np.zeros((50, 7)), changed(5, 1.0))
    assert np.array_equal(losses, np.eye(7)[[5]].repeat(50, axis=0) * 200 / 7)
    assert np.array_equal(
        constants.added(np.zeros((50, 1)), changed(5, 1.0)), losses.sum(1)[:, None]
    )
    assert find_constants(rows(3), "minmax").cost == 1


def test_the_column_that_changed_explains_the_score(clean):
    new = changed(5, 1.0)
    why = clean.explain(new)
    assert (why.contribution.argmax(axis=1) == 5).all()
    np.testing.assert_allclose(why.contribution.sum(axis=1), -clean.score_samples(new), rtol=1e-9)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust", StandardScaler()])
def test_each_scaling_by_columns_shows_a_change(scaling):
    ae = Autoencoder(2, scaling=scaling, max_epochs=5, early_stopping=False)
    detector = short(autoencoder=ae, n_estimators=2).fit(rows())
    assert (detector.predict(changed(5, 1.0)) == -1).mean() >= 0.96


def test_columns_with_one_scale_have_none_of_their_own():
    for scaling in (None, "range"):
        assert len(find_constants(rows(), scaling).columns) == 0
    assert find_constants(rows(), "standard").columns.tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    ("usual", "other"),
    [
        (lambda rng: 100 + 1e-6 * rng.normal(size=200), 150.0),
        (lambda rng: np.where(np.arange(200) == 7, 100.5, 100.0), 150.0),
        (lambda rng: (np.arange(200) < 2).astype(float), 50.0),
        (lambda rng: np.full(200, 0.1) + rng.choice([0, 1e-17], 200), 0.2),
    ],
    ids=["noise", "one other", "rare flag", "rounding"],
)
def test_nearly_constant_columns_show_a_jump(usual, other):
    X = np.column_stack([rows()[:, :4], usual(np.random.default_rng(0))])
    detector = short(contamination="none", n_estimators=2).fit(X)
    new = X[50:100].copy()
    new[:, -1] = other
    assert (detector.predict(new) == -1).mean() >= 0.96


def test_folds_know_their_own_constants():
    X = rows()
    X[3, 5] = 1.0  # held out once, and then its column is constant in training
    detector = short(**CROSSED).fit(X)
    known = [member.constants.columns.tolist() for member in detector.members_]
    assert sorted(known) == [[4, 5, 6], *4 * [[4, 6]]]


@pytest.mark.parametrize("loss", ["mse", "cosine"])
def test_an_export_sees_a_change(loss, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    ae = Autoencoder(2, loss=loss, max_epochs=2, early_stopping=False)
    detector = short(autoencoder=ae, n_estimators=2).fit(rows())
    detector.export(tmp_path / "d.onnx")
    new = np.concatenate([rows(5, seed=2), changed(4, 150.0, 5), changed(6, 0.3, 5)]).astype(
        np.float32
    )
    scores, _ = onnxruntime.InferenceSession(tmp_path / "d.onnx").run(None, {"X": new})
    np.testing.assert_allclose(scores, detector.score_samples(new), rtol=1e-3)
    assert scores[:5].min() > scores[5:].max() + 20
