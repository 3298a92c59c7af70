"""`import isthmus`: what it costs, and what type checkers and editors see of it."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import isthmus

ROOT = Path(__file__).parents[1]
SOURCE = Path(isthmus.__file__).parent

SCRIPT = """
from pathlib import Path
from typing import assert_type

import numpy as np

import isthmus
from isthmus import KL, Autoencoder, Contractive, Dense, OutlierDetector, load, presets, tune

X = np.random.default_rng(0).normal(size=(200, 8))
model = Autoencoder(4, "dense:hidden=[16]", sparsity="kl", max_epochs=5, random_state=0).fit(X)
assert_type(model, Autoencoder)
assert_type(model.transform(X), np.ndarray)
assert_type(model.reconstruct(X), np.ndarray)
assert_type(model.score_samples(X), np.ndarray)
assert_type(model.summary(), str)
assert_type(model.score(X), float)

full = Autoencoder(
    2,
    architecture=Dense(hidden=(64, 32), tied=True),
    corruption=("gaussian:std=0.3", "swap"),
    sparsity=KL(rho=0.1),
    penalty=("l2", Contractive(weight=1e-3)),
    loss=lambda x_out, x: abs(x_out - x).mean(1),
)
full.fit(X.tolist(), sample_weight=np.ones(200))
assert_type(presets.denoising(4, max_epochs=5), Autoencoder)

detector = OutlierDetector(contamination=0.05, n_estimators=3).fit(X)
assert_type(detector, OutlierDetector)
assert_type(detector.predict(X), np.ndarray)
assert_type(detector.pvalues(X), np.ndarray)
detector.explain(X[:3]).frame(top=3)

search = tune(Autoencoder(2), {"n_components": [2, 4], "learning_rate": [1e-3, 1e-2]}, X)
assert_type(search.best_estimator_, Autoencoder)

model.save(Path("model.isthmus"))
loaded = load("model.isthmus")
if isinstance(loaded, Autoencoder):
    loaded.transform(X)
isthmus.images.read_images("photos").pixels.mean()
isthmus.plots.curves
"""

MISTAKES = {  # each line, and what a checker says of it
    "isthmus.Autoencoder(n_componets=3)": 'Unexpected keyword argument "n_componets" for "Auto',
    "isthmus.OutlierDetector(contaminaton=0.1)": 'Unexpected keyword argument "contaminaton"',
    "isthmus.Dense(hiden=(3,))": 'Unexpected keyword argument "hiden" for "Dense"',
    "isthmus.Autoencodr(3)": 'Module has no attribute "Autoencodr"',
    "isthmus.presets.denoisin(3)": 'Module has no attribute "denoisin"; maybe "denoising"?',
    "isthmus.Autoencoder(3).fit()": 'Missing positional argument "X" in call to "fit"',
}


def test_a_checker_finds_mistakes_and_nothing_else(tmp_path):
    pytest.importorskip("mypy", reason="mypy comes with isthmus[dev]")
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "mistakes.py").write_text("\n".join(["import isthmus", *MISTAKES]) + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports"]
    command += ["--follow-imports=silent", "--config-file=", "--no-pretty", "--no-error-summary"]
    command += ["--cache-dir", str(ROOT / ".pytest_cache" / "mypy"), "script.py", "mistakes.py"]
    installed = SOURCE.parent.name == "site-packages"  # where mypy looks by itself
    paths = {} if installed else {"MYPYPATH": str(SOURCE.parent)}
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | paths, capture_output=True, text=True
    )
    assert done.stderr == ""
    found = [line for line in done.stdout.splitlines() if ": note: " not in line]
    assert len(found) == len(MISTAKES), done.stdout  # and none in script.py
    for i, message in enumerate(MISTAKES.values()):
        assert found[i].startswith(f"mistakes.py:{i + 2}: error: {message}")


def test_checkers_see_the_names_that_are_there():
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(block.test) == "TYPE_CHECKING"
    seen = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name  # an explicit re-export
            seen[alias.name] = node.module
    assert sorted(seen) == isthmus.__all__
    for name, module in seen.items():
        whole = f"{module}.{name}"
        found = getattr(isthmus, name)
        assert found is (sys.modules.get(whole) or getattr(sys.modules[module], name))


def test_rooms_that_users_name_are_there_at_once():
    code = "import isthmus; print(isthmus.images.Images, isthmus.presets.deep, isthmus.plots)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="module 'isthmus' has no attribute 'imges'"):
        isthmus.imges  # noqa: B018


def test_importing_isthmus_loads_nothing_and_takes_no_time():
    code = (
        "import time, sys; begin = time.perf_counter(); import isthmus; "
        "print(time.perf_counter() - begin, *{m.partition('.')[0] for m in sys.modules})"
    )
    lines = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    seconds, modules = zip(*(line.stdout.split(maxsplit=1) for line in lines), strict=True)
    assert min(map(float, seconds)) < 0.05
    heavy = {"jax", "numpy", "sklearn", "polars", "matplotlib", "equinox", "scipy", "cyclopts"}
    assert not heavy & set(modules[0].split())
