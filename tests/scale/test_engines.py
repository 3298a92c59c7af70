"""`Scorer` in the engines that it is for: the guide's examples, each in a process of its own.

`make test-scale` installs the engines and runs this; elsewhere it is skipped. What needs an engine
stands in the guide in blocks that name it.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "scale.md").read_text()
OF_ENGINES = {"PYSPARK_PYTHON": sys.executable}
BLOCKS = re.findall(r"```python (ray|dask|pyspark)\n(.*?)```", GUIDE, flags=re.DOTALL)


def test_the_guide_has_an_example_of_each_way():
    assert [engine for engine, _ in BLOCKS] == ["ray", "ray", "dask", "pyspark", "pyspark"]


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "code"), BLOCKS, ids=[engine for engine, _ in BLOCKS])
def test_engines_score_as_the_model_does(stored, tmp_path, engine, code):
    pytest.importorskip(engine)
    if engine == "pyspark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    path, model, rows = stored["numbers"]
    shutil.copy(path, tmp_path / "model.isthmus")
    rows.write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "work.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "work.py"],
        cwd=tmp_path,
        env={**os.environ, **OF_ENGINES},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    scores = pl.read_parquet(tmp_path / "scores" / "*.parquet").sort("id")
    assert scores.columns[:2] == ["id", "score"]
    np.testing.assert_array_equal(scores["id"], rows["id"])
    np.testing.assert_array_equal(scores["score"], model.score_samples(rows.drop("id")))


@pytest.mark.slow
def test_dask_finds_columns_and_takes_partitions_without_rows(stored):
    dd = pytest.importorskip("dask.dataframe")
    from isthmus.scale import Scorer

    path, _, rows = stored["numbers"]
    data = dd.from_pandas(rows.to_pandas(), npartitions=3)
    made = data[data.id < 0].map_partitions(Scorer(path, keep=["id"]))
    assert list(made.columns) == ["id", "score"]
    assert made.compute().dtypes.astype(str).to_dict() == {"id": "int64", "score": "float64"}
