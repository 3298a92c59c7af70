"""The guide on other processes and services runs, where its packages are installed."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

TEXT = (Path(__file__).parents[1] / "docs" / "guides" / "deploy.md").read_text()
WORKERS, MLFLOW = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_spawned_workers_compute_as_in_the_guide(capsys):
    exec(compile(WORKERS, "deploy.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == "True\n"


@pytest.mark.filterwarnings("ignore")
def test_mlflow_stores_a_model_by_trusted_types(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    pytest.importorskip("skops")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    space = {}
    exec(compile(MLFLOW, "deploy.md", "exec"), space)
    X = load_iris().data
    np.testing.assert_array_equal(space["again"].transform(X), space["ae"].transform(X))
