"""What the benchmark of speed compares is the same, and its tables say what was measured."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="not a checkout")


@pytest.fixture
def speed(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import speed.bars
    import speed.report

    return speed


@pytest.fixture
def results(speed):
    from speed.results import Measured, Results

    times = {
        "isthmus": [2.0, 1.0, 3.0],
        "floor": [2.0, 1.0, 3.0],
        "PyTorch loop": [16.0, 1.0, 99.0],
    }
    found = Results(None)
    found.take(Measured("steps", "21-64-32", name, "ms", v, 0.0) for name, v in times.items())
    found.take([Measured("steps", "784-128-32", n, "ms", v, 0.0) for n, v in times.items()])
    machine = {"processor": "P", "cores": 2, "load": 0.1, "day": "today"}
    found.machine = machine | {"activation": "gelu", "versions": {"jax": "1"}}
    return found


def test_bars_are_ratios_of_medians(speed, results):
    lines = {what: rest for what, *rest in speed.report.bars(results)}
    assert lines["21-64-32 step, faster than the PyTorch loop"] == ["at least 8x", "8x", "yes"]
    assert lines["784-128-32 step, of the floor"] == ["at most 1.6x", "1x", "yes"]
    assert len(lines) == 3
    from speed.results import Measured

    results.take([Measured("steps", "784-128-32", "floor", "ms", [1.0])])
    lines = {what: rest for what, *rest in speed.report.bars(results)}
    assert lines["784-128-32 step, of the floor"] == ["at most 1.6x", "2x", "no"]


def test_the_page_is_rewritten_between_its_markers(speed, results, tmp_path):
    page = tmp_path / "page.md"
    report = speed.report
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    for _ in range(2):
        report.write_page(page, results, "speed.png")
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert text.count("| 21-64-32 | 2 (1.5-2.5) | 2 (1.5-2.5), 1.00x | 16 (8.5-57.5), 8.00x |") == 1
    assert "The machine was quiet." in text
    page.write_text("no markers")
    with pytest.raises(SystemExit, match="must hold the markers"):
        report.write_page(page, results, None)


def test_results_are_gone_on_with(speed, results, tmp_path):
    from speed.results import Measured, Results

    results.path = tmp_path / "results.json"
    results.take([Measured("steps", "21-64-32", "floor", "ms", [7.0], 1.5)])
    results.write()
    again = Results(results.path)
    assert again.median("steps", "21-64-32", "floor") == 7.0
    assert again.busiest == 1.5
    assert "not quiet" in speed.report.quietness(again)
    assert json.loads(results.path.read_text())["machine"]["cores"] == 2


@pytest.mark.parametrize("name", ["30-64-32-8", "conv 1-16-32", "sparse 784-2000"])
def test_the_counted_work_is_that_of_the_net(speed, name):
    from speed.networks import NETWORKS, data, estimator, layers, operations

    network = NETWORKS[name]
    model = estimator(network, "relu", max_epochs=1).fit(data(network)[: network.batch])
    net = model.net_
    counted = 2 * network.batch * (3 * net.work - net.encoder[0].work)
    assert operations(network) == counted
    weights = [layer.weight for layer in (*net.encoder, *net.decoder)]
    assert sum(w for _, w in layers(network)) == sum(w.size for w in weights)


def test_peers_have_the_same_weights(speed):
    pytest.importorskip("torch")
    from speed.networks import NETWORKS, estimator, torch_module

    for name in ("30-64-32-8", "conv 1-16-32"):
        module = torch_module(NETWORKS[name], "gelu")
        x = np.random.default_rng(0).uniform(size=(20, NETWORKS[name].widths[0]))
        model = estimator(NETWORKS[name], "gelu", max_epochs=1).fit(x)
        assert sum(p.numel() for p in module.parameters()) == model.n_parameters_


def test_a_contestant_answers_from_its_process(speed):
    from speed.workers import Worker

    with Worker("start", "isthmus", "small") as worker:
        first, warm, stages, programs = worker()
    assert first > warm > 0
    assert programs >= 1
    assert stages["compile"] > 0
    assert worker.process.returncode == 0


def test_unknown_names_and_missing_devices_are_reported(speed):
    bench = str(BENCHMARKS / "bench.py")
    done = subprocess.run(
        [sys.executable, bench, "--only", "nothing"], capture_output=True, text=True
    )
    assert "There is no workload 'nothing'; known: " in done.stderr
    assert speed.steps.workloads(Namespace()) == list(speed.networks.NETWORKS)
    import jax

    if all(d.platform == "cpu" for d in jax.devices()):
        gpu = str(BENCHMARKS / "gpu.py")
        done = subprocess.run([sys.executable, gpu], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.startswith("JAX finds no CUDA device here")
        assert done.stderr.count("\n") == 1


@pytest.fixture
def bits(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import bits

    return bits


def test_bits_see_what_differs(bits, iris):
    from isthmus import Autoencoder

    fit = lambda seed: Autoencoder(2, max_epochs=2, random_state=seed).fit(iris)  # noqa: E731
    first, again, other = (bits.of_model(fit(seed), iris) for seed in (0, 0, 1))
    assert first == again == bits.of_model(bits.stored(fit(0)), iris)
    assert list(bits.differences({"a": first}, {"a": again})) == []
    changed = "a: weights, history, baseline, results, score"
    assert list(bits.differences({"a": first}, {"a": other})) == [changed]
    assert list(bits.differences({"a": first}, {"b": first})) == ["a: here only", "b: there only"]
    line = f"a b: {' '.join(f'{k}={v}' for k, v in first.items())}\n"
    assert bits.parsed(line * 2) == {"a b": first}


@pytest.mark.parametrize("script", ["bits.py", "side_by_side.py"])
def test_versions_are_compared_with_a_source_folder_alone(script, tmp_path):
    command = [sys.executable, str(BENCHMARKS / script), "--against", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "has no package isthmus: give " in done.stderr


def test_sides_are_the_folders_that_they_name(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import side_by_side

    (tmp_path / "src" / "isthmus").mkdir(parents=True)
    (tmp_path / "src" / "isthmus" / "__init__.py").write_text("print('another')")
    monkeypatch.setattr(side_by_side.Side, "prepare", lambda self: None)
    side = side_by_side.Side(tmp_path / "src", tmp_path / "home")
    assert side.run("-c", "import isthmus") == "another\n"
    wall, used = side.seconds("import isthmus")
    assert wall > 0 < used
    with pytest.raises(SystemExit, match=r"-c 1 / 0 failed:\nTraceback"):
        side.run("-c", "1 / 0")
