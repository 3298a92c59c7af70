"""Mixed tables beside plain numbers: what codes keep, and what columns of all kinds cost, on adult.

    python benchmarks/mixed.py [--data FOLDER] [--only WORD ...] [--rounds 3] [--scored 1000000]

codes: accuracy of a logistic regression on 16 codes of the training table, incomes left out, and of the
same on one-hot columns; both are tested on the table set apart. fit: seconds to fit the table, and to
fit as many rows of as many numbers as the table has encoded columns, in turns. encode: the share of a
fit that encoding the frame takes. score: seconds and peak memory to score a table of many rows, and as
many rows of numbers of the same width; each in a process of its own. audit: seconds of an audit of the
whole table.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from speed.results import machine
from tables.peers import one_hot
from tables.read import adult, adult_test

CODES = 16


def seconds(work):
    """Return how long a call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def accuracy(train, test, train_labels, test_labels):
    """Return the share of incomes that a logistic regression gets right."""
    scaler = StandardScaler().fit(train)
    model = LogisticRegression(max_iter=2000).fit(scaler.transform(train), train_labels)
    return model.score(scaler.transform(test), test_labels)


def codes(options):
    """Compare incomes predicted from codes with incomes predicted from one-hot columns."""
    from isthmus import Autoencoder

    train, test = adult(options.data), adult_test(options.data)
    labels = [t["income"].to_numpy() for t in (train, test)]
    train, test = train.drop("income"), test.drop("income")
    rows, _ = one_hot(pl.concat([train, test]))
    flat = accuracy(rows[: len(train)], rows[len(train) :], *labels)
    for seed in range(options.rounds):
        model = Autoencoder(CODES, random_state=seed).fit(train)
        found = accuracy(model.transform(train), model.transform(test), *labels)
        print(f"codes, seed {seed}: {found:.2%} on {CODES} codes, {flat:.2%} one-hot", flush=True)


def encoded(model, frame):
    """Return the width of the net, and how to encode a frame."""
    return model.net_.encoder[0].weight.shape[0], lambda: model.schema_.encode(frame)


def numbers(n, width):
    """Return rows of correlated numbers."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 8)) @ rng.normal(size=(8, width)) + rng.normal(size=(n, width))


def fit(options):
    """Compare a fit of the table with one of numbers, in turns after a first that does not count."""
    from isthmus import Autoencoder

    frame = adult(options.data).drop("income")
    width, encode = encoded(Autoencoder(random_state=0).fit(frame), frame)
    X = numbers(len(frame), width)
    works = [
        lambda: Autoencoder(random_state=0).fit(frame),
        lambda: Autoencoder(random_state=0).fit(X),
        lambda: Autoencoder(corruption="swap", random_state=0).fit(X),
        encode,
    ]
    turns = [[seconds(work) for work in works] for _ in range(options.rounds + 1)][1:]
    mixed, plain, noisy, coding = (median(column) for column in zip(*turns, strict=True))
    epochs = [len(Autoencoder(random_state=0).fit(rows).history_["loss"]) for rows in (frame, X)]
    print(
        f"fit: {mixed:.2f} s, {epochs[0]} epochs; {width} numbers: {plain:.2f} s, {epochs[1]} epochs;"
    )
    per_epoch = mixed / epochs[0] / (plain / epochs[1])
    print(f"  {mixed / plain:.2f}x, {per_epoch:.2f}x for each epoch (at most 1.5x)")
    print(f"  {mixed / noisy:.2f}x of numbers with swap noise too, which tables have by default")
    print(f"encode: {coding:.3f} s, {coding / mixed:.1%} of the fit (at most 20 %)", flush=True)


def scored(options, kind):
    """Fit one epoch, score many rows, and print the seconds and the peak of memory beyond the rows."""
    from isthmus import Autoencoder

    frame = adult(options.data).drop("income")
    model = Autoencoder(max_epochs=1, random_state=0).fit(frame)
    rows = frame.sample(options.scored, with_replacement=True, seed=0)
    if kind == "numbers":
        rows = numbers(options.scored, encoded(model, frame)[0])
        model = Autoencoder(max_epochs=1, random_state=0).fit(rows[: len(frame)])
    model.score_samples(rows[:10_000])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = seconds(lambda: model.score_samples(rows))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(taken, peak / 1024)


def score(options):
    """Compare the scoring of many rows of the table and of numbers."""
    found = {}
    for kind in ("mixed", "numbers"):
        command = [sys.executable, __file__, "--data", str(options.data), "--child", kind]
        command += ["--scored", str(options.scored)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[kind] = [float(v) for v in done.stdout.split()]
        print(f"score, {kind}: {found[kind][0]:.2f} s, {found[kind][1]:,.0f} MiB more at the peak")
    print(f"  {found['mixed'][0] / found['numbers'][0]:.2f}x (at most 3x)", flush=True)


def audit(options):
    """Print how long an audit of the whole table takes."""
    from isthmus import Audit

    print(f"audit: {seconds(lambda: Audit(adult(options.data))):.1f} s (under 60 s)", flush=True)


WORK = {"codes": codes, "fit": fit, "score": score, "audit": audit}


def main():
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tables"))
    parser.add_argument("--only", nargs="+", default=list(WORK), choices=WORK)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scored", type=int, default=1_000_000)
    parser.add_argument("--child", choices=["mixed", "numbers"], help=argparse.SUPPRESS)
    parser.set_defaults(activation="", cores=os.cpu_count())
    options = parser.parse_args()
    if options.child:
        scored(options, options.child)
        return
    print("{processor}, {cores} cores, {day}".format(**machine(options)))
    for name in options.only:
        WORK[name](options)


if __name__ == "__main__":
    main()
