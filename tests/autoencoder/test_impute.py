"""`impute`: missing cells are filled, all others are left as they are, and intervals hold."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import isthmus
from isthmus import Autoencoder, presets

N = 400
HIDING = {"corruption": "masking:rate=0.3", "random_state": 0}


def with_gaps(frame, share=0.15, seed=1):
    """Hide a share of the cells of a frame."""
    keep = np.random.default_rng(seed).random(frame.shape) >= share
    return frame.with_columns(
        pl.when(pl.Series(keep[:, j])).then(pl.col(name)).otherwise(None).alias(name)
        for j, name in enumerate(frame.columns)
    )


@pytest.fixture(scope="module")
def whole():
    """A table whose columns say much of one another."""
    rng = np.random.default_rng(0)
    z, noise = rng.normal(size=N), rng.normal(size=(3, N)) * 0.2
    start = np.datetime64("2024-01-01T00:00:00", "us")
    level = np.digitize(z, [-0.7, 0.4])
    return pl.DataFrame(
        {
            "x": z + noise[0],
            "count": np.rint(50 + 20 * (z + noise[1])).astype(np.int64),
            "size": pl.Series(np.array(["small", "middle", "large"])[level]).cast(pl.Categorical),
            "sure": z > 0,
            "when": start + (86_400_000_000 * np.rint(100 * (z + noise[2] + 3))).astype("m8[us]"),
        }
    ).with_columns(pl.col("when").cast(pl.Date), twice=2 * pl.col("x"))


@pytest.fixture(scope="module")
def gappy(whole):
    return with_gaps(whole)


@pytest.fixture(scope="module")
def ae(gappy):
    return Autoencoder(4, max_epochs=60, learning_rate=0.01, **HIDING).fit(gappy)


def as_pandas(frame):
    """Return a frame of pandas with types that know missing cells, and an index of its own."""
    columns = {
        "x": pd.Series(frame["x"].to_numpy(), dtype="float64"),
        "count": pd.Series(frame["count"].to_list(), dtype="Int64"),
        "size": pd.Categorical(frame["size"].to_list()),
        "sure": pd.Series(frame["sure"].to_list(), dtype="boolean"),
        "when": pd.Series(frame["when"].cast(pl.Datetime("us")).to_numpy()),
        "twice": pd.Series(frame["twice"].to_numpy(), dtype="float32"),
    }
    return pd.DataFrame(columns).set_axis([f"r{i}" for i in range(len(frame))])


def test_polars_gaps_are_filled_and_nothing_else_is_changed(ae, gappy):
    filled = ae.impute(gappy)
    assert filled.schema == gappy.schema
    assert filled.null_count().sum_horizontal().item() == 0
    for name in gappy.columns:
        there = gappy[name].is_not_null()
        assert filled[name].filter(there).equals(gappy[name].filter(there)), name


def test_arrow_gaps_are_filled_and_nothing_else_is_changed(ae, gappy):
    table = gappy.to_arrow()
    filled = ae.impute(table)
    assert filled.schema == table.schema
    for name in table.column_names:
        before, after = table[name].to_pylist(), filled[name].to_pylist()
        assert None not in after
        assert [a for a, b in zip(after, before, strict=True) if b is not None] == [
            b for b in before if b is not None
        ], name
    assert after == ae.impute(gappy)["twice"].to_list()


def test_pandas_gaps_are_filled_and_nothing_else_is_changed(gappy):
    frame = as_pandas(gappy)
    ae = Autoencoder(2, max_epochs=2, random_state=0).fit(frame)
    before = frame.copy()
    filled = ae.impute(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert type(filled) is pd.DataFrame
    assert filled.dtypes.to_list() == frame.dtypes.to_list()
    assert filled.index.equals(frame.index)
    assert not filled.isna().any(axis=None)
    for name in frame.columns:
        there = frame[name].notna()
        assert (filled[name] == frame[name])[there].all(), name


def test_arrays_are_filled_in_their_own_precision(rng):
    X = rng.normal(size=(120, 3)).astype(np.float32)
    X[:, 2] += X[:, 0]
    X[::7, 0] = X[5, 1] = np.nan
    ae = Autoencoder(2, max_epochs=2, random_state=0).fit(X)
    filled, intervals = ae.impute(X, return_interval=0.8)
    assert filled.dtype == np.float32
    assert np.isfinite(filled).all()
    np.testing.assert_array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    assert intervals["x0"]["row"].to_list() == list(range(0, 120, 7))
    assert intervals["x1"]["row"].to_list() == [5]
    assert np.isnan(X[0, 0])  # what was given stays as it was


def test_estimates_use_what_is_there(ae, whole, gappy):
    filled = ae.impute(gappy)
    hidden = gappy["twice"].is_null() & gappy["x"].is_not_null()
    errors = (filled["twice"] - whole["twice"]).filter(hidden)
    assert errors.std() < 0.5 * whole["twice"].std()
    mode = (whole["size"] == whole["size"].mode()[0]).filter(gappy["size"].is_null()).mean()
    assert (filled["size"] == whole["size"]).filter(gappy["size"].is_null()).mean() > mode + 0.2


def test_one_row_is_filled_as_among_others(ae, gappy):
    one = next(i for i in range(N) if None in gappy.row(i))
    assert ae.impute(gappy[one]).equals(ae.impute(gappy)[one])


def test_a_row_of_which_nothing_is_there_gets_usual_cells(ae, whole):
    empty = whole.clear(n=1)
    filled = ae.impute(empty)
    assert None not in filled.row(0)
    assert filled["size"].item() in whole["size"].unique()


def test_a_table_without_gaps_comes_back_as_it_is(ae, whole):
    filled, intervals = ae.impute(whole, return_interval=0.9)
    assert filled.equals(whole)
    assert intervals == {}


NOTHING = {"x": None, "count": None, "size": None, "sure": None, "when": None, "twice": 1.0}
FLOATS = dict.fromkeys(["count", "size", "when"], pl.Float64)
NULLS = pd.ArrowDtype(pa.null())


@pytest.mark.parametrize(
    "one",
    [
        pd.DataFrame([NOTHING]),
        pd.DataFrame([dict.fromkeys(NOTHING, np.nan) | {"twice": 1.0}]),
        pd.DataFrame([NOTHING]).astype({"x": "Int64", "size": NULLS, "when": NULLS}),
        pl.DataFrame([NOTHING]),
        pl.DataFrame([NOTHING]).cast(FLOATS),
        pl.DataFrame([NOTHING]).cast({"x": pl.Int64, "count": pl.Int8, "size": pl.Enum([])}),
        pl.DataFrame([NOTHING]).to_arrow(),
        pl.DataFrame([NOTHING]).cast(FLOATS | {"x": pl.Int64}).to_arrow(),
    ],
)
def test_a_record_is_filled_whatever_types_its_empty_columns_have(one, ae, whole):
    for found in (ae.impute(one), ae.reconstruct(one)):
        assert type(found) is type(one)
        cells = found.iloc[0].to_dict() if hasattr(found, "iloc") else pl.DataFrame(found).row(0)
        x, count, size, sure, when, _ = cells.values() if isinstance(cells, dict) else cells
        assert x != round(x)
        assert count == round(count)
        assert size in whole["size"].unique()
        assert sure in (True, False)
        assert str(when)[:4] in ("2024", "2025")


def test_own_types_have_room_for_what_is_filled_or_give_way(ae):
    """Beside cells that are there: numbers are rounded, and levels and longer numbers get room."""
    two = pl.DataFrame([NOTHING, NOTHING | {"x": 5, "count": -3, "size": "new"}])
    two = two.cast({"x": pl.Int64, "count": pl.Int8, "size": pl.Enum(["new"])})
    for one in (two, two.with_columns(pl.col("size").cast(pl.String)).to_arrow()):
        found = pl.DataFrame(ae.impute(one))
        assert found["x"].dtype == pl.Int64
        assert found["size"][1] == "new"
        assert found.null_count().sum_horizontal().item() == 0
    assert set(two["size"].dtype.categories) < set(ae.impute(two)["size"].dtype.categories)
    panda = pd.DataFrame({k: v.to_list() for k, v in two.to_dict().items()})
    panda = panda.astype({"x": "Int64", "count": "Int8"})
    panda["size"] = [np.nan, 7.0]  # a level that was not seen
    found = ae.impute(panda)
    assert found["x"].dtype == "Int64"
    assert found["size"][1] == 7
    assert not found.isna().any(axis=None)


def test_no_rows(ae, whole):
    assert ae.impute(whole.clear()).schema == whole.schema
    with pytest.raises(ValueError, match="X has no rows, and one at least is needed"):
        ae.transform(whole.clear())


def test_a_column_that_is_left_out_keeps_its_gaps(gappy):
    some = gappy.select("x", "count").with_columns(
        pl.col("count").fill_null(0), note=pl.Series([None if i % 3 else f"n{i}" for i in range(N)])
    )
    ae = Autoencoder(2, max_epochs=2, columns={"note": "ignore"}, random_state=0).fit(some)
    filled = ae.impute(some)
    assert filled["note"].equals(some["note"])
    assert filled.select("x", "count").null_count().row(0) == (0, 0)


def test_intervals_hold_true_cells_as_often_as_asked(ae, whole):
    """On new gaps of the same rows; 90 % of some 60 cells in each of six columns."""
    gappy = with_gaps(whole, seed=2)
    _, intervals = ae.impute(gappy, return_interval=0.9)
    assert list(intervals) == whole.columns
    assert {name: frame.columns[1:] for name, frame in intervals.items()} == {
        **{name: ["low", "high"] for name in ("x", "count", "when", "twice")},
        **{name: ["levels"] for name in ("size", "sure")},
    }
    held = []
    for name, frame in intervals.items():
        assert frame["row"].to_list() == gappy[name].is_null().arg_true().to_list()
        true = whole[name].gather(frame["row"])
        if "levels" in frame.columns:
            texts = true.cast(pl.String).str.to_titlecase() if name == "sure" else true
            held += [t in levels for t, levels in zip(texts, frame["levels"], strict=True)]
        else:
            assert frame["low"].dtype == frame["high"].dtype == whole[name].dtype
            assert (frame["low"] <= frame["high"]).all()
            held += ((frame["low"] <= true) & (true <= frame["high"])).to_list()
    assert 0.85 < np.mean(held) < 0.97
    narrow = (intervals["twice"]["high"] - intervals["twice"]["low"]).mean()
    assert narrow < 0.8 * (whole["twice"].max() - whole["twice"].min())


def test_the_interval_of_every_cell_holds_its_estimate(ae, gappy):
    filled, intervals = ae.impute(gappy, return_interval=0.5)
    for name in ("count", "when"):
        new = filled[name].gather(intervals[name]["row"])
        assert ((intervals[name]["low"] <= new) & (new <= intervals[name]["high"])).all()
    best = intervals["size"]["levels"].list.first()
    assert best.to_list() == filled["size"].gather(intervals["size"]["row"]).to_list()


@pytest.fixture(scope="module")
def noise():
    rng = np.random.default_rng(5)
    table = {f"x{j}": rng.normal(size=300) for j in range(4)}
    return pl.DataFrame(table | {"level": rng.choice(["a", "b", "c"], 300, p=[0.5, 0.3, 0.2])})


def test_where_columns_say_nothing_of_each_other_cells_get_the_mean_or_the_mode(noise):
    ae = Autoencoder(4, max_epochs=40, **HIDING)
    with pytest.warns(UserWarning, match="A row has no cell that is there .* row 213: nothing"):
        ae.fit(with_gaps(noise, 0.3))
    shares = ae.fitted_.gaps.shares
    assert np.mean(shares == 0) >= 0.6
    fresh = pl.DataFrame({c: noise[c].sample(300, shuffle=True, seed=9) for c in noise.columns})
    gappy = with_gaps(fresh, 0.3, seed=4)
    filled = ae.impute(gappy)
    for name in fresh.columns[:4]:
        hidden = gappy[name].is_null()
        mine = ((filled[name] - fresh[name]) ** 2).filter(hidden).mean()
        mean = ((noise[name].mean() - fresh[name]) ** 2).filter(hidden).mean()
        assert mine < 1.02 * mean, name
    assert (filled["level"].filter(gappy["level"].is_null()) == "a").mean() > 0.95


def test_what_was_measured_is_kept_in_files(ae, gappy, tmp_path):
    ae.save(tmp_path / "m.isthmus")
    copy = isthmus.load(tmp_path / "m.isthmus")
    filled, intervals = copy.impute(gappy, return_interval=0.9)
    expected, known = ae.impute(gappy, return_interval=0.9)
    assert filled.equals(expected)
    assert all(frame.equals(known[name]) for name, frame in intervals.items())


def test_what_cannot_be_imputed_is_refused(ae, gappy, rng):
    plain = Autoencoder(2, max_epochs=1).fit(rng.normal(size=(60, 3)))
    with pytest.raises(ValueError, match="fitted on plain numbers .* columns={'name': 'number'}"):
        plain.impute(np.array([[0, np.nan, 1.0]]))
    with pytest.raises(
        ValueError, match=r"return_interval must be a number in \(0, 1\), or None; got 90"
    ):
        ae.impute(gappy, return_interval=90)
    few = Autoencoder(2, max_epochs=1).fit(gappy[:60])
    assert few.impute(gappy[:5]).null_count().sum_horizontal().item() == 0
    with pytest.raises(ValueError, match="none were: fit isthmus.presets.imputing"):
        few.impute(gappy, return_interval=0.9)
    with pytest.raises(ValueError, match="X lacks the column 'size'"):
        ae.impute(gappy.drop("size"))


def test_the_preset_knows_intervals_of_few_rows_and_beats_the_mean(whole):
    few = with_gaps(whole.select("x", "twice", "count"), 0.2, seed=3)[:90]
    few = few.filter(pl.any_horizontal(pl.all().is_not_null()))
    filled, intervals = (
        presets.imputing(16, random_state=0).fit(few).impute(few, return_interval=0.8)
    )
    assert list(intervals) == few.columns
    hidden = few["twice"].is_null() & few["x"].is_not_null()
    known = few.select("x", "twice").drop_nulls()
    assert (known["twice"] == 2 * known["x"]).all()
    errors = (filled["twice"] - 2 * few["x"]).filter(hidden)
    assert errors.abs().mean() < 0.5 * known["twice"].std()


def test_after_partial_fit_the_model_alone_answers(gappy):
    ae = Autoencoder(2, random_state=0).partial_fit(gappy)
    assert ae.impute(gappy).null_count().sum_horizontal().item() == 0


def test_a_level_or_a_date_that_is_new_stays_as_it_is(ae, gappy):
    odd = gappy[:3].with_columns(
        pl.Series("size", ["huge", None, "small"]).cast(pl.Categorical),
        pl.Series("when", [dt.date(1900, 1, 1), None, dt.date(2300, 1, 1)]),
    )
    filled = ae.impute(odd)
    assert filled["size"][0] == "huge"
    assert filled["when"].to_list()[::2] == [dt.date(1900, 1, 1), dt.date(2300, 1, 1)]


@pytest.mark.parametrize("kind", ["object", "string", "category"])
def test_columns_of_text_in_pandas_keep_their_type(kind, gappy):
    size = pd.Series(gappy["size"].to_list(), dtype=kind)
    frame = pd.DataFrame({"size": size, "x": np.arange(N) % 7})
    filled = Autoencoder(1, max_epochs=1, random_state=0).fit(frame).impute(frame)
    assert filled["size"].dtype == size.dtype
    assert filled["size"].notna().all()
    assert (filled["size"] == size)[size.notna()].all()


def test_arrow_dictionaries_keep_their_type(gappy):
    size = gappy["size"].cast(pl.String).to_arrow().dictionary_encode()
    table = pa.table({"size": size, "x": np.arange(N) % 7})
    filled = Autoencoder(1, max_epochs=1, random_state=0).fit(table).impute(table)
    assert filled.schema == table.schema
    assert filled["size"].null_count == 0
