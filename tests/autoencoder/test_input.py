"""Bad input: one clear sentence each, with what, where, the value and what to do."""

import re

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import coo_array, csr_matrix
from sklearn import clone, config_context
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.preprocessing import QuantileTransformer, StandardScaler

import isthmus
from isthmus import Autoencoder, OutlierDetector


@pytest.fixture(scope="module")
def fitted():
    X = pd.DataFrame(
        np.random.default_rng(0).normal(size=(50, 3)), columns=["age", "income", "debt"]
    )
    return Autoencoder(2, max_epochs=2, random_state=0).fit(X), X


def spoil(X, row, column, value):
    X = X.copy()
    X.iloc[row, column] = value
    return X


@pytest.mark.parametrize("method", ["transform", "score_samples", "reconstruct", "partial_fit"])
def test_nan_and_infinity_name_the_columns(fitted, method):
    ae, X = fitted
    with pytest.raises(
        ValueError, match=r"contains NaN in column 'income' \(1 cells, the first in row 7"
    ):
        getattr(ae, method)(spoil(X, 7, 1, np.nan))
    with pytest.raises(ValueError, match=r"contains infinity in column 'age' .*drop or fill"):
        getattr(ae, method)(spoil(X, 3, 0, -np.inf))
    both = spoil(spoil(X, 2, 0, np.nan), 1, 2, np.nan)
    with pytest.raises(ValueError, match=r"columns 'age', 'debt' \(2 cells, the first in row 1"):
        getattr(ae, method)(both)
    plain = Autoencoder(2, max_epochs=1).fit(X.to_numpy())
    with pytest.raises(ValueError, match=r"NaN in column 1 "):
        plain.transform(spoil(X, 7, 1, np.nan).to_numpy())
    with pytest.raises(ValueError, match=r"'age' holds inf in row 3: make it a number"):
        Autoencoder().fit(spoil(both, 3, 0, np.inf))


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([["a", "b"]] * 30, ValueError, "text in the columns 0, 1 .*: give a DataFrame"),
        (np.empty((0, 3)), ValueError, r"Found array with 0 sample\(s\)"),
        (np.empty((5, 0)), ValueError, r"0 feature\(s\)"),
        (np.ones(5), ValueError, "Expected 2D array, got 1D array"),
        (np.ones((5, 2)) * 1j, ValueError, "Complex data not supported"),
        (
            np.array([["2020-01-01"]] * 4, dtype="M8[D]"),
            ValueError,
            "dates or times in the column 0",
        ),
    ],
)
def test_things_that_are_no_rows(X, error, message):
    with pytest.raises(error, match=message):
        Autoencoder(max_epochs=1).fit(X)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_width_and_names_at_transform(fitted):
    ae, X = fitted
    with pytest.raises(
        ValueError, match="X has 2 features, but Autoencoder is expecting 3 features"
    ):
        ae.transform(X.to_numpy()[:, :2])
    with pytest.raises(ValueError, match="feature names should match"):
        ae.transform(X.rename(columns={"age": "years"}))
    with pytest.raises(ValueError, match="X has 3 columns, but the codes of this model have 2"):
        ae.inverse_transform(X.to_numpy())
    with pytest.raises(NotFittedError):
        Autoencoder().transform(X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_components": 0}, "n_components must be a whole number of at least 1; got 0"),
        ({"n_components": 2.5}, "n_components must be a whole number of at least 1; got 2.5"),
        ({"n_components": True}, "got True"),
        ({"max_epochs": 0}, "max_epochs must be 'auto' or a whole number of at least 1; got 0"),
        ({"max_epochs": "many"}, "got 'many'"),
        ({"batch_size": -3}, "batch_size must be 'auto' or a whole number of at least 1; got -3"),
        ({"learning_rate": 0}, r"learning_rate must be a number in \(0, inf\); got 0"),
        ({"learning_rate": "fast"}, "got 'fast'"),
        ({"validation_fraction": 1.0}, r"must be a number in \(0, 1\); got 1.0"),
        ({"n_iter_no_change": 0}, "n_iter_no_change must be"),
        ({"tol": -1}, "tol must be"),
        ({"early_stopping": "yes"}, "early_stopping must be one of 'auto', True, False; got 'yes'"),
        (
            {"pretrain": "greedy"},
            "pretrain must be None, 'layerwise' or the number of epochs .* got 'greedy'",
        ),
        ({"dtype": "float16"}, "dtype must be one of 'float32', 'float64'; got 'float16'"),
        ({"scaling": "none"}, "got 'none'. For none write None, without quotes."),
        ({"pretrain": "none"}, "got 'none'. For none write None, without quotes."),
        ({"freeze": "none"}, "got 'none'. For none write None, without quotes."),
        ({"scaling": "standart"}, "scaling must be 'auto', 'standard'.*got 'standart'"),
        ({"scaling": 3}, "transformer with fit, transform and inverse_transform; got 3"),
        ({"random_state": -1}, "random_state must be None, a whole number"),
        ({"sparsity": "topkk"}, r"Unknown sparsity 'topkk'. Did you mean 'topk'\?"),
        ({"loss": None}, "loss cannot be None. Known: bce"),
        ({"sparsity": "topk:k=9"}, "needs k to be at most n_components=2; got k=9"),
        (
            {"sparsity": "kl", "architecture": "dense:activation=relu"},
            r"needs a code with a bounded activation \(sigmoid or tanh\).*got 'relu'.*'l1' or 'topk'",
        ),
        (
            {"sparsity": "kl", "architecture": "dense:hidden=[4],code_activation=identity"},
            "bounded",
        ),
        (
            {"loss": "bce"},
            r"loss 'bce' needs data in \[0, 1\]; got values from -.*scaling='minmax'",
        ),
        ({"loss": "poisson"}, "loss 'poisson' needs data of at least 0; got values from -"),
        (
            {"architecture": "dense:output=sigmoid", "scaling": "standard"},
            r"output 'sigmoid' lies in \[0, 1\], but the scaled data go from .*use scaling='minmax'",
        ),
        ({"corruption": lambda x: x}, "corruption .* is called as function"),
        ({"loss": lambda x_out, x: x_out - x}, r"must return an array of shape \(4,\) for 4 rows"),
        ({"corruption": lambda key, x: x[:, :1]}, r"must return an array of shape \(4, 3\)"),
    ],
)
def test_parameters_out_of_range(fitted, params, message):
    _, X = fitted
    ae = Autoencoder(**params)
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        ae.fit(X)
    assert "\n" not in str(caught.value)
    assert not hasattr(ae, "net_")  # nothing half-fitted


def test_sample_weights_out_of_range(fitted):
    _, X = fitted
    ae = Autoencoder(max_epochs=1)
    with pytest.raises(ValueError, match="at least one non-zero"):
        ae.fit(X, sample_weight=np.zeros(50))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        ae.fit(X, sample_weight=-np.ones(50))
    with pytest.raises(ValueError, match="sample_weight"):
        ae.fit(X, sample_weight=np.ones(49))


def test_one_row_and_one_column():
    with pytest.raises(
        ValueError, match=r"Found array with 1 sample\(s\) .* minimum of 2 is required"
    ):
        Autoencoder(1).fit(np.ones((1, 3)))
    ae = Autoencoder(1, max_epochs=1).fit(np.arange(9.0)[:, None])
    assert ae.transform([[1.0]]).shape == (1, 1)


def test_equal_rows_have_nothing_to_learn():
    with pytest.warns(ConvergenceWarning, match="All rows are equal: there is nothing to learn"):
        ae = Autoencoder(1, max_epochs=3).fit(np.full((50, 3), 7.0))
    assert ae.score(np.full((50, 3), 7.0)) in (0.0, 1.0)


def test_warnings_point_to_the_users_line(digits):
    with pytest.warns(ConvergenceWarning) as caught:
        Autoencoder(70, max_epochs=1, learning_rate=1e-9).fit(digits)
    assert {warning.filename for warning in caught} == {__file__}


def test_scalings_that_change_the_width_are_refused(fitted):
    from sklearn.decomposition import PCA

    with pytest.raises(ValueError, match=r"makes 2 columns of 3: it must keep their number"):
        Autoencoder(scaling=PCA(2), max_epochs=1).fit(fitted[1])


def test_layers_by_number(fitted):
    _, X = fitted
    ae = Autoencoder(2, "dense:hidden=[8,5]", max_epochs=1, random_state=0).fit(X)
    assert [ae.encode(X, layer=i).shape[1] for i in (1, 2, 3, None, -1, -3)] == [8, 5, 2, 2, 2, 8]
    np.testing.assert_array_equal(ae.encode(X, layer=3), ae.transform(X))
    for bad in (0, 4, -4, 1.5, "code"):
        with pytest.raises(ValueError, match="layer must be from 1 to 3"):
            ae.encode(X, layer=bad)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i4", "u1", "u2", ">f8", "?", "O"])
def test_kinds_of_numbers(dtype):
    X = (np.random.default_rng(0).uniform(0, 2, (40, 3))).astype(dtype)
    ae = Autoencoder(2, max_epochs=2, random_state=0).fit(X)
    assert ae.transform(X).dtype == np.float32
    assert np.isfinite(ae.reconstruct(X)).all()


def test_layouts_give_the_same_bits():
    X = np.random.default_rng(0).normal(size=(40, 6))
    ae = Autoencoder(2, max_epochs=2, random_state=0).fit(X)
    frozen = X.copy()
    frozen.flags.writeable = False
    for layout in (np.asfortranarray(X), X[::-1][::-1], frozen, np.repeat(X, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(ae.transform(layout), ae.transform(X))
        again = Autoencoder(2, max_epochs=2, random_state=0).fit(layout)
        np.testing.assert_array_equal(again.transform(X), ae.transform(X))


def test_input_is_not_changed():
    X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
    kept = X.copy()
    ae = Autoencoder(2, scaling=None, max_epochs=3, random_state=0).fit(X)
    ae.reconstruct(X)
    np.testing.assert_array_equal(X, kept)


@pytest.mark.parametrize("n", [1, 7, 129, 1500])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_rows_result_does_not_depend_on_the_rows_with_it(n, dtype):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500, 9))
    ae = Autoencoder(3, "dense:hidden=[40]", max_epochs=1, random_state=0, dtype=dtype).fit(X)
    order = rng.permutation(1500)
    for method in (ae.transform, ae.reconstruct, ae.score_samples):
        whole = method(X)
        np.testing.assert_array_equal(method(X[order]), whole[order])
        parts = [method(X[i : i + n]) for i in range(0, 1500, n)[:40]]
        np.testing.assert_array_equal(np.concatenate(parts), whole[: sum(map(len, parts))])


def test_frames_keep_names_and_outputs_can_be_frames(fitted):
    ae, X = fitted
    assert list(ae.feature_names_in_) == ["age", "income", "debt"]
    assert list(ae.get_feature_names_out()) == ["autoencoder0", "autoencoder1"]
    framed = Autoencoder(2, max_epochs=1).set_output(transform="pandas").fit_transform(X)
    assert list(framed.columns) == ["autoencoder0", "autoencoder1"]
    polars = Autoencoder(2, max_epochs=1).set_output(transform="polars").fit(pl.from_pandas(X))
    assert isinstance(polars.transform(pl.from_pandas(X)), pl.DataFrame)
    assert list(polars.feature_names_in_) == ["age", "income", "debt"]


def test_images_keep_their_shape(digits):
    images = digits[:200].reshape(-1, 8, 8)
    ae = Autoencoder(4, max_epochs=2, random_state=0).fit(images)
    assert ae.scaling_ == "range"
    assert ae.net_.output == "sigmoid"
    assert ae.reconstruct(images).shape == images.shape
    assert ae.inverse_transform(ae.transform(images)).shape == images.shape
    np.testing.assert_array_equal(ae.transform(images), ae.transform(digits[:200]))
    with pytest.raises(ValueError, match=r"shape \(4, 16\), but .* \(8, 8\)\. Noisy images"):
        ae.transform(images.reshape(-1, 4, 16))


# -- scaling --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scaling",
    [
        "auto",
        "standard",
        "minmax",
        "robust",
        "range",
        None,
        StandardScaler(),
        QuantileTransformer(n_quantiles=20),
    ],
)
def test_scalings_come_back_to_the_datas_units(scaling):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)) * [1e-3, 1.0, 1e6] + [0, 5, -1e7]
    ae = Autoencoder(3, scaling=scaling, max_epochs=1, random_state=0)
    if scaling == "range" or scaling is None:
        X = (X - X.mean(0)) / X.std(0)
    ae.fit(X)
    scaled = ae.scaler_.forward(X, "float64")
    np.testing.assert_allclose(ae.scaler_.inverse(scaled), X, rtol=1e-6)
    if scaling in ("minmax", "range"):
        assert scaled.min() > -0.5
        assert scaled.max() < 1.5


def test_units_do_not_matter_to_scores():
    X = np.random.default_rng(0).normal(size=(60, 3)) ** 3
    a, b = (Autoencoder(2, max_epochs=3, random_state=0).fit(Y) for Y in (X, X * [1e-6, 1, 1e9]))
    np.testing.assert_allclose(a.score_samples(X), b.score_samples(X * [1e-6, 1, 1e9]), rtol=1e-4)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust", "range"])
def test_constant_columns_are_harmless(scaling):
    X = np.column_stack([np.full(50, 1e9), np.zeros(50), np.arange(50.0), np.full(50, 0.1)])
    ae = Autoencoder(1, scaling=scaling, max_epochs=3, random_state=0).fit(X)
    assert np.isfinite(ae.score_samples(X)).all()
    assert np.isfinite(ae.reconstruct(X)).all()
    every = Autoencoder(1, scaling=scaling, max_epochs=3).fit(np.full((50, 2), 7.0))
    assert np.isfinite(every.score_samples(np.full((2, 2), 8.0))).all()


def test_nearly_constant_columns_do_not_blow_up():
    X = np.random.default_rng(0).normal(size=(5000, 5))
    X[:, 0] = 0
    X[17, 0] = 1.0
    scaled = Autoencoder(2, max_epochs=1, random_state=0).fit(X).scaler_.forward(X, "float64")
    assert np.abs(scaled).max() < 150


def test_huge_values_are_refused_before_they_overflow():
    X = np.random.default_rng(0).normal(size=(20, 2))
    message = r"Column 1 of X, scaled, is too large for dtype float32, which ends at 3.4e\+38: "
    with pytest.raises(ValueError, match=message + r"1.*e\+299 in row 0; use dtype='float64'"):
        Autoencoder(scaling=None, max_epochs=1).fit(np.abs(X) * [1, 1e300])
    assert np.isfinite(
        Autoencoder(max_epochs=2).fit(X * [1, 1e150]).score_samples(X * [1, 1e150])
    ).all()


@pytest.mark.parametrize("value", [1e39, -1e300])
@pytest.mark.parametrize(
    "method", ["transform", "score_samples", "score", "reconstruct", "encode", "partial_fit"]
)
def test_values_beyond_the_precision_are_named(fitted, method, value):
    ae, X = fitted
    message = (
        rf"Column 'debt' of X, scaled, .* {re.escape(f'{value:g}')} in row 7; use dtype='float"
    )
    with pytest.raises(ValueError, match=message):
        getattr(ae, method)(spoil(X, 7, 2, value))
    with pytest.raises(ValueError, match="X has values beyond 3.4e\\+38, where dtype float32 ends"):
        ae.inverse_transform([[0.0, value]])


def test_values_beyond_the_precision_are_named_by_detectors_and_transformers(fitted):
    _, X = fitted
    small = Autoencoder(2, max_epochs=1, random_state=0)
    detector = OutlierDetector(small, n_estimators=2, random_state=0).fit(X)
    for method in (detector.score_samples, detector.predict, detector.explain):
        with pytest.raises(ValueError, match=r"'age' of X, scaled.* 1e\+39 in row 3"):
            method(spoil(X, 3, 0, 1e39))
    wrapped = Autoencoder(2, scaling=QuantileTransformer(n_quantiles=9), max_epochs=1).fit(X)
    assert np.isfinite(wrapped.score_samples(spoil(X, 3, 0, 1e39))).all()
    tiny = Autoencoder(2, max_epochs=1).fit(X * 1e-100)
    with pytest.raises(ValueError, match=r"'age' of X, scaled.* in row 0; use dtype"):
        tiny.transform(X)
    double = Autoencoder(2, dtype="float64", max_epochs=1).fit(X)
    assert np.isfinite(double.transform(spoil(X, 3, 0, 1e39))).all()


# -- honesty --------------------------------------------------------------------------------------


def test_a_model_worse_than_the_mean_says_so(digits):
    with pytest.warns(ConvergenceWarning, match="no lower than the mean predictor's"):
        Autoencoder(2, max_epochs=1, learning_rate=1e-9, random_state=0).fit(digits)


def test_a_model_worse_than_pca_says_so(digits):
    with pytest.warns(ConvergenceWarning, match="above PCA's of the same width.*hidden layers"):
        Autoencoder(20, max_epochs=10, random_state=0).fit(digits)
    with pytest.warns(ConvergenceWarning, match="no lower than PCA's of the same width"):
        Autoencoder(20, "dense:hidden=[30]", max_epochs=5, random_state=0).fit(digits)


def test_a_good_model_is_silent(digits, recwarn):
    Autoencoder(8, "dense:hidden=[64]", random_state=0).fit(digits)
    assert not recwarn.list


def test_a_collapsed_code_and_dead_units_say_so(digits):
    with pytest.warns(ConvergenceWarning, match="The code has collapsed"):
        Autoencoder(
            2,
            sparsity="l1:weight=1e4",
            max_epochs=300,
            learning_rate=0.1,
            architecture="dense:activation=relu",
            random_state=0,
        ).fit(digits)
    with pytest.warns(ConvergenceWarning, match=r"\d+ of 400 code units are dead"):
        Autoencoder(400, sparsity="topk:k=1", max_epochs=5, random_state=0).fit(digits)


def test_baselines_in_both_units(digits):
    ae = Autoencoder(4, random_state=0, early_stopping=False, max_epochs=5).fit(digits)
    variance = digits.var(axis=0)
    assert ae.baseline_["rows"] == "training"
    assert ae.baseline_["mean_raw"] == pytest.approx(variance.mean())
    scaled = ae.scaler_.forward(digits, "float64")
    assert ae.baseline_["mean"] == pytest.approx(scaled.var(axis=0).mean(), rel=1e-5)
    assert ae.baseline_["model"] == pytest.approx(-ae.score_samples(digits).mean(), rel=1e-5)
    assert ae.score(digits) == pytest.approx(
        1 - ae.baseline_["model"] / ae.baseline_["mean"], rel=1e-5
    )


def test_summary_names_layers_parameters_terms_and_baselines(digits):
    ae = Autoencoder(4, "dense:hidden=[9],tied=true", sparsity="l1", max_epochs=2).fit(digits)
    text = ae.summary()
    for part in (
        "64 -> 9",
        "9 -> 4",
        "(tied)",
        "l1",
        "parameters",
        "reconstruction",
        "PCA",
        "mean",
    ):
        assert part in text
    assert f"{ae.n_parameters_:,} parameters" in text
    assert ae.n_parameters_ == 64 * 9 + 9 * 4 + 9 + 4 + 9 + 64


# -- arrays of other libraries -----------------------------------------------------------------------


@pytest.mark.parametrize("dispatch", [False, True])
def test_arrays_of_other_libraries(dispatch, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # without which scikit-learn refuses the dispatch
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    X, weight = jnp.asarray(rows), jnp.ones(40)
    settings = {"max_epochs": 1, "random_state": 0}
    plain = Autoencoder(2, **settings).fit(rows)
    with config_context(array_api_dispatch=dispatch):
        ae = Autoencoder(2, **settings).fit(X, sample_weight=weight)
        codes = ae.transform(X)
        np.testing.assert_array_equal(codes, plain.transform(rows))
        np.testing.assert_array_equal(
            ae.inverse_transform(X=jnp.asarray(codes)), ae.reconstruct(rows)
        )
        assert ae.score(X, sample_weight=weight) == ae.score(rows)
        ae.partial_fit(X)


@pytest.mark.parametrize(
    "architecture",
    [
        "dense:hidden=[4,1],norm=layer",
        "conv:channels=[1,3],norm=layer",
        "conv1d:channels=[1,2],norm=layer",
    ],
)
def test_a_layer_that_normalisation_makes_constant_is_refused(architecture):
    X = np.random.default_rng(0).random((40, 6, 1) if "1d" in architecture else (40, 8, 8))
    with pytest.raises(ValueError, match="norm='layer' with a layer of one unit or map, which"):
        Autoencoder(2, architecture, max_epochs=1).fit(X)


SPARSE = {
    "autoencoder": Autoencoder(2, max_epochs=2, random_state=0),
    "detector": OutlierDetector(Autoencoder(2, max_epochs=2), n_estimators=2, random_state=0),
}


@pytest.mark.parametrize("name", SPARSE)
def test_sparse_rows_are_rows(name):
    rows = np.random.default_rng(0).integers(0, 2, (60, 5)) * 1.5
    sparse, dense = (clone(SPARSE[name]).fit(X) for X in (csr_matrix(rows), rows))
    assert_array_equal(sparse.score_samples(coo_array(rows)), dense.score_samples(rows))


def test_sparse_rows_that_memory_cannot_hold_are_refused():
    X = csr_matrix((300_000, 2_000))
    with pytest.raises(
        ValueError, match=r"would take 4\.8 GB with their zeros, more than 2\.1 GB: give"
    ):
        SPARSE["autoencoder"].fit(X)


@pytest.mark.parametrize("estimator", [Autoencoder(2), OutlierDetector()])
def test_one_row_that_counts_is_too_few(estimator):
    weight = np.eye(1, 20).ravel()
    with pytest.raises(
        ValueError, match="sample_weight is above 0 for 1 of 20 rows, and a fit takes 2"
    ):
        estimator.fit(np.random.default_rng(0).normal(size=(20, 3)), sample_weight=weight)


def test_auto_takes_no_parameters():
    with pytest.raises(
        ValueError, match=r"'auto' takes no parameters, and got 'auto:hidden=\[3\]': n"
    ):
        Autoencoder(2, "auto:hidden=[3]").fit(np.eye(4))


NO_MODELS = {
    "explain": lambda model: isthmus.explain(model, np.eye(4)),
    "embed": lambda model: isthmus.embed(model, np.eye(4)),
    "Monitor": isthmus.Monitor,
    "Scorer": isthmus.scale.Scorer,
    "tune": lambda model: isthmus.tune(model, {"n_components": [1]}, np.eye(4)),
    "compare": lambda model: isthmus.compare(model, np.eye(4), [0, 1, 0, 1]),
    "Report": lambda model: isthmus.Report(model, np.eye(4)),
}


@pytest.mark.parametrize("name", NO_MODELS)
@pytest.mark.parametrize("model", [KMeans, np.eye(4), 3])
def test_what_is_no_model_is_refused_in_one_sentence(name, model):
    with pytest.raises(TypeError, match=r"takes|give|must be|is about|among|is a class"):
        NO_MODELS[name](model)


@pytest.mark.parametrize("name", ["explain", "embed", "Monitor"])
def test_a_model_that_is_not_fitted_is_refused(name):
    with pytest.raises(NotFittedError):
        NO_MODELS[name](OutlierDetector())
