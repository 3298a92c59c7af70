"""Callbacks of scikit-learn hear of a fit and of its epochs, where it has them."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from isthmus import Autoencoder
from isthmus.autoencoder.callbacks import THERE

QUICK = {"max_epochs": 4, "early_stopping": False, "random_state": 0}


class Listening:
    """A callback that keeps what it hears, and may end the training."""

    def __init__(self, stop_after=None, fail=False):
        self.heard, self.scores, self.stop_after, self.fail = [], [], stop_after, fail

    def setup(self, estimator, context):
        self.heard.append(("setup", context.max_subtasks))

    def on_fit_task_begin(self, estimator, context, *, X):
        self.heard.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, X, metadata, fitted_estimator):
        self.heard.append(("end", context.task_name))
        if self.fail:
            raise ZeroDivisionError
        self.scores.append(fitted_estimator.score(X))
        self.metadata = metadata
        return len(self.scores) == self.stop_after

    def teardown(self, estimator, context):
        self.heard.append(("teardown", None))


@pytest.fixture(autouse=True)
def callbacks():
    if not THERE:
        pytest.skip("scikit-learn has no callbacks before 1.9")


@pytest.fixture
def X(rng):
    return rng.normal(size=(40, 3))


def test_each_epoch_is_a_task(X):
    listening, seen = Listening(), []
    ae = Autoencoder(2, **QUICK).set_callbacks(listening)
    ae.fit(X, sample_weight=np.ones(40), on_epoch=lambda row: seen.append(row["epoch"]))
    epochs = [("begin", "epoch"), ("end", "epoch")] * 4
    whole = [("setup", 4), ("begin", "fit"), *epochs, ("end", "fit"), ("teardown", None)]
    assert listening.heard == whole
    assert seen == [1, 2, 3, 4]
    assert listening.scores[-1] == ae.score(X)
    assert len(listening.metadata["sample_weight"]) == 40
    alone = Autoencoder(2, **QUICK).fit(X)
    np.testing.assert_array_equal(ae.transform(X), alone.transform(X))


def test_a_callback_ends_the_training(X):
    listening, settings = Listening(stop_after=2), {**QUICK, "max_epochs": 4000}
    ae = Autoencoder(2, **settings).set_callbacks(listening).fit(X)
    assert 2 <= ae.n_iter_ < 4000  # epochs that were under way together are trained
    assert listening.heard.count(("end", "epoch")) == 2
    assert listening.heard[-3:] == [("end", "epoch"), ("end", "fit"), ("teardown", None)]


def test_layers_that_are_trained_before_count(rng):
    listening = Listening()
    settings = {**QUICK, "pretrain": "layerwise"}
    ae = Autoencoder(2, "dense:hidden=[3]", **settings).set_callbacks(listening)
    ae.fit(rng.normal(size=(40, 5)))
    assert listening.heard[0] == ("setup", 8)
    assert listening.heard.count(("end", "epoch")) == ae.n_iter_ == 8


def test_callbacks_are_torn_down_after_an_error(X):
    listening = Listening(fail=True)
    ae = Autoencoder(2, **QUICK).set_callbacks(listening)
    with pytest.raises(ZeroDivisionError):
        ae.fit(X)
    assert listening.heard[-1] == ("teardown", None)
    again = clone(ae).set_callbacks()  # none, and none is heard of
    again.fit(X)
    assert listening.heard[-1] == ("teardown", None)


def test_scikit_learns_own_callbacks_work(X, capsys):
    from sklearn.callback import ProgressBar

    search = GridSearchCV(Autoencoder(2, **QUICK), {"n_components": [1, 2]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=2)).fit(X)
    shown = capsys.readouterr().out
    assert "Autoencoder - fit" in shown
    assert "100%" in shown


def test_a_function_is_no_callback():
    with pytest.raises(
        TypeError, match=r"got the function print: fit\(X, on_epoch=...\) calls a f"
    ):
        Autoencoder().set_callbacks(print)
