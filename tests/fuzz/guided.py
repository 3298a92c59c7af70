"""`python -m fuzz.guided READER`: the same with inputs that coverage leads, by atheris.

Inputs that reached new lines are kept in the state's folder, in `corpus`, from where a run goes on, and
the first one of each error in `found`. One that ended the process, or that took too long or too much,
is not kept anywhere: it may do so to other software.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["isthmus", "zipfile", "gzip", "PIL", "numpy.lib"]):
    from fuzz.corpus import Corpus
    from fuzz.driver import Fuzzer, Progress, folder_in_memory, kept_seeds
    from fuzz.guard import Watch
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
    with folder_in_memory() as folder, folder_in_memory() as fresh:
        seeds = kept_seeds(args.reader, args.state)
        fuzzer = Fuzzer(args.reader, Watch(), folder, 0, seeds)
        for i, data in enumerate(seeds):
            (corpus / f"seed-{i:03}").write_bytes(data)
        progress = Progress(args.state / f"{args.reader}-guided.json")
        fuzz(fuzzer, progress, args.inputs, Corpus(corpus, fresh))


def fuzz(fuzzer: Fuzzer, progress: Progress, inputs: int, corpus: Corpus) -> None:
    """Let libFuzzer choose the inputs, half of them by changes that know the format."""
    changes, done = fuzzer.reader.changes, progress.state["next"]
    fuzzer.findings |= progress.state["findings"]
    fuzzer.outcomes |= progress.state["outcomes"]

    def one(data: bytes) -> None:
        nonlocal done
        corpus.keep()
        known = len(fuzzer.findings)
        wrong = fuzzer.judge(done, data) or ""
        corpus.judge(data, wrong, len(fuzzer.findings) > known, done)
        done += 1
        progress.save(fuzzer, done, 0.0, now=done >= inputs)

    def mutated(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if not data or rng.random() < 0.5:
            return atheris.Mutate(data, most)
        return changed(rng, data, changes)[:most]

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    fuzzer.warm_up()
    options = [
        f"-runs={max(inputs - done, 1)}",
        f"-max_len={MOST_BYTES}",
        "-rss_limit_mb=0",
        "-seed=1",
        f"-exact_artifact_path={os.devnull}",  # or it would write what ends it where it was started
    ]
    folders = [str(corpus.fresh), str(corpus.kept)]  # it writes to the first alone
    atheris.Setup([sys.argv[0], *options, *folders], one, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
