"""`isthmus warm` compiles what workers need, once."""

import os
import subprocess
import sys

import jax
import numpy as np
import polars as pl
import pytest

import isthmus
from isthmus.scale import Scorer, warm
from isthmus.training import cache_folder

WORKER = """
import sys
import jax
import numpy as np
from isthmus.scale import Scorer

compiled = []
jax.monitoring.register_event_listener(lambda name, **_: compiled.append(name))
for n in (1, 100):
    print(float(Scorer(sys.argv[1])(np.zeros((n, 4)))[0]))
print(sum(name.endswith("cache_misses") for name in compiled))
print(sum(name.endswith("cache_hits") for name in compiled) > 0)
"""


def test_a_worker_compiles_nothing_that_was_warmed(cli, stored, tmp_path):
    path, model, _ = stored["detector"]
    jax.clear_caches()  # as in a new process
    shown = cli("warm", path, "--batch", 100, "-o", tmp_path / "programs", "--json")
    assert shown.status == 0, shown.err
    folder = cache_folder(tmp_path / "programs")
    assert f'"folder": "{folder}"' in shown.out
    assert any(folder.iterdir())
    environment = {**os.environ, "ISTHMUS_CACHE": str(tmp_path / "programs")}
    command = [sys.executable, "-W", "ignore", "-c", WORKER, path]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *scores, misses, hit = done.stdout.split()
    zeros = pl.DataFrame(np.zeros((2, 4)), schema=list("abcd"))
    np.testing.assert_array_equal(list(map(float, scores)), model.score_samples(zeros))
    assert (misses, hit) == ("0", "True")


@pytest.mark.parametrize(
    "name", ["numbers", "mixed", "array", "images", "groups", "detector_groups", "detector"]
)
def test_all_parts_of_all_models_are_warmed(stored, name):
    parts = warm(stored[name].path, 3)
    expected = ["score", "encode", "reconstruct"]
    assert parts == (["score", "encode", "detect", "pvalues"] if "detector" in name else expected)


def test_warming_refuses_what_cannot_be(cli, stored, tmp_path):
    path = stored["array"].path
    assert "at least 1; got 0" in cli("warm", path, "--batch", 0).err
    assert "no.isthmus: there is no such file" in cli("warm", "no.isthmus").err
    (tmp_path / "file").write_text("")
    ended = cli("warm", path, "-o", tmp_path / "file")
    assert ended.status == 1
    assert "Cannot write to" in ended.err


def test_a_folder_that_cannot_be_written_to_is_read(stored, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    folder = isthmus.enable_compilation_cache(tmp_path / "shipped")
    jax.clear_caches()
    warm(stored["array"].path, 1)
    assert list(folder.iterdir()) == []
    monkeypatch.undo()
    isthmus.enable_compilation_cache(tmp_path / "shipped")
    jax.clear_caches()
    warm(stored["array"].path, 1)
    assert len(list(folder.glob("*-cache"))) > 0


def test_workers_without_a_folder_say_so_and_score(stored, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path / "file"))
    jax.config.update("jax_compilation_cache_dir", None)
    path, model, X = stored["array"]
    with pytest.warns(UserWarning, match="Compiled programs are not kept"):
        scores = Scorer(path)(X)
    np.testing.assert_array_equal(scores, model.score_samples(X))
