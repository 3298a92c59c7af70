"""`python -m faults`: end, starve and disturb each command many times, and print what did not hold.

Every trial is counted in the state's file, from where a run goes on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from faults.commands import COMMANDS
from faults.inflict import FAULTS
from faults.trials import laboratory


def main() -> int:
    """Run the trials, number by number, so that all commands come soon."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("commands", nargs="*", default=[*COMMANDS])
    parser.add_argument(
        "-n", "--trials", type=int, default=20, help="of each fault on each command"
    )
    parser.add_argument("--faults", nargs="*", default=[*FAULTS])
    parser.add_argument("--state", type=Path, default=Path(".faults"))
    args = parser.parse_args()
    args.state.mkdir(exist_ok=True)
    file = args.state / "trials.json"
    state = (
        json.loads(file.read_text()) if file.exists() else {"done": {}, "wrong": {}, "seconds": 0.0}
    )
    with laboratory() as place:
        for number in range(args.trials):
            for command in args.commands:
                for fault in args.faults:
                    key = f"{command} {fault}"
                    if state["done"].get(key, 0) > number:
                        continue
                    start = time.monotonic()
                    for words in place.trial(command, fault, number):
                        found = state["wrong"].setdefault(f"{key}: {words}", [place.last])
                        found.append(number)
                    state["done"][key] = number + 1
                    state["seconds"] += time.monotonic() - start
                    file.write_text(json.dumps(state, indent=1))
    done = sum(state["done"].values())
    for what, numbers in sorted(state["wrong"].items()):
        said, first, *others = numbers
        sys.stdout.write(
            f"{1 + len(others):5} times {what} (first: {first}), which said:\n{said}\n"
        )
    sys.stdout.write(f"{done:,} trials, {done / max(state['seconds'], 1):.2f} a second\n")
    return bool(state["wrong"])


if __name__ == "__main__":
    sys.exit(main())
