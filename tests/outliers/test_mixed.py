"""Detectors on tables of mixed types: all ways to a threshold, changes of what was constant, files."""

import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus import Autoencoder, ModelFileError, OutlierDetector
from isthmus.io import read_tensors, write_tensors

SMALL = {"n_estimators": 2, "random_state": 0}
QUICK = {"max_epochs": 2, "architecture": "dense:hidden=[8]"}


def people(n=120, seed=0, **constants):
    rng = np.random.default_rng(seed)
    town = rng.choice(["Ulm", "Kiel", "Bonn"], n)
    gaps = rng.random(n) < 0.2
    table = {
        "age": rng.integers(1, 90, n).tolist(),
        "pay": [None if gap else v for gap, v in zip(gaps, rng.gamma(2, 1000, n), strict=True)],
        "town": town.tolist(),
        "ok": (town == "Ulm").tolist(),
    }
    return pl.DataFrame(table).with_columns(**{k: pl.lit(v) for k, v in constants.items()})


@pytest.fixture(scope="module")
def table():
    return people()


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"contamination": 0.1},
        {"contamination": "none"},
        {"target_fpr": 0.1},
        {"alpha": 0.1, "fdr": True},
        {"alpha": 0.1, "calibration": "cross"},
    ],
)
def test_every_rule_takes_mixed_tables_and_files_keep_it(table, rule, tmp_path):
    detector = OutlierDetector(QUICK, columns={"age": "number"}, **SMALL, **rule)
    found = detector.fit_predict(table)
    strange = people(20, seed=1).with_columns(age=pl.lit(100_000), town=pl.lit("Rom"))
    assert (detector.score_samples(strange) < np.median(detector.score_samples(table))).all()
    assert (found == -1).mean() <= 0.2
    detector.save(tmp_path / "d")
    loaded = isthmus.load(tmp_path / "d")
    assert loaded.schema_ == detector.schema_
    assert loaded.columns == {"age": "number"}
    for method in ("score_samples", "predict", "transform"):
        made = (getattr(d, method)(table) for d in (loaded, detector))
        np.testing.assert_array_equal(*made)


def test_a_member_is_an_autoencoder_of_the_table(table):
    detector = OutlierDetector(QUICK, **SMALL).fit(table)
    member = detector.member_autoencoder(1)
    assert isinstance(member, Autoencoder)
    assert member.schema_ == detector.schema_
    assert member.reconstruct(table).columns == table.columns
    assert np.isfinite(member.score_samples(table)).all()


def test_what_is_expected_is_the_answer_of_a_member(table):
    detector = OutlierDetector(QUICK, n_estimators=4, random_state=0).fit(table)
    found = detector.explain(table)
    answers = [detector.member_autoencoder(k).explain(table).expected for k in range(4)]
    for column in ("age", "pay"):
        j = found.columns.index(column)
        given = np.array([answer[:, j] for answer in answers])
        assert (given == found.expected[:, j]).any(axis=0).all()
        assert (given != found.expected[:, j]).any()


# -- what was constant ------------------------------------------------------------

CONSTANT = {"unit": "kg", "flag": True, "size": 7.5, "count": 3}
CHANGED = {"unit": "lb", "flag": False, "size": 7.6, "count": 4}


@pytest.fixture(scope="module")
def constant(tmp_path_factory):
    detector = OutlierDetector(QUICK, contamination="none", **SMALL).fit(people(**CONSTANT))
    path = tmp_path_factory.mktemp("constant") / "d"
    detector.save(path)
    return detector, path


@pytest.mark.parametrize("name", CONSTANT)
def test_a_change_of_what_was_constant_is_seen(constant, name):
    detector, path = constant
    usual = people(20, seed=1, **CONSTANT)
    changed = usual.with_columns(pl.lit(CHANGED[name]).alias(name))
    assert (detector.predict(changed) == -1).all()
    fall = detector.score_samples(usual) - detector.score_samples(changed)
    n, d = 96, 8  # rows trained on, and columns
    assert (fall > n / d - 0.5).all()
    np.testing.assert_array_equal(
        isthmus.load(path).score_samples(changed), detector.score_samples(changed)
    )


def test_a_constant_that_is_missing_is_no_change(constant):
    usual = people(20, seed=1, **CONSTANT)
    hidden = usual.with_columns(unit=pl.lit(None, dtype=pl.String))
    detector = constant[0]
    assert (detector.score_samples(usual) - detector.score_samples(hidden) < 2).all()


def test_a_file_whose_constants_are_of_no_value_is_refused(constant, tmp_path):
    arrays, meta = read_tensors(constant[1])
    arrays["member.0.constant_columns"] = arrays["member.0.constant_columns"] + 100
    write_tensors(tmp_path / "d", arrays, meta)
    with pytest.raises(ModelFileError, match="constant columns of member.0"):
        isthmus.load(tmp_path / "d")


def test_columns_are_named_to_the_detector_alone(table):
    inner = Autoencoder(2, columns={"age": "number"})
    for given in (inner, {"columns": {"age": "number"}}):
        with pytest.raises(ValueError, match=r"give it OutlierDetector\(columns=...\)"):
            OutlierDetector(given, **SMALL).fit(table)
