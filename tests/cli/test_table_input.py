"""Tables as other programs write them, on the command line."""

import numpy as np
import pandas as pd
import pytest

from isthmus import load

FAST = ["--n-components", "1", "--max-epochs", "1", "--quiet"]


@pytest.fixture
def frame(rng):
    return pd.DataFrame(rng.normal(size=(30, 2)), columns=["a", "b"]).iloc[rng.permutation(30)]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_row_index_is_carried_and_no_feature(cli, frame, ending):
    name = f"t.{ending}"
    (frame.to_csv if ending == "csv" else frame.to_parquet)(name)
    ended = cli("fit", name, "-o", "m.isthmus", *FAST)
    assert ended.status == 0
    assert ended.err.count("is the row index that pandas writes") == 1
    assert list(load("m.isthmus").feature_names_in_) == ["a", "b"]
    assert cli("score", "m.isthmus", name, "-o", "s.csv").err == ""
    scores = pd.read_csv("s.csv", index_col=0)
    assert scores.index.to_list() == frame.index.to_list()
    assert list(scores.columns) == ["score"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_model_that_was_fitted_on_a_row_index_still_scores(cli, frame, ending):
    name, index = ("t.csv", "column_1") if ending == "csv" else ("t.parquet", "__index_level_0__")
    (frame.to_csv if ending == "csv" else frame.to_parquet)(name)
    assert cli("fit", name, "--columns", f"{index},a", "-o", "m.isthmus", *FAST).status == 0
    assert list(load("m.isthmus").feature_names_in_) == [index, "a"]
    ended = cli("score", "m.isthmus", name)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("score\n")


def test_a_decimal_mark_in_doubt_is_asked_for(cli, tmp_path):
    lines = [f"{i};{1 + i % 7}.{i:03}" for i in range(1, 41)]
    (tmp_path / "t.csv").write_text("a;b\n" + "\n".join(lines) + "\n")
    ended = cli("fit", "t.csv", "-o", "m.isthmus", *FAST)
    assert ended.status == 1
    assert "t.csv, line 2: '2.001' in the column 'b': its mark may be a decimal one" in ended.err
    for mark, size in (("point", 1), ("comma", 1000)):
        known = ["--decimal", mark]
        fitted = ["fit", "t.csv", "--test", "t.csv", "-o", f"{mark}.isthmus"]
        assert cli(*fitted, *known, *FAST).status == 0
        centre = load(f"{mark}.isthmus").scaler_.centre[1]
        assert centre == pytest.approx(4 * size, rel=0.2)
        assert cli("score", f"{mark}.isthmus", "t.csv", *known, "-o", f"{mark}.csv").status == 0
    assert np.isfinite(pd.read_csv("comma.csv").score).all()
    assert cli("fit", "t.csv", "--decimal", "dot").status == 2
