"""Several processes that train one model: the same as one process, and never a silent hang."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from threading import Event

import jax
import numpy as np
import pytest

import isthmus
from isthmus import Autoencoder
from isthmus.training import Team, TeamError, TrainerSettings, current_team, join_team, windows
from isthmus.training.team import OF_KUBEFLOW, _number_of_its_own, agreed
from isthmus.training.windows import FarRows

SETTINGS = ["--batch-size", "50", "--max-epochs", "6", "--sparsity", "kl", "--corruption", "swap"]
DIES = """
import os, sys, numpy as np
from isthmus.training import TeamError, join_team
from isthmus import Autoencoder

team = join_team(sys.argv[1], 2, int(sys.argv[2]))
ae = Autoencoder(2, batch_size=50, max_epochs=9, random_state=0)

def watch(row):
    if team.is_first and row["epoch"] == 3:
        ae.save(sys.argv[4], resume=True)
    if not team.is_first and row["epoch"] == 5:
        os.kill(os.getpid(), 9)

try:
    ae.fit(np.load(sys.argv[3]), on_epoch=watch)
except TeamError as error:
    print(error)
    raise
"""

FAR = """
import sys, numpy as np
from isthmus.training import join_team, windows
from isthmus import Autoencoder

windows.WINDOW = 1000  # values: less than a third of the rows
team = join_team(sys.argv[1], 2, int(sys.argv[2]))
ae = Autoencoder(2, batch_size=50, max_epochs=2, random_state=0, sparsity="kl").fit(sys.argv[3])
if team.is_first:
    ae.save(sys.argv[4])
"""


def a_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def both(*command, variables=()):
    """Run a command as two processes; {process} and {port} are filled in, and those of Kubeflow set."""
    port = a_port()
    values = (f"127.0.0.1:{port}", "2")
    with_each = [[word.format(process=i, port=port) for word in command] for i in range(2)]
    started = [
        subprocess.Popen(
            [sys.executable, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | dict(zip(variables, (*values, str(i)), strict=False)),
        )
        for i, words in enumerate(with_each)
    ]
    try:
        ended = [process.communicate(timeout=240) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, *texts) for process, texts in zip(started, ended, strict=True)]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """501 rows: batches that two processes cannot share out evenly, and a last one that is short."""
    path = tmp_path_factory.mktemp("team") / "rows.npy"
    rng = np.random.default_rng(0)
    z = rng.normal(size=(501, 3))
    np.save(path, np.tanh(z @ rng.normal(size=(3, 8))) + 0.1 * rng.normal(size=(501, 8)))
    return path


def fit_by_two(rows, model, *, variables=()):
    command = ["-m", "isthmus", "fit", str(rows), "-o", str(model), *SETTINGS, "--json"]
    if variables:
        return both(*command, "--coordinator", "auto", variables=variables)
    of_team = ["--coordinator", "127.0.0.1:{port}", "--processes", "2", "--process", "{process}"]
    return both(*command, *of_team)


def weights(model):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(isthmus.load(model).net_)]


def test_two_processes_give_the_weights_of_one_and_the_same_bits_each_time(rows, tmp_path, capsys):
    alone, first, second = (tmp_path / f"{name}.isthmus" for name in ("alone", "one", "two"))
    assert isthmus.__main__.main(["fit", str(rows), "-o", str(alone), *SETTINGS, "--quiet"]) == 0
    for model, variables in ((first, ()), (second, OF_KUBEFLOW)):
        (status, out, err), (status_of_other, *texts) = fit_by_two(rows, model, variables=variables)
        assert (status, status_of_other) == (0, 0), err
        assert json.loads(out)["epochs"] == 6
        assert texts[0] == ""  # the first process alone says what was done
    for ours, again, one in zip(weights(first), weights(second), weights(alone), strict=True):
        np.testing.assert_array_equal(ours, again)
        np.testing.assert_allclose(ours, one, atol=1e-5)


def test_a_lost_process_ends_the_other_and_its_checkpoint_goes_on_alone(rows, tmp_path):
    model = tmp_path / "m.isthmus"
    (status, out, err), (killed, *_) = both(
        "-c", DIES, "127.0.0.1:{port}", "{process}", str(rows), str(model)
    )
    assert (status, killed) == (1, -9), err
    assert "A process of the 2 that train together is lost, so process 0 ends, too" in out
    X = np.load(rows)
    resumed = isthmus.load(model).set_params(warm_start=True, max_epochs=9).fit(X)
    whole = Autoencoder(2, batch_size=50, max_epochs=9, random_state=0).fit(X)
    assert resumed.n_iter_ == whole.n_iter_ == 9
    for ours, one in zip(jax.tree.leaves(resumed.net_), jax.tree.leaves(whole.net_), strict=True):
        np.testing.assert_allclose(ours, one, atol=1e-5)


def test_each_process_reads_its_part_of_a_window(rows, tmp_path, monkeypatch):
    model = tmp_path / "m.isthmus"
    ended = both("-c", FAR, "127.0.0.1:{port}", "{process}", str(rows), str(model))
    assert [status for status, *_ in ended] == [0, 0], ended[0][2]
    monkeypatch.setattr(windows, "WINDOW", 1000)
    alone = Autoencoder(2, batch_size=50, max_epochs=2, random_state=0, sparsity="kl").fit(rows)
    for ours, one in zip(weights(model), jax.tree.leaves(alone.net_), strict=True):
        np.testing.assert_allclose(ours, one, atol=1e-5)


def test_a_part_is_filled_by_each_process_and_read_by_no_other():
    parts = [Team(i, 3).part(10) for i in range(3)]
    assert parts == [(0, 4), (4, 8), (8, 10)]
    data = FarRows(lambda start, stop: read.append((start, stop)) or (0, 1), 40, 5, "float32", None)
    for number in range(2):
        read = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(windows, "WINDOW", 100)
            feed = windows.Windows(data, TrainerSettings(5, 1, 0.01, 0), Team(number, 2))
        rows = [row for start, stop in feed.order.runs(0, 0) for row in range(start, stop)]
        feed._read(0, Event())
        ours = [row for start, stop in read for row in range(start, stop)]
        assert ours == [rows[:10], rows[10:]][number]


def test_processes_with_other_rows_are_told_so(rows, tmp_path):
    other = tmp_path / "rows1.npy"
    np.save(other, np.load(rows)[::-1])
    np.save(tmp_path / "rows0.npy", np.load(rows))
    ended = fit_by_two(tmp_path / "rows{process}.npy", tmp_path / "m.isthmus")
    for status, _, err in ended:
        assert status == 1
        assert "Process 1 of 2 has other rows than process 0" in err
    assert not (tmp_path / "m.isthmus").exists()


def test_a_team_of_one_gives_the_bits_of_a_process_alone(rows, monkeypatch):
    X = np.load(rows)
    settings = {"sparsity": "kl", "batch_size": 50, "max_epochs": 3, "random_state": 0}
    alone = Autoencoder(2, **settings).fit(X)
    monkeypatch.setattr("isthmus.training.team._Here.team", Team(0, 1))
    together = Autoencoder(2, **settings).fit(X)
    assert together.history_["validation_loss"] == alone.history_["validation_loss"]
    for ours, one in zip(jax.tree.leaves(together.net_), jax.tree.leaves(alone.net_), strict=True):
        np.testing.assert_array_equal(ours, one)


def test_work_is_shared_out_in_turn():
    assert [Team(i, 3).share(range(8)) for i in range(3)] == [
        range(0, 8, 3),
        range(1, 8, 3),
        range(2, 8, 3),
    ]


def test_a_process_alone_agrees_with_itself():
    assert current_team() is None
    assert agreed(7) == 7


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("host:1", 2, None), "belong together: give all three"),
        (("host:1", 2, 2), "process must be from 0 to 1; got 2"),
        (("host:1", 0, 0), "processes must be at least 1; got 0"),
        ((None, None, None), "JAX has computed in this process before: join the others first"),
    ],
)
def test_what_cannot_be_joined_is_said(given, said):
    jax.devices()
    with pytest.raises(TeamError, match=said):
        join_team(*given)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--processes", "2"], "--processes needs --coordinator, the HOST:PORT of process 0."),
        (["--coordinator", "auto", "--process", "1"], "finds out the rest: leave out --process"),
        (["--coordinator", "h:1", "--process", "1"], "needs --processes and --process, too"),
        (
            ["--coordinator", "h", "--processes", "2", "--process", "0"],
            "--coordinator must be HOST:PORT, such as node1:8476, or auto; got 'h'",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(rows, tmp_path, options, said, capsys):
    model = tmp_path / "m.isthmus"
    assert isthmus.__main__.main(["fit", str(rows), "-o", str(model), *options]) == 2
    assert said in capsys.readouterr().err
    assert not model.exists()


def test_a_process_that_nothing_started_is_told_what_to_give():
    for status, _, err in both("-c", "from isthmus.training import join_team; join_team()"):
        assert status == 1
        assert "Neither Slurm, Open MPI, Kubeflow nor Kubernetes started this process" in err


def test_a_process_that_waits_for_others_can_be_ended(rows, tmp_path):
    of_team = ["--coordinator", f"127.0.0.1:{a_port()}", "--processes", "2", "--process", "0"]
    command = ["-m", "isthmus", "fit", str(rows), "-o", str(tmp_path / "m.isthmus"), *of_team]
    waiting = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
    assert "waiting for 2 processes at 127.0.0.1:" in waiting.stderr.readline()
    time.sleep(3)  # JAX is imported, and waits
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=20)
    assert waiting.returncode != 0


def test_a_port_that_is_in_use_is_named():
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        code = f"from isthmus.training import join_team; join_team({place!r}, 2, 0)"
        ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert f"The port of {place} cannot be opened on this machine" in ended.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names without files")
def test_a_number_that_is_given_twice_is_named():
    at = f"127.0.0.1:{a_port()}"
    for _ in range(2):  # what failed has given its number back
        with pytest.raises(TeamError, match="JAX has computed in this process before"):
            join_team(at, 2, 1)
    with (
        _number_of_its_own(at, 1),
        pytest.raises(TeamError, match="Process 1 of this team runs on this machine already"),
    ):
        join_team(at, 2, 1)
