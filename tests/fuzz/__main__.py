"""`python -m fuzz`: read a great many changed files, and print what went wrong.

Each reader has a process of its own; one that is ended by a reader is begun again behind the input
that did it, of which only the number and the way it ended are kept.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import subprocess
import sys
from pathlib import Path

from fuzz.driver import Fuzzer, Progress, folder_in_memory, kept_seeds, run
from fuzz.guard import Watch
from fuzz.readers import READERS


def arguments() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("readers", nargs="*", default=[*READERS], help="which; all by default")
    parser.add_argument("-n", "--inputs", type=int, default=100_000, help="of each reader, in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state", type=Path, default=Path(".fuzz"), help="where progress is kept")
    parser.add_argument(
        "--only", type=int, help="judge the input of this number, and print its error"
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def one(name: str, args: argparse.Namespace) -> None:
    """Judge one input, and let its error through."""
    with folder_in_memory() as folder:
        seeds = kept_seeds(name, args.state)
        fuzzer = Fuzzer(name, Watch(), folder, args.seed, seeds)
        fuzzer.path.write_bytes(fuzzer.input(args.only))
        say(str(fuzzer.reader.read(fuzzer.path)))


def child(name: str, args: argparse.Namespace) -> None:
    """Run one reader in this process."""
    faulthandler.enable(file=sys.stdout)
    with folder_in_memory() as folder:
        fuzzer = Fuzzer(name, Watch(), folder, args.seed, kept_seeds(name, args.state))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries print there, each in its own way
        fuzzer.warm_up()
        run(fuzzer, Progress(state_file(args, name)), args.inputs, args.state / f"{name}.now")


def state_file(args: argparse.Namespace, name: str) -> Path:
    """Return where the progress of a reader is kept."""
    return args.state / f"{name}-{args.seed}.json"


def parent(name: str, args: argparse.Namespace) -> dict:
    """Run one reader in a process of its own until its inputs are done."""
    now = args.state / f"{name}.now"
    while True:
        now.write_bytes(b"%20d" % -1)
        command = [sys.executable, "-m", "fuzz", name, "--child", "-n", str(args.inputs)]
        command += ["--seed", str(args.seed), "--state", str(args.state)]
        status = subprocess.run(command, check=False).returncode
        progress, number = Progress(state_file(args, name)), int(now.read_bytes())
        if status == 0:
            return progress.state
        if number < 0 or status in (130, -2):
            sys.exit(f"{name} could not begin, or was interrupted: status {status}.")
        ended = progress.state["ended"] | {str(number): f"the process ended with status {status}"}
        progress.write(next=number + 1, ended=ended)


def main() -> int:
    """Run the readers one after the other, and print a table of what came of it."""
    args = arguments()
    args.state.mkdir(exist_ok=True)
    if args.only is not None:
        one(args.readers[0], args)
        return 0
    if args.child:
        child(args.readers[0], args)
        return 0
    wrong = 0
    for name in args.readers:
        state = parent(name, args)
        count = " ".join(f"{key} {value:,}" for key, value in state["outcomes"].items())
        say(f"{name}: {state['next']:,} inputs in {state['seconds']:,.0f} s: {count}")
        for times, first, words in state["findings"].values():
            say(f"  {times:,} times, first of number {first}: {words}")
        for number, words in state["ended"].items():
            say(f"  number {number}: {words}")
        wrong += len(state["findings"]) + len(state["ended"])
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
