"""`Scorer` takes and returns what engines hand over, and reads its file once in a process."""

import multiprocessing
import os
import pathlib
import pickle
import shutil
from datetime import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import isthmus
from isthmus import Autoencoder, ModelFileError, OutlierDetector
from isthmus.scale import PARTS, Scorer, scorer
from isthmus.scale.parts import possible


def as_mapping(frame):
    return {name: frame[name].to_numpy() for name in frame.columns}


KINDS = {
    "polars": (pl.DataFrame, lambda f: f),
    "pandas": (pd.DataFrame, lambda f: f.to_pandas().set_index(pd.Index(range(7, 7 + len(f))))),
    "arrow": (pa.Table, lambda f: f.to_arrow()),
    "records": (pa.RecordBatch, lambda f: pa.RecordBatch.from_pandas(f.to_pandas())),
    "mapping": (dict, as_mapping),
}


def in_polars(made):
    return pl.from_arrow(made) if isinstance(made, pa.RecordBatch) else pl.DataFrame(made)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "part"),
    [("mixed", "reconstruct"), ("numbers", "encode"), ("numbers", "score"), ("detector", "detect")],
)
def test_each_kind_of_rows_gives_its_kind(stored, kind, name, part):
    path, model, rows = stored[name]
    cls, made = KINDS[kind]
    scorer = Scorer(path, part, keep=["id"])
    given = made(rows)
    got = scorer(given)
    assert type(got) is cls
    expected = PARTS[part](model, rows.drop("id"))
    table = in_polars(got)
    assert table.columns == ["id", *(expected if isinstance(expected, dict) else expected.columns)]
    for column in table.columns:
        want = rows["id"] if column == "id" else expected[column]
        np.testing.assert_array_equal(table[column].to_numpy(), np.asarray(want))
    if kind == "pandas":
        assert got.index.equals(given.index)
    none = scorer(made(rows.head(0)))  # as of a partition that a filter left empty
    assert type(none) is cls
    assert in_polars(none).schema.names() == table.schema.names()
    if part != "reconstruct":
        assert in_polars(none).schema == table.schema
    assert len(in_polars(none)) == 0


@pytest.mark.parametrize("part", ["score", "encode", "reconstruct"])
def test_arrays_give_arrays(stored, part):
    for name in ("array", "images"):
        path, model, X = stored[name]
        expected = getattr(model, {"score": "score_samples", "encode": "transform"}.get(part, part))
        np.testing.assert_array_equal(Scorer(path, part)(X), expected(X))
        assert Scorer(path, part)(X[:0]).shape == (0, *expected(X).shape[1:])


def test_arrays_in_columns_are_rows(stored):
    path, model, X = stored["images"]
    batch = {"id": np.arange(20), "image": X}
    made = Scorer(path, "reconstruct", keep=["id"])(batch)
    np.testing.assert_array_equal(made["reconstruction"], model.reconstruct(X))
    path, model, X = stored["array"]
    np.testing.assert_array_equal(
        Scorer(path)({f"x{j}": X[:, j] for j in range(4)})["score"], model.score_samples(X)
    )


def test_a_detector_decides_as_predict_does(stored):
    path, model, rows = stored["detector"]
    X = rows.drop("id")
    np.testing.assert_array_equal(Scorer(path, "detect")(X)["outlier"], model.predict(X) == -1)
    np.testing.assert_array_equal(Scorer(path, "pvalues")(X)["pvalue"], model.pvalues(X))
    as_array = Scorer(path, "detect")(X.to_numpy())
    np.testing.assert_array_equal(as_array[:, 1], model.predict(X) == -1)


def test_iterators_give_iterators(stored):
    path, model, rows = stored["numbers"]
    batches = iter(rows.to_arrow().to_batches(max_chunksize=7))
    made = Scorer(path, keep=["id"])(batches)
    scores = pa.Table.from_batches(made)["score"].to_numpy()
    np.testing.assert_array_equal(scores, model.score_samples(rows.drop("id")))


def test_spawned_workers_score_by_the_path_alone(stored):
    path, model, X = stored["array"]
    scorer = Scorer(path)
    assert len(pickle.dumps(scorer)) < 500
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        made = np.concatenate(pool.map(scorer, np.array_split(X, 3)))
    np.testing.assert_array_equal(made, model.score_samples(X))


def test_a_file_is_read_once_and_again_when_it_was_replaced(stored, tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(scorer, "load", lambda path: read.append(path) or isthmus.load(path))
    path, _, X = stored["array"]
    mine = shutil.copy(path, tmp_path / "m.isthmus")
    one, other = Scorer(mine), pickle.loads(pickle.dumps(Scorer(mine, "encode")))
    for _ in range(2):
        one(X), other(X)
    assert len(read) == 1
    os.utime(mine, ns=(1, 1))
    one(X)
    assert len(read) == 2


def test_a_relative_path_is_meant_here(stored, monkeypatch, tmp_path):
    path, model, X = stored["array"]
    shutil.copy(path, tmp_path / "m.isthmus")
    monkeypatch.chdir(tmp_path)
    scorer = Scorer("m.isthmus")
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(scorer(X), model.score_samples(X))


@pytest.mark.parametrize(
    ("name", "part", "parts"),
    [
        ("numbers", "detect", "whose parts are score, encode, reconstruct"),
        ("detector", "reconstruct", "whose parts are score, encode, detect, pvalues"),
    ],
)
def test_a_part_that_a_model_has_not_is_refused(stored, name, part, parts):
    path, model, rows = stored[name]
    assert part not in possible(model)
    with pytest.raises(ModelFileError, match=f"{name}.isthmus holds .*{parts}"):
        Scorer(path, part)(rows)


def test_decisions_that_need_all_rows_are_not_made_by_some(stored, tmp_path):
    _, model, rows = stored["detector"]
    held = {"contamination": "none", "calibration_fraction": 0.5, "alpha": 0.3, "fdr": True}
    detector = OutlierDetector(model.autoencoder, n_estimators=2, random_state=0, **held)
    detector.fit(rows.drop("id")).save(tmp_path / "fdr.isthmus")
    with pytest.raises(ModelFileError, match=r"depend on all rows together.* part pvalues"):
        Scorer(tmp_path / "fdr.isthmus", "detect")(rows)


def test_an_encoder_alone_encodes(stored, tmp_path):
    _, model, X = stored["array"]
    model.save(tmp_path / "e.isthmus", part="encoder")
    np.testing.assert_array_equal(Scorer(tmp_path / "e.isthmus", "encode")(X), model.transform(X))
    with pytest.raises(ModelFileError, match="is an encoder alone"):
        Scorer(tmp_path / "e.isthmus")(X)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"part": "scores"}, ValueError, "'scores' is not known. Did you mean 'score'"),
        ({"keep": "id"}, ValueError, r"give \['id'\]"),
        ({"path": "no.isthmus"}, ModelFileError, "no.isthmus: No such file.* all machines see"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_sent(stored, settings, error, words):
    with pytest.raises(error, match=words):
        Scorer(**{"path": stored["array"].path, **settings})


def test_rows_that_lack_columns_are_refused_by_name(stored):
    path, _, rows = stored["numbers"]
    with pytest.raises(
        ValueError, match=r"lack the columns 'b', 'd', which the model was fitted on"
    ):
        Scorer(path)(rows.drop("b", "d"))
    with pytest.raises(ValueError, match="lack the column 'key', which keep names: they have 'a'"):
        Scorer(path, keep=["key"])(rows)
    with pytest.raises(ValueError, match="keep names the column 'score', which the result has"):
        Scorer(path, keep=["score"])(rows.with_columns(score=1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_worker_says_what_to_do(stored):
    path, model, X = stored["array"]
    model.transform(X)  # JAX has started
    with (
        multiprocessing.get_context("fork").Pool(1) as pool,
        pytest.raises(RuntimeError, match="'spawn' or 'forkserver'.*ONNX file"),
    ):
        pool.apply_async(Scorer(path), [X]).get(timeout=30)


@pytest.mark.parametrize("rows", [None, "rows.csv", pathlib.Path("rows.csv"), pl.LazyFrame(), 3.0])
def test_what_is_no_batch_is_refused(stored, rows):
    words = rf"Scorer takes a batch: .* got {type(rows).__name__}. Collect a LazyFrame"
    with pytest.raises(TypeError, match=words):
        Scorer(stored["array"].path)(rows)


def in_groups(rows, machine):
    return rows.with_columns(m=pl.Series(machine))


TEXTS, WHOLE = [str(i % 2) for i in range(20)], [i % 2 for i in range(20)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["groups", "detector_groups"])
def test_groups_are_found_by_the_column_that_the_file_knows(stored, kind, name):
    path, model, rows = stored[name]
    made = KINDS[kind][1]
    for part in possible(model):
        expected = PARTS[part](model, rows.drop("id"), TEXTS)
        columns = pl.DataFrame(expected)
        for machine in (TEXTS, WHOLE, pl.Series(TEXTS, dtype=pl.Categorical)):
            got = in_polars(Scorer(path, part, keep=["m"])(made(in_groups(rows, machine))))
            assert got.columns == ["m", *columns.columns]
            for column in columns.columns:
                np.testing.assert_array_equal(got[column], columns[column])
        none = in_polars(Scorer(path, part)(made(in_groups(rows, TEXTS).head(0))))
        assert (len(none), none.schema.names()) == (0, columns.columns)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_a_group_has_the_pooled_model(stored, kind):
    path, model, rows = stored["groups"]
    with pytest.warns(UserWarning, match="1 row has no group"):
        expected = model.score_samples(rows.drop("id"), [None, *TEXTS[1:]])
    for machine in ([None, *TEXTS[1:]], [None, *WHOLE[1:]]):
        given = KINDS[kind][1](in_groups(rows, machine))
        with pytest.warns(UserWarning, match="1 row has no group"):
            got = in_polars(Scorer(path)(given))
        np.testing.assert_array_equal(got["score"], expected)


def test_the_column_of_groups_is_none_of_an_array(stored):
    path, model, X = stored["array_groups"]
    batch = {"m": np.array(WHOLE), "data": X}
    expected = model.score_samples(X, TEXTS)
    np.testing.assert_array_equal(Scorer(path)(batch)["score"], expected)
    with pytest.raises(ValueError, match=r"lack the column 'm', which says the group .* no names"):
        Scorer(path)(X)
    with pytest.raises(ValueError, match=r"lack the column 'm', which says the group .* 'data'"):
        Scorer(path)({"data": X})


def test_groups_without_a_name_are_refused(stored, tmp_path):
    X, path = stored["array"].rows, tmp_path / "unnamed.isthmus"
    model = Autoencoder(2, max_epochs=2, random_state=0)
    model.fit(np.tile(X, (4, 1)), groups=TEXTS * 4).save(path)
    with pytest.raises(ModelFileError, match="for each group, and no name of the column"):
        Scorer(path)({"m": np.array(TEXTS), "data": X})


@pytest.mark.parametrize(
    ("first", "other", "kind"),
    [(3, 4, "whole"), (datetime(2020, 1, 1), datetime(2020, 1, 2), "date")],
)
def test_groups_that_are_no_texts_stay_what_they_are(stored, tmp_path, first, other, kind):
    X = np.tile(stored["array"].rows, (4, 1))
    machine = pl.Series("m", [first, other] * 40)
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(X, groups=machine)
    assert model.fleet_.keys.kind == kind
    model.save(tmp_path / "m.isthmus")
    scorer, batch = Scorer(tmp_path / "m.isthmus"), {"m": machine.to_numpy(), "data": X}
    np.testing.assert_array_equal(scorer(batch)["score"], model.score_samples(X, machine))
    assert len(scorer({name: column[:0] for name, column in batch.items()})["score"]) == 0
