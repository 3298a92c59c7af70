"""Checkpoints, and what a fit survives: damage, a full disk, lost signals, a closed standard error."""

import contextlib
import io
import signal
import sys
import warnings

import numpy as np
import pytest

import isthmus
from isthmus.cli.commands import fit


def long_fit(folder, *words):
    """Return a command line that trains in many chunks, in an odd number of steps an epoch."""
    rng = np.random.default_rng(0)
    np.save(folder / "long.npy", rng.normal(size=(700, 20)).astype(np.float32))
    return ["fit", "long.npy", "--random-state", "3", "--quiet", *words]


@pytest.fixture
def chunks(monkeypatch):
    """Make chunks short, and checkpoints due after each epoch."""
    monkeypatch.setattr(fit, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("isthmus.training.trainer.chunk_length", lambda *_: 16)


@pytest.fixture
def checkpointed(cli, tmp_path, monkeypatch, chunks):
    """Return a fit's command line that leaves two checkpoints and is interrupted after four epochs."""
    words = long_fit(tmp_path, "--max-epochs", "6", "--batch-size", "40", "--checkpoint")
    hear = fit.Training._on_epoch

    def stopped(self, row):
        hear(self, row)
        if row["epoch"] == 4:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(fit.Training, "_on_epoch", stopped)
        assert cli(*words).status == 130
    return words


def test_a_damaged_checkpoint_leaves_the_one_before(cli, checkpointed, tmp_path):
    newest, before = tmp_path / "long.isthmus", tmp_path / "long.isthmus.previous"
    assert isthmus.load(before).unfinished_epochs >= 3
    content = bytearray(newest.read_bytes())
    content[-9] ^= 4
    newest.write_bytes(content)
    again = ["fit", "long.npy", "--resume", "long.isthmus", "--checkpoint", "--quiet"]
    ended = cli(*again)
    assert ended.status == 0
    assert "digest that was written with them. The fit goes on from the checkpoint be" in ended.err
    assert cli(*checkpointed, "-o", "whole.isthmus").status == 0
    whole, resumed = isthmus.load("whole.isthmus"), isthmus.load("long.isthmus")
    np.testing.assert_array_equal(whole.net_.encoder[0].weight, resumed.net_.encoder[0].weight)
    names = {path.name for path in tmp_path.iterdir() if "isthmus" in path.name}
    assert names == {"long.isthmus", "whole.isthmus"}  # a whole fit leaves one file
    newest.write_bytes(content)
    before.write_bytes(content)
    ended = cli(*again)
    assert ended.status == 1
    assert ended.err.startswith("isthmus: long.isthmus is cut off or damaged")


def test_a_new_fit_has_no_checkpoint_of_another(cli, checkpointed, tmp_path, monkeypatch):
    def refuse(self, row):
        fit.Training._checkpoint(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(fit.Training, "_on_epoch", refuse)
    monkeypatch.setattr(fit.Training, "_save_last", lambda *_, **__: None)
    assert cli(*checkpointed, "--force").status == 130
    assert not (tmp_path / "long.isthmus.previous").exists()


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("more", [[], ["--checkpoint"]])
def test_a_file_of_the_users_own_stays(cli, tmp_path, more):
    mine = tmp_path / "long.isthmus.previous"
    mine.write_text("mine")
    assert cli(*long_fit(tmp_path, "--max-epochs", "3", *more)).status == 0
    assert mine.read_text() == "mine"
    isthmus.load("long.isthmus").save(tmp_path / "other.isthmus")
    whole = (tmp_path / "other.isthmus").read_bytes()
    mine.write_bytes(whole)
    assert cli(*long_fit(tmp_path, "--max-epochs", "3", "--force", *more)).status == 0
    assert mine.read_bytes() == whole


@pytest.mark.usefixtures("chunks")
def test_a_checkpoint_that_fails_is_said_once_and_ends_nothing(cli, tmp_path, monkeypatch):
    save, calls = isthmus.Autoencoder.save, []

    def full(self, path, **options):
        calls.append(options)
        if len(calls) in (1, 2, broken):
            raise isthmus.ModelFileError("Cannot write long.isthmus: No space left on device.")
        save(self, path, **options)

    broken = None
    words = long_fit(tmp_path, "--max-epochs", "6", "--batch-size", "40", "--checkpoint")
    monkeypatch.setattr(isthmus.Autoencoder, "save", full)
    ended = cli(*words)
    assert ended.status == 0
    assert ended.err.count("No space left on device; training goes on") == 1
    assert isthmus.load("long.isthmus").n_iter_ == 6
    broken = len(calls)
    calls.clear()
    ended = cli(*words, "--force")
    assert ended.status == 1
    assert "the last checkpoint is in long.isthmus; to go on: isthmus fit long.npy" in ended.err
    assert isthmus.load("long.isthmus").unfinished_epochs >= 4


@pytest.mark.usefixtures("chunks")
def test_a_signal_that_a_callback_loses_is_asked_for(cli, tmp_path, monkeypatch):
    from isthmus.training.trainer import Trainer

    chunk = Trainer._run_chunk

    def losing(self, state, count):
        if state.step:
            with contextlib.suppress(KeyboardInterrupt):  # as a destructor does
                signal.raise_signal(signal.SIGTERM)
        return chunk(self, state, count)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_run_chunk", losing)
        assert cli(*long_fit(tmp_path, "--max-epochs", "99")).status == 143
    assert isthmus.load("long.isthmus").n_iter_ < 9
    isthmus.Autoencoder(2, max_epochs=1).fit(np.load("long.npy"))  # no signal of a command is left


class Closed(io.StringIO):
    """A stream whose reader has left."""

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("stream", [Closed(), None], ids=["broken", "none"])
def test_a_closed_standard_error_ends_nothing(cli, tmp_path, monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream)
    words = long_fit(tmp_path, "--max-epochs", "2", "--n-components", "30")
    ended = cli(*[word for word in words if word != "--quiet"])
    assert ended.status == 0
    assert "long.isthmus" in ended.out
    assert isthmus.load("long.isthmus").n_iter_ == 2


def test_a_held_lock_of_the_cache_is_given_up_once(capsys):
    import jax

    from isthmus.cli.terminal import shown_warnings

    try:
        with shown_warnings(debug=False):
            for name in ("one", "two"):
                warnings.warn(
                    f"Error reading persistent compilation cache entry for {name!r}: Timeout: The file "
                    "lock could not be acquired.",
                    stacklevel=1,
                )
        assert not jax.config.jax_enable_compilation_cache
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
    assert capsys.readouterr().err.count("another process holds the lock") == 1
