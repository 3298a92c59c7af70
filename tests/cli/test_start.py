"""How fast the command line answers: what it imports, and how it finds its commands."""

import subprocess
import sys
from pathlib import Path

from isthmus import __main__ as program
from isthmus.cli import app, commands

HEAVY = ("jax", "sklearn", "scipy", "matplotlib", "equinox", "optax")


def imported(*lines):
    """Run command lines in one process; return their statuses, and what is imported after each."""
    code = (
        "import sys\nfrom isthmus.cli.app import run\n"
        f"for words in {[line.split() for line in lines]!r}:\n"
        "    print('ended', run(words), *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ended = [line.split()[1:] for line in done.stderr.splitlines() if line.startswith("ended ")]
    assert len(ended) == len(lines)
    return [(int(status), set(names)) for status, *names in ended]


def test_help_needs_no_library_of_numbers():
    lines = ["--version", "--help", *(f"{name} --help" for name in app.COMMANDS)]
    for line, (status, names) in zip(lines, imported(*lines), strict=True):
        assert status == 0, line
        assert not names & {*HEAVY, "numpy", "polars"}, line


def test_mistakes_are_answered_before_jax():
    lines = [
        "fit missing.csv",
        "fit . --columns a",
        "fit missing.csv --los mae",
        "fot",
        "encode missing.isthmus x.csv -o codes.csv",
        "reconstruct missing.isthmus x.csv -o again.csv",
        "score missing.isthmus x.csv",
        "info missing.isthmus",
        "report missing.isthmus x.csv",
        "embed missing.isthmus x.csv -o map.png",
        "compare missing.csv --label kind",
        "tune missing.csv --grid n_components=1,2",
        "export missing.isthmus -o m.onnx",
        "detect missing.csv",
        "explain missing.isthmus x.csv",
        "recalibrate missing.isthmus x.csv -o m.isthmus",
        "threshold missing.isthmus x.csv",
        "denoise missing.isthmus x.csv -o again.csv",
        "impute missing.csv",
        "monitor missing.isthmus --new x.csv",
    ]
    for line, (status, names) in zip(lines, imported(*lines), strict=True):
        assert status in (1, 2), line
        assert not names & set(HEAVY), line


def test_a_command_is_one_file():
    files = {path.stem for path in Path(commands.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(app.COMMANDS) == files
    assert files == {name for name in app.app if not name.startswith("-")}


def test_only_the_command_that_runs_is_imported():
    ((_, names),) = imported("info missing.isthmus")
    assert {name for name in names if name.startswith("isthmus.cli.commands.")} == {
        "isthmus.cli.commands.info"
    }


def test_arguments_of_a_caller_leave_its_collector_alone(monkeypatch):
    changed = []
    monkeypatch.setattr(program.gc, "set_threshold", changed.append)
    monkeypatch.setattr(program.gc, "freeze", lambda: changed.append("frozen"))
    monkeypatch.setattr(sys, "argv", ["isthmus", "--version"])
    assert program.main(["--version"]) == 0
    assert changed == []
    assert program.main() == 0
    assert changed == [program.NEW_OBJECTS, "frozen"]
