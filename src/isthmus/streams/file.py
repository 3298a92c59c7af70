"""Where a monitor stands, as one file: arrays and JSON, written whole or not at all."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from isthmus.io import ModelFileError, read_tensors, write_tensors
from isthmus.model import Record, damage_named
from isthmus.streams.bets import N_BETS, RATES
from isthmus.streams.decisions import Decisions
from isthmus.streams.tails import Tail

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import TypeVar

    from isthmus.outliers import OutlierDetector
    from isthmus.streams.monitor import Monitor

    Kind = TypeVar("Kind", bound=Monitor)

FORMAT, VERSION = "isthmus monitor", 1
LAST = {"row": np.int64, "pvalue": np.float64, "level": np.float64, "outlier": np.bool_}


def write_state(
    path: str | Path, monitor: Monitor, notes: Mapping[str, object] | None = None
) -> None:
    """Write where a monitor stands; notes are JSON of whoever feeds it, such as where it reads."""
    watch = monitor.watch
    tensors = {
        "balls.scores": watch.scores.balls,
        "balls.columns": np.empty((0, 0), int) if watch.values is None else watch.values.balls,
        "first": watch.first,
        "recent": watch.recent,
        "stakes.scores": watch.on_scores,
        "stakes.strange": watch.on_strange,
        "stakes.columns": watch.on_columns,
        "changed": watch.changed,
        **{f"last.{name}": values.astype(LAST[name]) for name, values in _last(monitor).items()},
    }
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "detector": fingerprint(monitor),
        "parameters": {name: getattr(monitor, name) for name in ("fdr", "pvalues", "random_state")},
        "tail": None if monitor.tail is None else list(monitor.tail),
        "goodness": monitor.goodness,
        "rows": monitor.rows,
        "unscored": monitor.unscored,
        "alerts": monitor.alerts,
        "budget": monitor.budget.state(),
        "watched": watch.rows,
        "since": watch.since,
        "notes": dict(notes or {}),
    }
    write_tensors(path, tensors, meta)


def _last(monitor: Monitor) -> dict[str, np.ndarray]:
    return monitor.last._asdict()


def fingerprint(monitor: Monitor) -> str:
    """Return a digest of what rows are compared with."""
    digest = hashlib.sha256(np.ascontiguousarray(monitor.calibration).tobytes())
    digest.update("\0".join(monitor.watch.columns).encode())
    return digest.hexdigest()


def read_state(
    path: str | Path, detector: OutlierDetector, kind: type[Kind]
) -> tuple[Kind, dict[str, Any]]:
    """Return a monitor that stands where another stood, and the notes beside it.

    Raises
    ------
    ModelFileError
        If the file cannot be read, is no state of a monitor, or belongs to another detector.
    """
    tensors, meta = read_tensors(path)
    if meta.get("format") != FORMAT or meta.get("version") != VERSION:
        raise ModelFileError(
            f"{path} is no state of a monitor, or one of another version: give the file that --state "
            "or Monitor.save wrote."
        )
    with damage_named(path):
        monitor = _unpacked(kind, detector, Record(meta))
        if fingerprint(monitor) != meta["detector"]:
            raise ModelFileError(
                f"{path} belongs to a detector with other calibration rows or columns: give that one, "
                "or begin a new state."
            )
        _restore(monitor, tensors, Record(meta))
        return monitor, dict(Record(meta).record("notes"))


def _unpacked(kind: type[Kind], detector: OutlierDetector, meta: Record) -> Kind:
    """Return a new monitor with the file's parameters and tail, of which nothing is fitted again."""
    given = meta.record("parameters")
    fdr, seed = given.number("fdr"), given.whole("random_state", 0)
    monitor = kind(detector, fdr=fdr, pvalues="conformal", random_state=seed)
    monitor.pvalues = given.text("pvalues")
    if meta["tail"] is not None:
        monitor.tail = Tail(*map(float, meta["tail"]))
    monitor.goodness = None if meta["goodness"] is None else meta.number("goodness")
    monitor.budget = monitor.new_budget()
    return monitor


def _restore(monitor: Monitor, tensors: dict[str, np.ndarray], meta: Record) -> None:
    watch, width = monitor.watch, len(monitor.watch.columns)
    for name in ("rows", "unscored", "alerts"):
        setattr(monitor, name, meta.whole(name, 0))
    monitor.budget.restore([int(number) for number in meta["budget"]])
    watch.rows, watch.since = meta.whole("watched", 0), meta.whole("since", -1)
    watch.scores.balls = _array(tensors, "balls.scores", watch.scores.balls)
    watch.first = _array(tensors, "first", np.empty((len(tensors["first"]), width)))
    watch.recent = _array(tensors, "recent", np.empty((len(tensors["recent"]), width)))
    watch.learn()
    balls = np.empty((0, 0), int) if watch.values is None else watch.values.balls
    balls = _array(tensors, "balls.columns", balls)
    if watch.values is not None:
        watch.values.balls = balls
    watch.on_scores = _array(tensors, "stakes.scores", np.zeros(N_BETS))
    watch.on_strange = _array(tensors, "stakes.strange", np.zeros(len(RATES)))
    watch.on_columns = _array(tensors, "stakes.columns", np.zeros((width, N_BETS)))
    watch.changed = _array(tensors, "changed", watch.changed)
    if (watch.changed >= N_BETS).any():
        raise ModelFileError("The file names changes of columns that are not known here.")
    n = len(tensors["last.row"])
    last = (_array(tensors, f"last.{name}", np.empty(n, kind)) for name, kind in LAST.items())
    monitor.last = Decisions(*last)


def _array(tensors: dict[str, np.ndarray], name: str, like: np.ndarray) -> np.ndarray:
    """Return an array of the file, which must be like another."""
    found = tensors[name]
    if found.shape != like.shape or found.dtype != like.dtype:
        raise ModelFileError(
            f"The array {name!r} has shape {found.shape} and dtype {found.dtype}, not {like.shape} and "
            f"{like.dtype}."
        )
    return found
