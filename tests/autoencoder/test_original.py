"""Reasons of models behind the steps of a pipeline, in the columns that the pipeline is given."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from isthmus import Autoencoder, OutlierDetector, explain
from isthmus.report import Report

SMALL = {"n_components": 2, "max_epochs": 3, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def table(n=80):
    rng = np.random.default_rng(0)
    found = pd.DataFrame(
        {
            "age": rng.normal(40, 5, n),
            "town": rng.choice(["Ulm", "Rom", "Kiel"], n),
            "pay": rng.exponential(1000, n) + 10,
            "z": rng.normal(size=n),
        }
    )
    found.loc[3, "pay"], found.loc[5, "age"] = np.nan, 130.0
    return found


def steps():
    return make_column_transformer(
        (StandardScaler(), ["age"]),
        (OneHotEncoder(), ["town"]),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["pay"]),
        (PCA(1, svd_solver="full"), ["pay0", "z"]),
    )


@pytest.fixture(scope="module")
def fitted():
    X = table()
    X["pay0"] = X["pay"].fillna(0)
    return X, make_pipeline(steps(), Autoencoder(**SMALL)).fit(X)


def test_reasons_are_in_the_columns_that_a_pipeline_is_given(fitted):
    X, pipeline = fitted
    found = explain(pipeline, X)
    assert found.columns == ("age", "town", "pay", "pca__pca0")  # what PCA makes is of two
    np.testing.assert_allclose(
        found.contribution.sum(axis=1), -pipeline.score_samples(X), rtol=1e-5
    )
    inner = pipeline[-1].explain(pipeline[:-1].transform(X))
    np.testing.assert_allclose(
        found.contribution[:, 1], inner.contribution[:, 1:4].sum(axis=1), rtol=1e-5
    )
    assert found.observed[[3, 5], :3].tolist() == [
        [f"{X.age[3]:.4g}", X.town[3], "missing"],
        ["130", X.town[5], f"{X.pay[5]:.4g}"],
    ]
    scaler = pipeline[0].named_transformers_["standardscaler"]
    age = scaler.inverse_transform(inner.expected[:, :1]).ravel()
    shown = np.clip(age, X.age.min(), X.age.max())  # what is expected was seen
    np.testing.assert_allclose(found.expected[:, 0].astype(float), shown, rtol=1e-3)
    kinds = pipeline[0].named_transformers_["onehotencoder"].categories_[0]
    assert (found.expected[:, 1] == kinds[inner.expected[:, 1:4].argmax(axis=1)]).mean() > 0.9


def test_other_rows_tell_which_column_goes_where(fitted):
    X, pipeline = fitted
    whole, alone = explain(pipeline, X), explain(pipeline, X.iloc[5:6], known=X)
    for name in ("contribution", "observed", "expected"):
        np.testing.assert_array_equal(getattr(alone, name)[0], getattr(whole, name)[5])


@pytest.mark.parametrize("convert", [pd.DataFrame, pl.DataFrame, np.asarray])
def test_numbers_stay_numbers_in_every_library(convert):
    numbers = np.random.default_rng(0).normal(size=(40, 3)) * [1, 10, 100]
    numbers[7, 1] = 500.0
    X = convert(numbers)
    detector = OutlierDetector(SMALL, n_estimators=2, random_state=0)
    pipeline = make_pipeline(StandardScaler(), detector).fit(X)
    found = explain(pipeline, X)
    names = ("0", "1", "2") if convert is pd.DataFrame else tuple(getattr(X, "columns", ()))
    assert found.columns == (names or ("x0", "x1", "x2"))
    np.testing.assert_array_equal(found.observed, numbers)
    assert found.contribution[7].argmax() == 1
    assert found.expected[7, 1] < 100


def test_a_model_by_itself_explains_as_it_does(fitted):
    X = table()[["age", "z"]]
    ae = Autoencoder(**SMALL).fit(X)
    for model in (ae, make_pipeline(ae)):
        assert explain(model, X).columns == ("age", "z")
    np.testing.assert_array_equal(explain(ae, X).contribution, ae.explain(X).contribution)


def test_mixed_columns_behind_steps_keep_their_names():
    X = table()[["age", "town", "pay"]]
    steps = make_column_transformer((SimpleImputer(), ["age"]), remainder="passthrough")
    pipeline = make_pipeline(steps.set_output(transform="pandas"), Autoencoder(**SMALL)).fit(X)
    assert explain(pipeline, X).columns == ("age", "town", "pay")


def test_a_report_of_a_pipeline_names_the_columns_of_its_rows(fitted):
    X, pipeline = fitted
    with pytest.warns(UserWarning, match="'age' is one of the columns that the model was trained"):
        report = Report(pipeline, X, X["age"], embedding=False)
    facts = report.facts()
    first = facts["outliers"]["rows"][0]
    assert first["row"] == 5
    assert {cause["column"] for cause in first["causes"]} <= {"age", "town", "pay", "pca__pca0"}
    assert sum(cause["contribution"] for cause in first["causes"]) == pytest.approx(1)
    names = [column["name"] for column in facts["data"]["columns"]]
    assert names[:2] == ["standardscaler__age", "onehotencoder__town_Kiel"]
    assert facts["reproduce"]["models"][0]["code"].startswith("make_pipeline(ColumnTransformer(")
    assert report.sections()


def test_a_detector_beside_a_pipeline_judges_rows_as_they_were_given(fitted):
    X, pipeline = fitted
    detector = OutlierDetector(SMALL, n_estimators=2, random_state=0).fit(X)
    facts = Report(pipeline, X, detector=detector, embedding=False).facts()["outliers"]
    assert facts["by"] == "detector"
    assert facts["rows"][0]["row"] == int(detector.score_samples(X).argmin())


def test_reports_of_several_take_no_pipelines(fitted):
    X, pipeline = fitted
    with pytest.raises(TypeError, match="a Pipeline by itself"):
        Report({"a": pipeline}, X)
