"""`python -m properties`: draw a great many combinations.

They come in chunks, each with a process and a seed of its own.
What was drawn is counted in the state's file, from where a run goes on, beside that of which a relation
did not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

CHUNK = 50


def main() -> int:
    """Run chunks until so many combinations are drawn, and print what became of them."""
    parser = argparse.ArgumentParser(prog="properties", description=__doc__)
    parser.add_argument("-n", "--examples", type=int, default=2_000, help="in all")
    parser.add_argument("--state", type=Path, default=Path(".fuzz"))
    args = parser.parse_args()
    args.state.mkdir(exist_ok=True)
    file = args.state / "properties.json"
    state = (
        json.loads(file.read_text()) if file.exists() else {"chunks": 0, "counts": {}, "broken": []}
    )
    while state["chunks"] * CHUNK < args.examples:
        counts, broken = run(state["chunks"], args.state / "chunk.json")
        state["counts"] = dict(Counter(state["counts"]) + Counter(counts))
        state["broken"] += broken
        state["chunks"] += 1
        file.write_text(json.dumps(state, indent=1))
    for what, times in sorted(state["counts"].items(), key=lambda item: -item[1]):
        sys.stdout.write(f"{times:8,}  {what}\n")
    sys.stdout.write("\n".join([*state["broken"], f"{len(state['broken'])} did not hold.\n"]))
    return bool(state["broken"])


def run(chunk: int, counts: Path) -> tuple[dict[str, int], list[str]]:
    """Run one chunk; return how often each relation was held to, and what broke one."""
    counts.unlink(missing_ok=True)
    test = Path(__file__).parent / "test_properties.py"
    settings = {
        "PROPERTIES_CHUNK": chunk,
        "PROPERTIES_EXAMPLES": CHUNK,
        "PROPERTIES_COUNTS": counts,
    }
    command = [sys.executable, "-m", "pytest", "-n", "0", str(test), "-k", "all_relations"]
    environment = os.environ | {name: str(value) for name, value in settings.items()}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if counts.exists():
        return tuple(json.loads(counts.read_text()))
    return {"chunks that were ended": 1}, [f"Chunk {chunk} ended with {done.returncode}."]


if __name__ == "__main__":
    sys.exit(main())
