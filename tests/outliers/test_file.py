"""Files of detectors: exact, whole, and refused where they are not what they should be."""

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load as load_tensors
from sklearn.base import clone

import isthmus
from isthmus import Autoencoder, ModelFileError, OutlierDetector
from isthmus.io import read_tensors, write_tensors
from isthmus.loading import load_autoencoder
from isthmus.model import Fitted
from isthmus.outliers.members import with_references

SMALL = {"n_estimators": 2, "random_state": 0}
SHORT = Autoencoder(2, max_epochs=2, corruption="gaussian", scaling="minmax", random_state=3)
KINDS = [
    {},
    {"autoencoder": SHORT, "contamination": 0.1, "n_references": 5},
    {"autoencoder": SHORT, "contamination": "none", "calibration_fraction": 0.3},
    {"autoencoder": SHORT, "alpha": np.float64(0.1), "fdr": True},
    {"autoencoder": SHORT, "alpha": 0.1, "calibration": "cross"},
]


@pytest.fixture(params=KINDS)
def detector(request, iris):
    return OutlierDetector(**SMALL, **request.param).fit(iris)


@pytest.fixture(scope="module")
def written(iris, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "d.isthmus"
    OutlierDetector(SHORT, alpha=0.2, **SMALL).fit(iris).save(path)
    return path.read_bytes()


@pytest.fixture
def saved(written, tmp_path):
    path = tmp_path / "d.isthmus"
    path.write_bytes(written)
    return path


@pytest.mark.filterwarnings("ignore:.* stranger than all")
def test_a_round_trip_is_exact(detector, iris, tmp_path):
    detector.save(tmp_path / "d")
    copy = isthmus.load(tmp_path / "d")
    assert isinstance(copy, OutlierDetector)
    for method in ("score_samples", "decision_function", "predict", "transform"):
        np.testing.assert_array_equal(
            getattr(copy, method)(iris), getattr(detector, method)(iris), strict=True
        )
    for part, same in zip(copy.explain(iris), detector.explain(iris), strict=True):
        np.testing.assert_array_equal(part, same)
    if detector.calibration_scores_ is not None:
        np.testing.assert_array_equal(copy.pvalues(iris), detector.pvalues(iris))
    copy.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "d").read_bytes()


def test_parameters_are_kept_so_that_a_new_fit_is_the_same(detector, iris, tmp_path):
    detector.save(tmp_path / "d")
    copy = isthmus.load(tmp_path / "d")
    plain = ("n_estimators", "contamination", "alpha", "fdr", "n_references", "random_state")
    for name in (*plain, "target_fpr", "calibration_fraction", "verbose"):
        assert getattr(copy, name) == getattr(detector, name), name
    scores = detector.score_samples(iris)
    np.testing.assert_array_equal(copy.fit(iris).score_samples(iris), scores)


def test_names_and_image_shapes_are_kept(iris, digits, tmp_path):
    frame = pl.DataFrame(iris, schema=["a", "b", "c", "d"])
    OutlierDetector(SHORT, **SMALL).fit(frame).save(tmp_path / "named")
    copy = isthmus.load(tmp_path / "named")
    assert list(copy.feature_names_in_) == ["a", "b", "c", "d"]
    assert copy.explain(frame).columns[:4] == ("a", "b", "c", "d")
    with pytest.raises(ValueError, match="feature names"):
        copy.score_samples(frame.rename({"a": "z"}))
    images = digits[:60].reshape(-1, 8, 8)
    detector = OutlierDetector(SHORT, **SMALL).fit(images)
    detector.save(tmp_path / "images")
    copy = isthmus.load(tmp_path / "images")
    assert copy.sample_shape_ == (8, 8)
    np.testing.assert_array_equal(copy.score_samples(images), detector.score_samples(images))


def test_a_file_has_the_reference_rows_once_and_no_others(saved):
    arrays = load_tensors(saved.read_bytes())
    assert arrays["panel.0.references"].shape == (128, 16, 4)
    assert not any("references" in name for name in arrays if name.startswith("member"))
    assert arrays["calibration_scores"].shape == (30,)
    assert all(150 not in array.shape and 120 not in array.shape for array in arrays.values())


def test_members_that_judge_alone_are_kept_as_files_before_1_6_have_them(iris, tmp_path):
    detector = OutlierDetector(SHORT, **SMALL).fit(iris)
    fits = [Fitted(member.model, member.history) for member in detector.members_]
    detector.members_ = with_references(fits, iris, np.random.default_rng(0), clean=False, number=5)
    detector.save(tmp_path / "d")
    assert load_tensors((tmp_path / "d").read_bytes())["member.0.references"].shape == (8, 5, 2)
    copy = isthmus.load(tmp_path / "d")
    assert [member.panel for member in copy.members_] == [None, None]
    expected = np.zeros(len(iris))
    for member in detector.members_:
        x, again = (
            member.model.scaled(v).astype(float) for v in (iris, member.model.reconstruct(iris))
        )
        expected += ((again - x) ** 2).mean(axis=1)
        for known in member.known():
            near = np.sort(((again[:, None] - known[None]) ** 2).mean(axis=2), axis=1)
            expected += np.where(near[:, 0] < 1e-12, near[:, 1], near[:, 0]) / 8
    np.testing.assert_allclose(copy.score_samples(iris), -expected / 2, rtol=1e-4)


def test_what_is_not_fitted_or_holds_code_is_not_saved(iris, tmp_path):
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        OutlierDetector().save(tmp_path / "d")

    def distance(x_out, x):
        return abs(x_out - x).mean(axis=-1)

    ae = Autoencoder(2, loss=distance, max_epochs=1)
    with pytest.raises(ModelFileError, match="the loss is a function"):
        OutlierDetector(ae, **SMALL).fit(iris).save(tmp_path / "d")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(saved, monkeypatch, tmp_path):
    detector = isthmus.load(saved)
    with pytest.raises(ModelFileError, match=r"folder .*nowhere does not exist"):
        detector.save(tmp_path / "nowhere" / "d")
    before = saved.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("isthmus.io.atomic.os.fsync", full)
    with pytest.raises(ModelFileError, match="No space left"):
        detector.set_params(verbose=1).save(saved)
    assert saved.read_bytes() == before
    assert list(tmp_path.iterdir()) == [saved]


def test_each_kind_of_file_is_told_from_the_other(saved, iris, tmp_path):
    with pytest.raises(ModelFileError, match="holds a detector of outliers and no single"):
        load_autoencoder(saved)
    clone(SHORT).fit(iris).save(tmp_path / "m")
    assert isinstance(isthmus.load(tmp_path / "m"), Autoencoder)
    assert isinstance(load_autoencoder(tmp_path / "m"), Autoencoder)


def test_a_file_cut_off_is_refused(saved):
    content = saved.read_bytes()
    for length in range(0, len(content), len(content) // 20):
        saved.write_bytes(content[:length])
        with pytest.raises(ModelFileError, match="cut off or damaged"):
            isthmus.load(saved)


def rewritten(path, change):
    """Write the file with its JSON and arrays changed, and with the digest that belongs to them."""
    tensors, meta = read_tensors(path)
    change(meta, tensors)
    write_tensors(path, tensors, meta)
    return path


REFERENCES = "panel.0.references"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m, t: m.update(version=[2, 0]), "format version 2.0.*upgrade"),
        (lambda m, t: m.update(kind="forest"), "holds a 'forest', not known here: upgrade"),
        (lambda m, t: m.update(kind=["forest"]), "not known here"),
        (lambda m, t: m.pop("kind"), "damaged"),
        (lambda m, t: m.pop("autoencoder"), "damaged"),
        (lambda m, t: m["parameters"].update(alpha=3), "alpha must be a number"),
        (lambda m, t: m["parameters"].update(__class__="x"), "damaged"),
        (lambda m, t: m["autoencoder"]["parameters"].update(max_epochs=-1), "max_epochs"),
        (lambda m, t: m["autoencoder"]["slots"]["loss"].update(name="os.system"), "os.system"),
        (lambda m, t: m["members"].pop(), "holds 1 members, not 2"),
        (lambda m, t: m["members"][1].pop("layers"), "damaged"),
        (lambda m, t: m["members"][0]["layers"].update(decoder=[]), "Member 0 does not fit"),
        (lambda m, t: m["fitted"].update(n_features_in=5), "Member 0 does not fit the 5"),
        (lambda m, t: m["fitted"].update(sample_shape=[2, 2]), "Member 0 does not fit"),
        (lambda m, t: m["fitted"].update(feature_names_in=["a"]), "names of columns are not 4"),
        (lambda m, t: m["fitted"].update(offset=float("nan")), "threshold .* do not fit"),
        (lambda m, t: m["fitted"].update(offset="x"), "offset is 'x', not a number"),
        (lambda m, t: t.pop(REFERENCES), "damaged.*references"),
        (lambda m, t: t.update({REFERENCES: np.ones((1, 9, 3), "f4")}), r"\(1, 9, 3\).*rows, 4\)"),
        (lambda m, t: t.update({REFERENCES: np.ones((1, 0, 4), "f4")}), r"\(1, 0, 4\)"),
        (lambda m, t: t.update({REFERENCES: np.ones((9, 2), "f4")}), r"shape \(9, 2\)"),
        (lambda m, t: t.update({REFERENCES: np.ones((1, 9, 4), int)}), "dtype int64"),
        (lambda m, t: t[REFERENCES].fill(np.nan), "references' has NaN"),
        (lambda m, t: m.update(panels=[]), "0 panels do not fit 2 members"),
        (lambda m, t: m["panels"][0]["usual"].update(loss=0), "panel 0 is not positive and finite"),
        (lambda m, t: m["panels"][0].pop("usual"), "damaged"),
        (lambda m, t: m["panels"][0]["usual"].update(distance=float("nan")), "panel 0 is not"),
        (lambda m, t: m["members"][1]["slots"]["loss"].update(name="mae"), "differ in more than"),
        (lambda m, t: t.pop("member.1.net.encoder.0.bias"), "net.encoder.0 .* 'bias' is missing"),
        (lambda m, t: t.update(calibration_scores=np.ones((2, 2))), "calibration scores have"),
        (lambda m, t: t.update(calibration_scores=np.ones(0)), "calibration scores have"),
        (lambda m, t: t.update(calibration_folds=np.zeros(30, int)), "do not number 0 folds"),
        (
            lambda m, t: m["parameters"].update(calibration="cross"),
            "1 panels are not one for each fold",
        ),
        (
            lambda m, t: (m["parameters"].update(fdr=True), t.pop("calibration_scores")),
            "do not fit",
        ),
    ],
)
def test_files_changed_by_hand_are_refused(saved, change, message):
    with pytest.raises(ModelFileError, match=message):
        isthmus.load(rewritten(saved, change))


# -- constant columns ------------------------------------------------------------------------------


def constant(n):
    X = np.random.default_rng(0).normal(size=(n, 4))
    X[:, 1], X[:, 3] = 7, 0
    return X


@pytest.fixture(scope="module")
def knowing(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "d.isthmus"
    detector = OutlierDetector(SHORT, contamination="none", **SMALL).fit(constant(50))
    detector.save(path)
    return detector, path.read_bytes()


@pytest.fixture
def kept(knowing, tmp_path):
    path = tmp_path / "d.isthmus"
    path.write_bytes(knowing[1])
    return path


def test_constant_columns_are_kept(knowing, kept, tmp_path):
    copy, new = isthmus.load(kept), np.add(constant(9), [0, 1, 0, 0])
    assert np.array_equal(copy.score_samples(new), knowing[0].score_samples(new))
    copy.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == kept.read_bytes()


def test_a_file_without_them_scores_as_it_did(knowing, kept):
    def older(meta, tensors):
        for panel in meta["panels"]:
            del panel["constant_cost"]
        for name in ("columns", "values"):
            del tensors[f"panel.0.constant_{name}"]

    copy, new = isthmus.load(rewritten(kept, older)), np.add(constant(9), [0, 0, 0, 1])
    assert copy.offset_ == knowing[0].offset_
    known, unknown = (d.members_[0].panel.terms(new) for d in (knowing[0], copy))
    np.testing.assert_allclose(np.subtract(known, unknown), 40 / 4)


COLUMNS, VALUES = "panel.0.constant_columns", "panel.0.constant_values"


@pytest.mark.parametrize(
    "change",
    [
        lambda m, t: m["panels"][0].update(constant_cost=0),
        lambda m, t: m["panels"][0].update(constant_cost=1e999),
        lambda m, t: m["panels"][0].pop("constant_cost"),
        lambda m, t: t.update({COLUMNS: np.array([1, 4])}),
        lambda m, t: t.update({COLUMNS: np.array([1.0, 3.0])}),
        lambda m, t: t.update({COLUMNS: np.array([1])}),
        lambda m, t: t.update({VALUES: np.ones((2, 1))}),
        lambda m, t: t.update({VALUES: np.ones(2, np.float32)}),
        lambda m, t: t.pop(VALUES),
    ],
)
def test_constant_columns_changed_by_hand_are_refused(kept, change):
    with pytest.raises(ModelFileError, match=r"panel\.0|constant_"):
        isthmus.load(rewritten(kept, change))
