"""`python -m fuzz.guided READER`: the same with inputs that coverage leads, by atheris.

What reached new lines is kept in the state's folder, from where a run goes on.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["isthmus", "zipfile", "gzip", "PIL", "numpy.lib"]):
    from fuzz.driver import Fuzzer, Progress, folder_in_memory, kept_seeds
    from fuzz.guard import Bounds, Watch
    from fuzz.mutate import MOST_BYTES, changed
    from fuzz.readers import READERS


def main() -> None:
    """Fuzz one reader until so many inputs are done; libFuzzer ends the process."""
    parser = argparse.ArgumentParser(prog="fuzz.guided", description=__doc__)
    parser.add_argument("reader", choices=[*READERS])
    parser.add_argument("-n", "--inputs", type=int, default=100_000)
    parser.add_argument("--state", type=Path, default=Path(".fuzz"))
    args = parser.parse_args()
    corpus = args.state / "corpus" / args.reader
    corpus.mkdir(parents=True, exist_ok=True)
    with folder_in_memory() as folder:
        seeds = kept_seeds(args.reader, args.state)
        fuzzer = Fuzzer(args.reader, Watch(), folder, 0, seeds)
        for i, data in enumerate(seeds):
            (corpus / f"seed-{i:03}").write_bytes(data)
        fuzz(fuzzer, Progress(args.state / f"{args.reader}-guided.json"), args.inputs, corpus)


def fuzz(fuzzer: Fuzzer, progress: Progress, inputs: int, corpus: Path) -> None:
    """Let libFuzzer choose the inputs, half of them by changes that know the format."""
    found = corpus.parents[1] / "found"
    found.mkdir(exist_ok=True)
    changes, done = READERS[corpus.name].changes, progress.state["next"]
    fuzzer.findings |= progress.state["findings"]
    fuzzer.outcomes |= progress.state["outcomes"]

    def one(data: bytes) -> None:
        nonlocal done
        known = len(fuzzer.findings)
        wrong = fuzzer.judge(done, data) or ""
        if len(fuzzer.findings) > known and "Error" in wrong:  # an error of Python's, and no crash
            (found / f"{corpus.name}-{done}").write_bytes(data)
        done += 1
        progress.save(fuzzer, done, 0.0, now=done >= inputs)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if not data or rng.random() < 0.5:
            return atheris.Mutate(data, most)
        return changed(rng, data, changes)[:most]

    Bounds.set_up()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    fuzzer.warm_up()
    options = [
        f"-runs={max(inputs - done, 1)}",
        f"-max_len={MOST_BYTES}",
        "-rss_limit_mb=0",
        "-seed=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
