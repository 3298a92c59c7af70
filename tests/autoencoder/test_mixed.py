"""Autoencoders of tables of mixed types: what a fit leaves, keeps, hands on and takes up again."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import isthmus
from isthmus import Autoencoder, ModelFileError
from isthmus.autoencoder.advice import warn_of_errors
from isthmus.io import read_tensors, write_tensors

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"n_components": 2, "max_epochs": 2, "random_state": 0, "batch_size": 64}


def people(n=60, seed=0):
    rng = np.random.default_rng(seed)
    town = rng.choice(["Ulm", "Kiel", "Bonn"], n, p=[0.6, 0.3, 0.1])
    frame = pd.DataFrame(
        {
            "age": rng.integers(1, 90, n),
            "pay": np.where(rng.random(n) < 0.2, np.nan, rng.gamma(2, 1000, n)),
            "town": town,
            "ok": (town == "Ulm") ^ (rng.random(n) < 0.1),
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 365, n), unit="D"),
        }
    )
    frame.loc[3, "town"] = None
    return frame


@pytest.fixture(scope="module")
def frame():
    return people()


@pytest.fixture(scope="module")
def model(frame):
    weights = {"pay": 2.0, "ok": np.float64(0.5)}
    return Autoencoder(**SMALL, columns={"age": "number"}, column_weights=weights).fit(frame)


def same(a, b, X):
    assert a.schema_ == b.schema_
    for method in ("transform", "score_samples"):
        np.testing.assert_array_equal(getattr(a, method)(X), getattr(b, method)(X))
    pd.testing.assert_frame_equal(a.reconstruct(X), b.reconstruct(X))


# -- files, pickles, copies ----------------------------------------------------------------------------


def test_a_file_keeps_everything(model, frame, tmp_path):
    model.save(tmp_path / "m")
    loaded = isthmus.load(tmp_path / "m")
    same(loaded, model, frame)
    assert loaded.columns == {"age": "number"}
    assert loaded.column_weights == {"pay": 2.0, "ok": 0.5}
    assert loaded.fitted_.model.mixed == model.fitted_.model.mixed
    assert loaded.summary() == model.summary()
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "m").read_bytes()
    model.save(tmp_path / "e", part="encoder")
    codes = isthmus.load(tmp_path / "e").transform(frame)
    np.testing.assert_array_equal(codes, model.transform(frame))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_the_same(model, frame, copied):
    same(copied(model), model, frame)


def test_a_clone_takes_the_same_for_the_same(model, frame):
    fresh = clone(model)
    assert not hasattr(fresh, "fitted_")
    same(fresh.fit(frame), model, frame)


def test_a_schema_can_be_given(model, frame, tmp_path):
    other = people(30, seed=1).assign(town="Bonn")
    taken = Autoencoder(**SMALL, columns=model.schema_).fit(other)
    assert taken.schema_ == model.schema_
    taken.save(tmp_path / "m")
    loaded = isthmus.load(tmp_path / "m")
    assert loaded.columns == model.schema_
    same(loaded, taken, frame)
    same(clone(taken).fit(other), taken, frame)


HOSTILE = [
    lambda s: s["columns"].clear(),
    lambda s: s["columns"].append(s["columns"][0]),
    lambda s: s["columns"].pop(),
    lambda s: s["columns"][2].update(levels=["x"] * 3),
    lambda s: s["columns"][2].update(levels=["x" * 10**5, "y", "z"]),
    lambda s: s["columns"][2].update(levels=list(range(10**5))),
    lambda s: s["columns"][2].update(levels=[{"a": 1}, 2, 3]),
    lambda s: s["columns"][2].update(levels="Ulm"),
    lambda s: s["columns"][2].update(other="yes"),
    lambda s: s["columns"][0].update(kind="object"),
    lambda s: s["columns"][0].update(kind="category"),
    lambda s: s["columns"][0].update(low=float("inf")),
    lambda s: s["columns"][0].update(low=1e400, high=0),
    lambda s: s["columns"][0].update(name=5),
    lambda s: s["columns"][0].update(more=5),
    lambda s: s["columns"][4].update(dtype="Datetime(us, Nowhere/Never)"),
    lambda s: s["columns"][4].update(dtype="Datetime(" + "(" * 5000),
    lambda s: s["columns"][4].update(cycles=["month"]),
    lambda s: s["columns"][4].update(cycles=[]),
    lambda s: s.update(columns={"a": 1}),
    lambda s: s.update(columns=[None]),
]


@pytest.mark.parametrize("change", HOSTILE)
def test_a_hostile_schema_is_refused(saved, change, tmp_path):
    arrays, meta = read_tensors(saved)
    change(meta["fitted"]["table"]["schema"])
    write_tensors(tmp_path / "m", arrays, meta)
    with pytest.raises(ModelFileError):
        isthmus.load(tmp_path / "m")


@pytest.mark.parametrize(
    "change",
    [
        lambda a, m: m["fitted"]["table"].update(marked=[9]),
        lambda a, m: m["fitted"]["table"].update(marked=[2, 1]),
        lambda a, m: m["fitted"]["table"].update(marked=[]),
        lambda a, m: m["fitted"].update(table=[]),
        lambda a, m: m["fitted"].update(n_features_in=4),
        lambda a, m: m["fitted"].update(sample_shape=[5]),
        lambda a, m: m["fitted"].pop("table"),
        lambda a, m: m.update(columns={"kinds": {"age": "anything"}}),
        lambda a, m: m.update(columns={"kinds": 5}),
        lambda a, m: m.update(columns={"schema": {}}),
        lambda a, m: m.update(column_weights={"pay": -1.0}),
        lambda a, m: m.update(column_weights={"pay": "2"}),
        lambda a, m: a.update({"table.price": -a["table.price"]}),
        lambda a, m: a.update({"table.scale": a["table.scale"][1:]}),
        lambda a, m: a.pop("table.constant"),
    ],
)
def test_what_does_not_fit_a_table_is_refused(saved, change, tmp_path):
    arrays, meta = read_tensors(saved)
    change(arrays, meta)
    write_tensors(tmp_path / "m", arrays, meta)
    with pytest.raises(ModelFileError):
        isthmus.load(tmp_path / "m")


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "m"
    model.save(path)
    return path


# -- going on ------------------------------------------------------------------------------------------


def test_partial_fit_keeps_its_first_schema(frame, tmp_path):
    later = people(40, seed=2).assign(town="Rom").drop(columns="day").assign(day=pd.NaT)
    model = Autoencoder(2, random_state=0).partial_fit(frame)
    first, loss = model.schema_, model.fitted_.model.mixed
    model.save(tmp_path / "m", resume=True)
    loaded = isthmus.load(tmp_path / "m")
    for ae in (model, loaded):
        ae.partial_fit(later)
        assert ae.schema_ == first
        assert ae.fitted_.model.mixed == loss
    same(loaded, model, frame)


def test_a_fit_that_goes_on_after_a_file_is_the_uninterrupted_one(model, frame, tmp_path):
    def stop(row):
        raise KeyboardInterrupt

    whole = clone(model).set_params(max_epochs=120, early_stopping=True).fit(frame)
    half = clone(whole).set_params(warm_start=True)
    with pytest.raises(KeyboardInterrupt):
        half.fit(frame, on_epoch=stop)
    half.save(tmp_path / "m", resume=True)
    loaded = isthmus.load(tmp_path / "m")
    assert 0 < loaded.unfinished_epochs < whole.n_iter_
    same(loaded.fit(frame), whole, frame)
    other = isthmus.load(tmp_path / "m").set_params(column_weights=None).fit(frame)
    assert other.fitted_.model.mixed != whole.fitted_.model.mixed
    assert other.history_["loss"][0] != whole.history_["loss"][0]  # another equation, begun anew


def test_warm_start_keeps_its_schema(frame):
    model = Autoencoder(**SMALL, warm_start=True).fit(frame)
    first = model.schema_
    assert model.fit(frame[::-1].assign(town="Bonn")).schema_ == first


def test_weights_of_another_model_mean_the_levels_that_it_knows(model, frame):
    turned = frame[frame.town != "Ulm"].reset_index(drop=True)  # another level is the most frequent
    fine = Autoencoder(**SMALL).fit(turned, init=model)
    assert fine.schema_ == model.schema_
    with pytest.raises(ValueError, match="'category', and the model to start from takes it for 'n"):
        Autoencoder(**SMALL, columns={"age": "category"}).fit(frame, init=model)
    with pytest.raises(ValueError, match="X lacks the column 'day'"):
        Autoencoder(**SMALL).fit(frame.drop(columns="day"), init=model)


# -- weights -------------------------------------------------------------------------------------------


def test_a_weight_of_2_is_a_row_twice(frame):
    weight = np.where(np.arange(len(frame)) < 20, 2.0, 1.0)
    twice = pd.concat([frame, frame[:20]], ignore_index=True)
    settings = {**SMALL, "corruption": None, "early_stopping": False, "batch_size": 100}
    once = Autoencoder(**settings).fit(frame, sample_weight=weight)
    double = Autoencoder(**settings).fit(twice)
    a, b = (ae.fitted_.model for ae in (once, double))
    for name in ("price", "share", "constant", "centre", "scale"):
        np.testing.assert_allclose(*(getattr(m.mixed, name) for m in (a, b)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(once.score_samples(frame), double.score_samples(frame), rtol=1e-3)
    assert once.score(frame, sample_weight=weight) == pytest.approx(once.score(twice))


# -- in front ------------------------------------------------------------------------------------------


def test_names_are_kept_behind_a_column_transformer(frame):
    front = make_column_transformer(
        (FunctionTransformer(np.log1p, feature_names_out="one-to-one"), ["age"]),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    pipe = make_pipeline(front, Autoencoder(**SMALL)).fit(frame)
    assert [c.name for c in pipe[-1].schema_.columns] == ["age", "pay", "town", "ok", "day"]
    assert pipe.transform(frame).shape == (60, 2)
    assert np.isfinite(pipe.score(frame))


def test_other_libraries_frames_give_the_same_codes(model, frame):
    codes = model.transform(frame)
    polars = pl.from_pandas(frame)
    np.testing.assert_array_equal(model.transform(polars), codes)
    np.testing.assert_array_equal(model.transform(polars.to_arrow()), codes)
    np.testing.assert_array_equal(model.transform(frame[frame.columns[::-1]]), codes)


def test_rows_without_any_cell_have_codes_and_no_score(frame):
    none = frame[:1].mask(np.ones((1, frame.shape[1]), bool))
    with pytest.warns(UserWarning, match="A row has no cell that is there .* the first is row"):
        ae = Autoencoder(**SMALL).fit(pd.concat([frame, none]))
    assert np.isfinite(ae.transform(none)).all()
    assert len(ae.reconstruct(none)) == 1
    with pytest.raises(ValueError, match="Row 0 of X has no cell that is there"):
        ae.score_samples(none)


def test_numbers_may_stay_unscaled_and_dates_may_not():
    frame = people()
    with pytest.raises(
        ValueError, match=r"and the column 'day' is seconds, .* leave such columns out"
    ):
        Autoencoder(**SMALL, scaling=None).fit(frame)
    Autoencoder(**SMALL, scaling=None).fit(frame.drop(columns="day"))


@pytest.mark.parametrize(
    ("error", "layers", "says"),
    [(0.6, 1, None), (0.6, 2, "no lower than PCA's"), (1.1, 1, "no lower than the mean")],
)
def test_one_layer_that_is_level_with_pca_is_no_news_of_a_table(error, layers, says):
    baseline = {"model": error, "mean": 1.0, "pca": 0.5, "rows": "training"}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_errors(baseline, layers, overcomplete=False, of_table=True)
    assert [says in str(w.message) for w in caught] == [True] * (says is not None)


# -- what "auto" is for tables -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "architecture"), [(["age", "ok"], "dense"), (["age", "town"], "dense:hidden=[64]")]
)
def test_the_architecture_follows_the_rows(frame, columns, architecture, tmp_path):
    X = frame[columns].fillna("none") if "town" in columns else frame[columns].astype(float)
    ae = Autoencoder(**SMALL).fit(X)
    given = Autoencoder(**SMALL, architecture=architecture).fit(X)
    np.testing.assert_array_equal(ae.transform(X), given.transform(X))
    assert ae.architecture == clone(ae).architecture == "auto"
    ae.save(tmp_path / "m")
    again = clone(isthmus.load(tmp_path / "m")).fit(X)
    np.testing.assert_array_equal(again.transform(X), ae.transform(X))


def test_parameters_of_the_architecture_can_be_set_before_rows_are_seen():
    ae = Autoencoder().set_params(architecture__hidden=[8])
    assert ae.architecture.to_string() == "dense:hidden=[8]"
    with pytest.raises(ValueError, match="The sparsity cannot|Unknown sparsity"):
        Autoencoder(sparsity="auto").fit(np.eye(5))


def test_the_file_of_a_detector_keeps_what_its_autoencoder_stood_for(frame, tmp_path):
    detector = isthmus.OutlierDetector(Autoencoder(**SMALL), n_estimators=1, random_state=0)
    detector.fit(frame).save(tmp_path / "d")
    again = clone(isthmus.load(tmp_path / "d")).fit(frame)
    np.testing.assert_array_equal(again.score_samples(frame), detector.score_samples(frame))
