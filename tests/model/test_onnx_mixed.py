"""ONNX files of tables of mixed types: parity with Python, types, names, the check, and errors."""

import dataclasses
import datetime as dt
import json

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest

from isthmus import Autoencoder, ModelFileError, OutlierDetector, load
from isthmus.__main__ import main
from isthmus.model import check_exportable, export_model
from isthmus.model.onnx_dates import turn_nodes
from isthmus.model.onnx_graph import file_bytes
from isthmus.model.onnx_tables import inputs_of
from isthmus.nets import End, Graph
from isthmus.parts import Loss
from isthmus.schema import infer_schema, to_local
from isthmus.schema.dates import turn

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*left out"),
]
runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

OURS = {"encoder": "transform", "score": "score_samples"}
KINDS = {"zip": "category", "code": "category", "share": "category", "flag": "boolean"}
TYPES = {"float": np.float32, "double": np.float64, "int64": np.int64, "bool": np.bool_}
N = 90


def with_gaps(values, rng):
    return [None if gap else value for value, gap in zip(values, rng.random(N) < 0.2, strict=True)]


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    start = dt.datetime(2019, 1, 1)
    when = [start + dt.timedelta(minutes=int(m)) for m in rng.integers(0, 2_000_000, N)]
    names = ["a", "b", "ünlike", "d", "e"]
    table = {
        "age": rng.integers(17, 90, N),
        "far": with_gaps((1e9 + rng.normal(size=N)).tolist(), rng),
        "Add_3": pl.Series(rng.normal(size=N), dtype=pl.Float32),
        "tail": with_gaps(rng.lognormal(0, 4, N).tolist(), rng),
        "kids": with_gaps(rng.integers(0, 5, N).tolist(), rng),
        "price": pl.Series([f"{v:.2f}" for v in rng.normal(10, 2, N)]).cast(pl.Decimal(10, 2)),
        "score": rng.choice(["f", "m", "x"], N),
        "job": with_gaps(rng.choice(names, N).tolist(), rng),
        "zip": rng.integers(0, 9, N) * 1000,
        "code": with_gaps((rng.integers(0, 4, N) * 7).tolist(), rng),
        "share": rng.choice([0.25, 0.5, 2.0], N),
        "ok": rng.random(N) < 0.3,
        "sure": with_gaps((rng.random(N) < 0.6).tolist(), rng),
        "flag": rng.integers(0, 2, N),
        "when": with_gaps(when, rng),
        "zoned": pl.Series(when).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin"),
        "day": [w.date() for w in when],
        "clock": with_gaps([w.time() for w in when], rng),
        "took": [dt.timedelta(seconds=int(s)) for s in rng.integers(0, 10**6, N)],
    }
    return pl.DataFrame(table)


def fitted(frame, **settings):
    kinds = {name: kind for name, kind in KINDS.items() if name in frame.columns}
    settings = {"columns": kinds, "max_epochs": 2, "random_state": 0, **settings}
    return Autoencoder(4, settings.pop("architecture", "dense:hidden=[6]"), **settings).fit(frame)


@pytest.fixture(scope="module")
def mixed(frame):
    return fitted(frame)


@pytest.fixture(scope="module")
def strange(frame):
    """Return rows with levels that nobody knows, gaps wherever they can be said, and far values."""
    row = frame[:4].with_columns(
        age=pl.Series([0, 200, 17, 90]),
        far=pl.Series([None, -1e9, 3e9, None]),
        tail=pl.Series([1e12, -1e5, None, 0.0]),
        score=pl.Series(["f", "none such", None, "X"]),
        job=pl.Series([None, "F", " a", "ünlike"]),
        zip=pl.Series([1, 8000, 0, 1000]),
        code=pl.Series([None, 3, 7, 0]),
        when=pl.Series([dt.datetime(1900, 2, 28), None, dt.datetime(2096, 12, 31, 23, 59), None]),
    )
    return pl.concat([frame, row])


def session(path):
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def columns_of(opened):
    return json.loads(opened.get_modelmeta().custom_metadata_map["columns"])


def fed(cells, kind):
    """Return cells as the guide says that a file takes them."""
    if kind == "string":
        texts = ["" if cell is None else str(cell).removesuffix(".0") for cell in cells.to_list()]
        return np.array(texts, object)
    if cells.dtype == pl.Date or isinstance(cells.dtype, pl.Datetime):
        cells = cells.cast(pl.Datetime("us")).dt.epoch("us") / 1e6
    elif cells.dtype == pl.Time:
        cells = cells.to_physical() / 1e9
    elif isinstance(cells.dtype, pl.Duration):
        cells = cells.dt.total_microseconds() / 1e6
    return cells.cast(pl.Float64).to_numpy().astype(TYPES[kind])


def run(opened, frame):
    feed = {c["name"]: fed(frame[c["name"]], c["type"]) for c in columns_of(opened)}
    return dict(zip([o.name for o in opened.get_outputs()], opened.run(None, feed), strict=True))


def check(model, frame, path, part):
    model.export(path, part)
    got, *_ = run(session(path), frame).values()
    want = getattr(model, OURS[part])(frame)
    assert got.dtype == np.float32
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * np.abs(want).mean())


@pytest.mark.parametrize("part", OURS)
def test_codes_and_scores_of_a_table(part, mixed, strange, tmp_path):
    assert np.flatnonzero(mixed.scaler_.unit).tolist() == [3]
    check(mixed, strange, tmp_path / "m.onnx", part)


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "mae", "corruption": "masking"},  # all cells are marked where they are missing
        {"loss": "huber:delta=0.3", "scaling": "minmax", "dtype": "float64"},
        {"loss": "lp:p=1.7", "scaling": None, "sparsity": "topk:k=2", "column_weights": {"job": 3}},
    ],
)
def test_scores_with_other_settings(settings, frame, strange, tmp_path):
    few = ["Add_3", "tail", "job", "ok", "zip"]
    few += [] if settings.get("scaling", "") is None else ["clock"]  # of seconds nothing is learnt
    check(fitted(frame[few], **settings), strange[few], tmp_path / "m.onnx", "score")


KIND_OF = {"kids": "category", "job": "category", "sure": "boolean", "clock": "time"}


@pytest.mark.parametrize("name", KIND_OF)
def test_tables_of_one_column(name, frame, strange, tmp_path):
    model = fitted(frame.select(name).drop_nulls(), max_epochs=1, columns={name: KIND_OF[name]})
    check(model, strange.select(name).drop_nulls(), tmp_path / "m.onnx", "score")


def as_plain(cells, kind):
    return fed(cells, kind) if kind != "bool" else cells.cast(pl.Boolean).to_numpy()


def test_reconstructions_by_column(mixed, frame, strange, tmp_path):
    mixed.export(tmp_path / "r.onnx", "reconstruct")
    opened = session(tmp_path / "r.onnx")
    got, back = run(opened, strange), mixed.reconstruct(strange)
    kinds = {o.name: o.type.removeprefix("tensor(").rstrip(")") for o in opened.get_outputs()}
    for name in frame.columns:
        made = got[f"reconstruction.{name}"]
        want = as_plain(back[name], kinds[f"reconstruction.{name}"])
        if made.dtype == object or made.dtype == bool or kinds[f"reconstruction.{name}"] == "int64":
            assert (made == want).all(), name
        else:
            slack = 60 if name == "zoned" else 1e-5 * np.abs(want).mean()
            np.testing.assert_allclose(made, want, rtol=1e-5, atol=slack, err_msg=name)
    model = mixed.fitted_.model
    probable = model.probabilities(model.outputs(mixed.schema_.encode(strange)))
    firsts = {v.cell: i for i, v in reversed(list(enumerate(mixed.schema_.values)))}
    known = [i for i, c in enumerate(frame.columns) if f"probabilities.{c}" in got]
    assert len(known) == len(probable) == 8
    for cell in known:
        made = got[f"probabilities.{frame.columns[cell]}"]
        np.testing.assert_allclose(made, probable[firsts[cell]], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("opset", [13, 18])
def test_older_operators_and_any_number_of_rows(opset, mixed, strange, tmp_path):
    for part in ("score", "reconstruct"):
        mixed.export(tmp_path / "m.onnx", part, opset=opset)
        opened = session(tmp_path / "m.onnx")
        whole = run(opened, strange)
        for rows in (strange[:0], strange[:1], strange[40:43]):
            for name, made in run(opened, rows).items():
                assert len(made) == len(rows)
                if len(rows) == 3 and made.dtype != object:
                    np.testing.assert_allclose(made, whole[name][40:43], rtol=1e-4, atol=1e-6)


def test_a_detector(frame, strange, tmp_path):
    frame = frame.with_columns(land=pl.lit("x"), rate=pl.lit(2.5))
    other = pl.Series(["x", "y"] * (len(strange) // 2))
    rate = pl.Series([2.5, 2.5, 2.5000001, 7.0]).gather(np.arange(len(strange)) % 4)
    strange = strange.with_columns(land=other, rate=rate)
    detector = OutlierDetector(
        Autoencoder(3, max_epochs=2), columns=KINDS, n_estimators=2, random_state=0
    ).fit(frame)
    check(detector, strange, tmp_path / "d.onnx", "score")
    opened = session(tmp_path / "d.onnx")
    facts = opened.get_modelmeta().custom_metadata_map
    assert float(facts["threshold"]) == pytest.approx(detector.offset_)
    found, decided = run(opened, strange), detector.predict(strange) == -1
    assert ((found["score_"] < detector.offset_) == decided).all()
    assert (found["is_outlier"] == decided).all()
    (limit,) = opened.get_overridable_initializers()
    assert limit.name == "threshold"


# -- inputs, names, facts --------------------------------------------------------------------------


def test_inputs_have_the_types_of_their_columns(mixed, tmp_path):
    mixed.export(tmp_path / "m.onnx")
    opened = session(tmp_path / "m.onnx")
    types = {given.name: given.type for given in opened.get_inputs()}
    wanted = {
        "int64": ["age", "zip", "flag"],
        "float": ["Add_3", "sure"],
        "double": ["far", "tail", "kids", "price", "when", "zoned", "day", "clock", "took"],
        "string": ["score", "job", "code", "share"],
        "bool": ["ok"],
    }
    assert types == {name: f"tensor({kind})" for kind, names in wanted.items() for name in names}
    assert all(given.shape == ["rows"] for given in opened.get_inputs())
    columns = {column["name"]: column for column in columns_of(opened)}
    assert columns["age"]["note"] == "no cell may be missing"
    assert columns["zoned"]["note"].startswith("seconds since 1970 in UTC; NaN")
    assert columns["job"] == {
        "name": "job",
        "kind": "category",
        "type": "string",
        "note": "levels; an unknown one counts as 'other'; empty where a cell is missing",
    }
    assert "as text, whole numbers without a point" in columns["code"]["note"]


@pytest.mark.parametrize(
    ("cells", "kind", "type_", "missing"),
    [
        ([1, 2, 2**62], "number", "int64", "no cell"),
        (pl.Series([1, 2, 2**64 - 1], dtype=pl.UInt64), "number", "double", "NaN"),
        (["1", "2.5", "3"], "number", "double", "NaN"),
        (["yes", "", "no"], "category", "string", "no cell"),
        ([True, False, True], "category", "string", "empty"),
        ([1.0, 0.0, 1.0], "boolean", "double", "NaN"),
        (["true", "false", "true"], "boolean", "bool", "no cell"),
    ],
)
def test_the_type_of_a_column_that_is_taken_for_another_kind(cells, kind, type_, missing):
    schema = infer_schema(pl.DataFrame({"c": cells}), {"c": kind})
    (given,) = inputs_of(schema)
    assert given.type == type_
    assert missing in given.note


def test_columns_may_have_any_name(frame, tmp_path):
    names = {"score": "code", "job": "_", "ok": "reconstruction._", "kids": "__constant_1"}
    table = frame.select(pl.col(old).alias(new) for old, new in names.items())
    model = fitted(table, columns=None)
    model.export(tmp_path / "m.onnx")
    assert [o.name for o in session(tmp_path / "m.onnx").get_outputs()] == ["code_"]
    model.export(tmp_path / "m.onnx", "reconstruct")
    outputs = [o.name for o in session(tmp_path / "m.onnx").get_outputs()]
    assert outputs[:3] == [
        "reconstruction.code",
        "reconstruction.__",
        "reconstruction.reconstruction._",
    ]
    with pytest.raises(ValueError, match="A column without a name cannot be an input"):
        inputs_of(infer_schema(frame.select("age", pl.col("score").alias(""))))


def test_arrays_with_gaps_and_frames_of_pandas(frame, tmp_path):
    X = np.random.default_rng(1).normal(5, 2, (60, 3))
    X[::6, 1] = np.nan
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(X)
    model.export(tmp_path / "m.onnx")
    (code,) = session(tmp_path / "m.onnx").run(None, {f"x{j}": X[:, j] for j in range(3)})
    np.testing.assert_allclose(code, model.transform(X), rtol=1e-4, atol=1e-5)
    table = pd.DataFrame({"size": X[:, 1], "colour": pd.Categorical(["red", None, "blue"] * 20)})
    model = Autoencoder(2, max_epochs=1, random_state=0).fit(table)
    model.export(tmp_path / "m.onnx")
    feed = {"size": X[:, 1], "colour": table["colour"].astype(object).fillna("").to_numpy()}
    (code,) = session(tmp_path / "m.onnx").run(None, feed)
    np.testing.assert_allclose(code, model.transform(table), rtol=1e-4, atol=1e-5)


def test_rows_of_plain_numbers_with_heavy_tails(tmp_path):
    X = np.random.default_rng(0).lognormal(0, 3, (200, 4)).astype(np.float32)
    model = Autoencoder(2, scaling="asinh", max_epochs=2, random_state=0).fit(X)
    assert model.scaler_.unit.any()
    for part, name in {**OURS, "reconstruct": "reconstruct"}.items():
        model.export(tmp_path / "m.onnx", part)
        (got,) = session(tmp_path / "m.onnx").run(None, {"X": X})
        want = getattr(model, name)(X)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5 * np.abs(want).mean())


def test_files_and_the_command(mixed, strange, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mixed.save("m.isthmus")
    check(load("m.isthmus"), strange, "again.onnx", "score")
    mixed.save("e.isthmus", part="encoder")
    check(load("e.isthmus"), strange, "encoder.onnx", "encoder")
    assert main(["export", "m.isthmus", "-o", "m.onnx", "--part", "score"]) == 0
    assert (tmp_path / "m.onnx").read_bytes() == (tmp_path / "again.onnx").read_bytes()


# -- dates -----------------------------------------------------------------------------------------


def clocks(zone, cycles, since, path):
    graph = Graph(13)
    turns = turn_nodes(graph, "s", zone, cycles)
    outputs = {value: End(cycle, "double") for value, cycle in zip(turns, cycles, strict=True)}
    path.write_bytes(file_bytes(graph, "t", [End("s", "double")], outputs, {}))
    return session(path).run(None, {"s": since})


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("", "0001-01-01", "9999-12-31"),
        ("UTC", "1900-01-01", "2100-12-31"),
        ("Europe/Berlin", "1900-01-01", "2100-12-31"),
        ("America/Sao_Paulo", "1900-01-01", "2100-12-31"),
    ],
)
def test_the_calendar(zone, first, last, tmp_path):
    days = np.arange(first, last, dtype="datetime64[D]")
    since = days.astype(float) * 86400 + np.random.default_rng(0).integers(0, 86400, len(days))
    since[0] = days[0].astype(float) * 86400
    cycles = ("hour", "weekday", "day of year")
    for cycle, made in zip(cycles, clocks(zone, cycles, since, tmp_path / "d.onnx"), strict=True):
        np.testing.assert_allclose(made, turn(to_local(since, zone), cycle), atol=1e-10)


def test_dates_in_a_zone_that_no_file_knows(frame):
    old = frame.select(pl.col("zoned").dt.offset_by("-200y"))
    with pytest.raises(ValueError, match="'zoned' cannot be exported: it has dates outside the"):
        inputs_of(infer_schema(old))
    assert inputs_of(infer_schema(old.select(pl.col("zoned").dt.replace_time_zone(None))))


# -- the check, and errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "part", "wrong"),
    [
        ("model.onnx.forward_nodes", "encoder", lambda g, rows, scaler: g.cast(rows, "float")),
        ("model.onnx_tables.day_turn", "encoder", lambda g, since: g.add("Mul", since, since)),
        ("parts.tables.shown_nodes", "reconstruct", lambda g, p, a: a),
        ("model.onnx_tables.step_of", "reconstruct", lambda given: 0.0),
        ("parts.table_nodes.softplus_nodes", "score", lambda g, x: x),
    ],
)
def test_a_wrong_graph_is_found(what, part, wrong, mixed, tmp_path, monkeypatch):
    monkeypatch.setattr(f"isthmus.{what}", wrong)
    with pytest.raises(ModelFileError, match="differ on"):
        mixed.export(tmp_path / "m.onnx", part)
    assert not list(tmp_path.iterdir())


def test_a_loss_without_a_form(mixed, tmp_path):
    @dataclasses.dataclass
    class Own(Loss):
        distance = True

        def __call__(self, x_out, x):
            return jnp.mean((x_out - x) ** 2, axis=1)

    model = mixed.fitted_.model
    slots = model.slots._replace(loss=dataclasses.replace(model.mixed, numbers=Own()))
    model = dataclasses.replace(model, slots=slots)
    check_exportable(model, "reconstruct")
    with pytest.raises(ValueError, match="'own' has no ONNX form; .* a method `onnx`"):
        export_model(model, tmp_path / "s.onnx", "score")


def test_a_level_that_the_file_makes_up_is_no_level(mixed, tmp_path, monkeypatch):
    right = Graph.add

    def wrong(self, kind, *inputs, **attributes):
        if "values_strings" in attributes:
            attributes["values_strings"] = [f"{v}!" for v in attributes["values_strings"]]
        return right(self, kind, *inputs, **attributes)

    monkeypatch.setattr(Graph, "add", wrong)
    with pytest.raises(ModelFileError, match="differ on"):
        mixed.export(tmp_path / "m.onnx", "reconstruct")
