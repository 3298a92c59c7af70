"""Progress: lines and bars on the standard error, and the terminal given back."""

import pytest

from isthmus import Autoencoder
from isthmus.training import progress as module
from isthmus.training.progress import Progress, describe_losses

HIDDEN, SHOWN = "\x1b[?25l", "\x1b[?25h"  # the cursor


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [1.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TTY_INTERACTIVE", "1")


def test_lines_are_the_first_one_every_five_seconds_and_the_last(capsys, clock):
    with Progress("fit", 1, total=9, unit="epochs") as progress:
        for second in range(8):
            clock[0] = 1.0 + second
            progress(1, f"loss {second}")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "fit: 0 of 9 epochs",
        "fit: 6 of 9 epochs  loss 5",
        "fit: 8 of 9 epochs  loss 7",
    ]


def test_steps_announced_before_are_done_or_no_longer_needed(capsys, clock):
    progress = Progress("tune", 1)
    progress.expect(10)
    progress(4)
    progress.expect(5)
    clock[0] += 5
    progress(1)
    progress(99)
    progress.close()
    assert capsys.readouterr().err.splitlines() == [
        "tune: 0 of 10 steps",
        "tune: 11 of 15 steps",
        "tune: 15 of 15 steps",
    ]


def test_work_that_is_done_early_is_shown_as_done(capsys):
    with Progress("fit", 1, total=9) as progress:
        progress(2, "loss 1")
        progress.finish()
    assert capsys.readouterr().err.splitlines()[-1] == "fit: 2 of 2 steps  loss 1"


def test_a_fit_that_stops_early_says_so(capsys, iris):
    ae = Autoencoder(2, tol=0.9, n_iter_no_change=1, max_epochs=500, random_state=0, verbose=1)
    with pytest.warns(UserWarning, match="PCA"):
        ae.fit(iris)
    n = ae.n_iter_
    assert n < 500
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"fit: {n} of {n} epochs")
    assert last.endswith("stopped early")


def test_work_without_steps_is_one_line(capsys):
    with Progress("drawing", 1):
        assert capsys.readouterr().err == "drawing\n"
    assert capsys.readouterr().err == ""


def test_no_line_is_printed_twice(capsys):
    progress = Progress("fit", 1, total=3)
    progress.reach(3)
    progress.close()
    assert capsys.readouterr().err == "fit: 3 of 3 steps\n"


@pytest.mark.parametrize("total", [None, 4])
def test_verbose_0_is_silent(capsys, terminal, total):
    with Progress("fit", 0, total) as progress:
        progress(2)
    assert progress.done == 2
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal_shows_steps_and_notes(capsys, terminal):
    with Progress("fit", 1, total=4, unit="epochs") as progress:
        progress.reach(4, "loss 0.5")
    err = capsys.readouterr().err
    assert "4/4 epochs" in err
    assert "loss 0.5" in err
    assert HIDDEN in err
    assert err.rstrip("\n").endswith(SHOWN)


@pytest.mark.parametrize("total", [None, 4])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_the_terminal_is_given_back_after_errors_and_interrupts(capsys, terminal, error, total):
    def fail():
        with Progress("fit", 1, total) as progress:
            progress(1)
            raise error

    with pytest.raises(error):
        fail()
    err = capsys.readouterr().err
    assert err.count(HIDDEN) == err.count(SHOWN) == 1
    assert err.rindex(HIDDEN) < err.rindex(SHOWN)


def test_losses_are_described_with_those_of_the_rows_held_out():
    assert describe_losses({"loss": 0.5, "validation_loss": 0.25}) == (
        "loss 0.50000  validation 0.25000"
    )
    assert describe_losses({"loss": 0.5, "validation_loss": float("nan")}) == "loss 0.50000"
