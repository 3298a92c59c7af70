"""Where JAX computes: in forked processes not at all, and beside users' stricter settings as ever."""

import multiprocessing
import subprocess
import sys

import jax
import numpy as np
import pytest

from isthmus import Autoencoder, OutlierDetector, load

FORKED = "^This process was forked after JAX had started.*'spawn' or 'forkserver'.*ONNX file"
forks = pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork here"
)
SETTINGS = {"max_epochs": 1, "batch_size": 20, "random_state": 0}


@forks
@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_forked_worker_says_what_to_do(rng, tmp_path):
    X = rng.normal(size=(40, 3))
    ae = Autoencoder(2, **SETTINGS).fit(X)
    detector = OutlierDetector(ae, n_estimators=2, random_state=0).fit(X)
    ae.save(tmp_path / "m.isthmus")
    with multiprocessing.get_context("fork").Pool(1) as pool:
        with pytest.raises(RuntimeError, match=FORKED):
            pool.apply_async(load, [tmp_path / "m.isthmus"]).get(timeout=30)
        for work in (ae.transform, ae.partial_fit, detector.score_samples, Autoencoder(2).fit):
            with pytest.raises(RuntimeError, match=FORKED):
                pool.apply_async(work, [X]).get(timeout=30)
    assert ae.transform(X).shape == (40, 2)  # here it goes on


FRESH = """
import multiprocessing, numpy, isthmus
context, X = multiprocessing.get_context("fork"), numpy.eye(4)

ae = isthmus.Autoencoder(2, max_epochs=1, random_state=0)

def fit(_):
    return ae.fit(X).transform(X).shape

with context.Pool(1) as pool:
    print(pool.apply_async(fit, [0]).get(timeout=60))
import jax
jax.devices()
with context.Pool(1) as pool:
    try:
        pool.apply_async(fit, [0]).get(timeout=60)
    except RuntimeError as error:
        print(str(error)[:20])
"""


@forks
def test_a_process_forked_before_jax_started_computes():
    command = [sys.executable, "-W", "ignore", "-c", FRESH]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert ended.stdout.splitlines() == ["(4, 2)", "This process was for"], ended.stderr


@pytest.mark.parametrize(
    "settings",
    [
        {"sparsity": "kl", "penalty": ("l2", "contractive"), "dtype": "float64"},
        {"sparsity": "topk:k=1", "corruption": ("gaussian", "masking", "swap"), "loss": "huber"},
        {"sparsity": "l1", "penalty": "contractive:probes=1", "loss": "lp", "scaling": "minmax"},
        {"architecture": "dense:hidden=[3],dropout=0.1,tied=True,norm=layer", "loss": "bce"},
        {"architecture": "conv1d:channels=[2],norm=layer", "loss": "cosine"},
        {"pretrain": "layerwise", "corruption": ("saltpepper", "uniform"), "loss": "poisson"},
    ],
)
def test_a_users_strict_settings_of_jax_do_not_count_inside(settings, rng):
    X = rng.integers(0, 2, (40, 12)).astype(float)
    ae = Autoencoder(2, **{"architecture": "dense:hidden=[4]", **SETTINGS, **settings})
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        ae.fit(X).score(X)
        codes = ae.transform(X)
        with pytest.raises(Exception, match="promotion"):
            jax.numpy.ones(3) + jax.numpy.arange(3)  # a user's own sums are held to them
    np.testing.assert_array_equal(codes, ae.transform(X))


def test_members_trained_in_threads_know_no_strict_settings(rng):
    X = rng.normal(size=(40, 6))
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        detector = OutlierDetector(Autoencoder(2, **SETTINGS), n_estimators=2, random_state=0)
        assert detector.fit(X).score_samples(X).shape == (40,)
