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


def test_the_denoisers_are_one_network(speed):
    pytest.importorskip("torch")
    from speed import denoiser

    model = denoiser.estimator(max_epochs=1).fit(denoiser.patches()[: denoiser.BATCH])
    module = denoiser.denoiser()
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


@pytest.fixture
def detection(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import detection.report
    import detection.runs

    return detection


@pytest.fixture
def sets(tmp_path):
    """Two sets of 40 rows, 4 of them outliers, in both layouts; the second has a pickled object."""
    X = np.random.default_rng(0).normal(size=(40, 3)) + 5 * (np.arange(40) >= 36)[:, None]
    y = np.arange(40) >= 36
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    np.savez(tmp_path / "one" / "45_wine.npz", X=X, y=y[:, None])
    test = {"test": X[20:], "test_labels": y[20:], "meta_info": np.array({"a": 1}, dtype=object)}
    np.savez(tmp_path / "two" / "b.npz", train=X[:20], **test)
    return X, y, [tmp_path / "one", tmp_path / "two"]


def test_sets_of_both_layouts_are_read(detection, sets):
    from detection.read import find_sets, rows, set_name

    X, y, folders = sets
    first, second = find_sets(folders)
    assert [set_name(first), set_name(second)] == ["one/45_wine", "two/b"]
    for path in (first, second):
        np.testing.assert_equal(rows(path, "unsupervised", 0), (X, X, y))
        train, test, labels = rows(path, "semi-supervised", 0)
        assert labels.sum() == 4
        assert (len(train), len(test)) == ((18, 22) if path == first else (20, 20))
        together = np.concatenate([train, test])
        np.testing.assert_equal(together[together[:, 0].argsort()], X[X[:, 0].argsort()])
    np.testing.assert_equal(rows(second, "semi-supervised", 7)[1], X[20:])
    assert not np.array_equal(*(rows(first, "semi-supervised", seed)[1] for seed in (0, 1)))


def test_samples_keep_rare_outliers(detection):
    from detection.read import sample

    y = np.arange(5000) < 3
    chosen = sample(y, 1000, np.random.default_rng(0))
    assert y[chosen].sum() == 3
    assert 1000 <= len(np.unique(chosen)) == len(chosen) <= 1003
    np.testing.assert_equal(sample(y, 5000, np.random.default_rng(0)), np.arange(5000))


def test_what_is_no_set_is_refused(detection, sets):
    from detection.read import find_sets

    folder = sets[2][0]
    with pytest.raises(SystemExit, match="have the same name"):
        find_sets([folder, folder])
    with pytest.raises(SystemExit, match="No set's name is like x"):
        find_sets([folder], ["x*"])
    with pytest.raises(SystemExit, match=r"has no \.npz files"):
        find_sets([folder.parent])
    np.savez(folder / "c.npz", X=np.ones(3))
    with pytest.raises(SystemExit, match=r"c\.npz is no set: it must hold"):
        find_sets([folder])


def raising(*_):
    raise ValueError("too odd\nand more")


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (
            lambda train, test, *_: np.r_[np.nan, np.inf, test[2:, 0]],
            "2 of 40 scores are not finite",
        ),
        (raising, "ValueError: too odd"),
    ],
)
def test_a_detector_without_finite_scores_has_failed(detection, sets, monkeypatch, scores, words):
    monkeypatch.setitem(detection.detectors.DETECTORS, "LOF", scores)
    path = sets[2][0] / "45_wine.npz"
    found = detection.runs.measured("LOF", path, "unsupervised", 0, 100)
    assert found["failed"] == words
    assert "auroc" not in found
    good = detection.runs.measured("Mahalanobis", path, "semi-supervised", 0, 100)
    assert good["auroc"] == 1
    assert "failed" not in good


def test_differences_are_paired_by_set(detection):
    from scipy.stats import sem, wilcoxon

    ours, theirs = np.random.default_rng(0).uniform(size=(2, 12))
    found = detection.report.paired(np.r_[ours, np.nan, 1], np.r_[theirs, 1, np.nan])
    assert found.sets == 12
    assert found.ahead == pytest.approx(ours.mean() - theirs.mean())
    assert found.error == pytest.approx(sem(ours - theirs))
    assert found.p == wilcoxon(ours, theirs).pvalue
    assert detection.report.paired(ours, ours) == (12, 0, 0, 1)


def test_failures_are_said_and_count_in_no_mean(detection):
    report, found = detection.report, {}
    for name, values in {"A": (0.4, 0.8, 0.6), "B": (None, 0.6, 0.8)}.items():
        for of, value in zip(["f/45_wine", "f/2_b", "f/3_c"], values, strict=True):
            for seed in (0, 1):
                good = {"auroc": value, "precision": value, "seconds": 1.0}
                failed = {"failed": "all NaN", "seconds": 1.0}
                found[name, of, "unsupervised", seed, 9] = failed if value is None else good
    asked = ["A", "B"], ["f/45_wine", "f/2_b", "f/3_c"], "unsupervised", [0, 1], 9
    lines = list(report.table(report.values_of(found, *asked), "A"))
    assert lines[0].startswith(
        "| detector | sets | AUROC | chosen on | others | precision | rank |"
    )
    assert lines[3].startswith("| A | 3 | 0.6000 | 0.4000 | 0.7000 | 0.6000 | 1.33 | 1.00 |")
    row = "| B | 2 | 0.7000 | nan | 0.7000 | 0.7000 | 1.67 | 1.00 | +0.0000 ± 0.2000 | 1 |"
    assert lines[2].startswith(row)
    assert lines[2].endswith("| -0.200 f/3_c |")
    told = list(report.losses(report.values_of(found, *asked), "A"))
    assert told == ["-0.200 f/3_c: 0.600, B 0.800"]
    assert list(report.failures(found, *asked)) == ["B failed on 1 (all NaN): f/45_wine"]
    del found["B", "f/3_c", "unsupervised", 1, 9]
    assert report.complete(found, *asked) == ["f/45_wine", "f/2_b"]


class Counting:
    """A runner that counts what it is asked for."""

    def __init__(self, version):
        self.versions, self.asked = {"isthmus": version}, []

    def __call__(self, name, *request):
        self.asked.append(name)
        return {"auroc": 1.0, "seconds": 0.0}


def test_runs_are_gone_on_with(detection, tmp_path):
    from detection.runs import collect, read_results, wanted

    path, names = tmp_path / "results.jsonl", ["isthmus", "LOF"]
    keys = wanted(names, [tmp_path / "a.npz"], ["unsupervised"], [0, 1], 9)
    again = []
    for version in "aab":
        runner = Counting(version)
        assert len(collect(runner, keys, path)) == 4
        again.append(runner.asked)
        path.write_text(path.read_text() + '{"detector": "LO')  # ended within a line
    assert again == [["isthmus", "LOF"] * 2, [], ["isthmus"] * 2]
    versions = [result["version"] for result in read_results(path).values()]
    assert versions == ["b", None, "b", None]
    assert len(path.read_text().splitlines()) == 6
    path.write_text("[1]\n")
    with pytest.raises(SystemExit, match="holds other lines than results"):
        read_results(path)


def test_another_version_runs_beside_peers(detection, sets, monkeypatch, tmp_path, capsys):
    import outliers

    package = tmp_path / "src" / "isthmus"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "class OutlierDetector:\n"
        "    def __init__(self, **parameters): self.told = parameters\n"
        "    def fit(self, X): return self\n"
        "    def score_samples(self, X): return -X[:, 0] * (self.told['random_state'] + 1)\n"
    )
    results, drawn = tmp_path / "results.jsonl", tmp_path / "drawn.png"
    words = f"--against {package.parent} --detectors LOF Mahalanobis --reference LOF --seeds 0 1"
    files = ["--results", str(results), "--picture", str(drawn), "--data", *map(str, sets[2])]
    monkeypatch.setattr(sys, "argv", ["outliers.py", *words.split(), *files])
    outliers.main()
    text = capsys.readouterr().out
    for heading in ("unsupervised, one: 1 sets", "semi-supervised, all: 2 sets"):
        assert heading in text
    assert text.count("| isthmus before | 2 | 1.0000 |") == 2
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert len(lines) == 2 * 2 * 2 * 3
    assert lines[0]["rows"] == 40
    assert drawn.stat().st_size > 10_000
    asked = [*sys.argv, "--report-only"]
    monkeypatch.setattr(sys, "argv", asked)
    outliers.main()
    assert capsys.readouterr().out == text.split("\n", 1)[1]
    for option, words in {
        "--reference": "--reference 'none' is not run; one of LOF, Mahalanobis, isthmus before is",
        "--against": "--against none has no package isthmus: give ",
    }.items():
        monkeypatch.setattr(sys, "argv", [*asked, option, "none"])
        with pytest.raises(SystemExit, match=words):
            outliers.main()


def test_peers_of_few_lines_are_what_they_are_named_for(detection, iris):
    from detection.detectors import mahalanobis, nearest_scaled
    from scipy.spatial.distance import mahalanobis as right
    from sklearn.neighbors import NearestNeighbors

    from isthmus import Autoencoder

    train, test = iris[::2], iris[1::2]
    inverse = np.linalg.inv(np.cov(train.T, bias=True))
    expected = [right(row, train.mean(axis=0), inverse) ** 2 for row in test]
    np.testing.assert_allclose(mahalanobis(train, test, "", 0), expected)
    doubled = (np.c_[X, X @ np.ones(4), np.ones(75)] for X in (train, test))
    np.testing.assert_allclose(mahalanobis(*doubled, "", 0), expected)
    settings = {"max_epochs": 1, "early_stopping": False, "dtype": "float64", "random_state": 0}
    model = Autoencoder(2, **settings).fit(train).fitted_.model
    known = NearestNeighbors(n_neighbors=1).fit(model.scaled(train))
    for protocol, rows in (("semi-supervised", model.scaled(test)), ("unsupervised", None)):
        found = nearest_scaled(train, test, protocol, 0)
        np.testing.assert_allclose(found, known.kneighbors(rows)[0][:, 0])
