"""Models in MLflow: stored as safe files, and by MLflow's own flavour with trusted types.

`make test-scale` installs MLflow and runs this; elsewhere all but the list of types is skipped.
"""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import isthmus.mlflow
from isthmus import Autoencoder, OutlierDetector

ROOT = Path(__file__).parents[1]
QUICK = {"max_epochs": 2, "random_state": 0}
needs_mlflow = pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def models():
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)), columns=list("abcd"))
    days = pd.date_range("2024-01-01", periods=60)
    mixed = pd.DataFrame({"a": X["a"], "k": ["u", "v"] * 30, "d": days})
    small, held = Autoencoder(2, **QUICK), {"contamination": "none", "calibration_fraction": 0.5}
    conv = Autoencoder(2, "conv:channels=[2],norm=layer", sparsity="topk:k=1", **QUICK)
    return {
        "numbers": (small.fit(X), X),
        "mixed": (Autoencoder(2, early_stopping=True, **QUICK).fit(mixed), mixed),
        "cosine": (Autoencoder(2, loss="cosine", penalty="l2", **QUICK).fit(X), X),
        "images": (conv.fit(X.to_numpy().repeat(4, axis=1).reshape(60, 4, 4)), None),
        "detector": (OutlierDetector(small, n_estimators=2, random_state=0).fit(X), X),
        "held": (OutlierDetector(small, n_estimators=2, random_state=0, **held).fit(mixed), mixed),
    }


@pytest.fixture
def tracking(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    return pytest.importorskip("mlflow")


def test_trusted_types_are_ours_or_two_of_polars():
    names = isthmus.mlflow.skops_trusted_types()
    assert [n for n in names if not n.startswith("isthmus.")] == isthmus.mlflow.LEVELS
    for name in names:
        module, _, cls = name.rpartition(".")
        assert hasattr(__import__(module, fromlist=[cls]), cls), name


@pytest.mark.skipif(find_spec("skops") is None, reason="skops is not installed")
@pytest.mark.parametrize("name", ["numbers", "mixed", "cosine", "images", "detector", "held"])
def test_all_that_models_are_made_of_is_in_the_list(models, name):
    import skops.io

    model, rows = models[name]
    content = skops.io.dumps(model)
    untrusted = skops.io.get_untrusted_types(data=content)
    assert set(untrusted) <= set(isthmus.mlflow.skops_trusted_types())
    again = skops.io.loads(content, trusted=untrusted)
    if rows is not None:
        np.testing.assert_array_equal(again.score_samples(rows), model.score_samples(rows))


@needs_mlflow
@pytest.mark.parametrize("name", ["numbers", "mixed", "cosine", "detector", "held"])
def test_a_saved_model_judges_rows(models, tracking, name):
    model, rows = models[name]
    isthmus.mlflow.save_model(model, "saved")
    stored = [path.name for path in Path("saved").rglob("*") if path.is_file()]
    assert "model.isthmus" in stored
    assert not [file for file in stored if file.endswith((".pkl", ".pickle", ".skops"))]
    rows = rows.set_index(pd.Index(range(5, 65)))
    found = tracking.pyfunc.load_model("saved").predict(rows)
    np.testing.assert_array_equal(found["score"], model.score_samples(rows))
    assert found.index.equals(rows.index)
    reasons = [column for column in found if column.startswith("because")]
    assert len(reasons) == (0 if name == "cosine" else 3)
    if reasons:
        said = found["because1"].astype(object).where(found["because1"].notna(), None)
        assert list(said) == list(model.explain(rows).reasons(3)[:, 0])
    decides = isinstance(model, OutlierDetector)
    assert ("outlier" in found) == decides
    if decides:
        np.testing.assert_array_equal(found["outlier"], model.predict(rows) == -1)
    again = isthmus.mlflow.load_model("saved")
    np.testing.assert_array_equal(again.score_samples(rows), model.score_samples(rows))


@needs_mlflow
def test_a_logged_model_is_found_by_its_uri(models, tracking):
    model, rows = models["detector"]
    info = isthmus.mlflow.log_model(model, name="outliers", input_example=rows[:2])
    again = isthmus.mlflow.load_model(info.model_uri)
    np.testing.assert_array_equal(again.score_samples(rows), model.score_samples(rows))
    assert [column.name for column in info.signature.outputs] == [
        "score", "outlier", "because1", "because2", "because3",
    ]  # fmt: skip


@needs_mlflow
def test_what_isthmus_did_not_store_is_refused(tracking):
    from sklearn.linear_model import LinearRegression

    tracking.sklearn.save_model(LinearRegression().fit([[0], [1]], [0, 1]), "other")
    with pytest.raises(ValueError, match=r"other was not stored by isthmus\.mlflow"):
        isthmus.mlflow.load_model("other")


def test_what_is_no_fitted_model_is_refused(tmp_path):
    with pytest.raises(TypeError, match="an OutlierDetector; got dict"):
        isthmus.mlflow.save_model({}, tmp_path / "saved")
    with pytest.raises(Exception, match="not fitted"):
        isthmus.mlflow.save_model(Autoencoder(), tmp_path / "saved")


@pytest.mark.skipif(find_spec("mlflow") is not None, reason="MLflow is installed")
def test_without_mlflow_an_error_says_what_to_install(models, tmp_path):
    with pytest.raises(ImportError, match="needs mlflow: pip install mlflow"):
        isthmus.mlflow.save_model(models["numbers"][0], tmp_path / "saved")


@needs_mlflow
def test_the_guide_runs(tracking):
    text = (ROOT / "docs" / "guides" / "deploy.md").read_text()
    blocks = re.findall(r"```python mlflow\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "deploy.md", "exec"), {})
