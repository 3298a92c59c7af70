"""`isthmus monitor`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from isthmus.cli.apart import first_autoencoder
from isthmus.cli.decision_lines import Beside, Printer, Stream
from isthmus.cli.models import check_by_column, load_any, refuse_groups, wanted_by
from isthmus.cli.options import (
    DATA,
    OUTPUT,
    Columns,
    Common,
    ModelArgument,
    given,
    option,
    panel,
)
from isthmus.cli.outputs import check_columns, check_output, end
from isthmus.cli.records import (
    STANDARD_INPUT,
    Lines,
    Record,
    check_lines,
    shown,
    text_frame,
)
from isthmus.cli.sources import check_present, use_cache
from isthmus.cli.terminal import UsageError, complain, signals, usage_errors
from isthmus.io import FileError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from isthmus.io import Rows
    from isthmus.outliers import OutlierDetector
    from isthmus.streams import Decisions, Monitor

MONITOR = panel("The monitor")
COMMA = re.compile(r"\s*[-+]?\d+,\d+\s*")
RESULTS = ("row", "pvalue", "level", "outlier", "problem")


@Parameter(name="*")
@dataclass(frozen=True)
class Settings:
    """The parameters of `Monitor`, by the same names."""

    fdr: Annotated[
        float | None,
        option(MONITOR, "The share of false ones among all alerts, at most.", default="0.1"),
    ] = None
    pvalues: Annotated[
        str | None,
        option(
            MONITOR,
            "tail goes below 1 / (calibration rows) by a model of the tail, which is tested; conformal "
            "is guaranteed.",
            default="tail",
            metavar="tail|conformal",
        ),
    ] = None


def monitor(
    model: ModelArgument,
    /,
    *,
    new: Annotated[
        Path,
        Parameter.combine(
            option(
                DATA,
                "Rows as lines of CSV or JSON, read as they arrive; - is the standard input.",
                default="-",
                metavar="FILE|-",
            ),
            Parameter(allow_leading_hyphen=True),
        ),
    ] = STANDARD_INPUT,
    id: Annotated[
        tuple[str, ...],
        option(DATA, "Columns with identifiers, carried to the output.", metavar="A,B"),
    ] = (),
    decimal: Annotated[str, option(DATA, "The decimal mark.", metavar="point|comma")] = "point",
    reference: Annotated[
        Path | None,
        option(
            DATA,
            "A table of normal rows: how columns were, for the alarm of drift. By default the first "
            "hundred rows tell.",
        ),
    ] = None,
    settings: Settings = Settings(),
    result: Stream = Stream(),
    state: Annotated[
        Path | None,
        option(OUTPUT, "Keep where the monitor stands in this .state file, and go on from it."),
    ] = None,
    metrics: Annotated[
        Path | None, option(OUTPUT, "Write counters for Prometheus to this .prom file.")
    ] = None,
    explain: Annotated[
        int,
        option(
            OUTPUT, "For each alert, name this many columns that made it one.", metavar="COLUMNS"
        ),
    ] = 0,
    resend: Annotated[
        bool,
        option(OUTPUT, "First print the last decisions in the state again, by their row numbers."),
    ] = False,
    common: Common = Common(),
) -> int:
    """Decide on rows as they arrive, with few false alerts, and say when they drift.

    MODEL is a detector that held rows out. Each row has a line: its number from 0, a p-value, the level
    that it is compared with, and whether it is an outlier. Lines are CSV, or JSON with --json. A line
    is printed once its decision is in the state file: after a crash, what was printed is known there,
    and rows that were decided on are not decided on again. Of a FILE that has grown the new rows are
    read; a stream goes on behind the last row that was printed. Rows with a cell that the detector
    cannot take are marked, as a problem.

    For example:

        isthmus detect clean.csv --contamination none --new today.csv --save d.isthmus -o flags.csv
        isthmus monitor d.isthmus --new today.csv --id name -o decisions.csv --state d.state
        tail -f log.csv | isthmus monitor d.isthmus --state d.state --metrics d.prom
        tail -f log.jsonl | isthmus monitor d.isthmus --json --explain 3

    Parameters
    ----------
    model : Path
        The file of a detector.
    """
    beside = Beside(
        tuple(name.strip() for text in id for name in text.split(",")), explain, decimal
    )
    _check(model, new, beside, reference, settings, result, state, metrics)
    if resend and (state is None or result.output is not None):
        raise UsageError("--resend prints decisions of a --state again: give one, and no -o.")
    use_cache()
    found = _detector(model, explain)
    running, notes = _begun(found, model, settings, state, reference)
    check_columns(_frame_of(beside.ids), RESULTS)
    lines = Lines(new, _named(found, model), dict(notes.get("place", {})), beside.ids)
    work = Work(found, model, running, beside, lines, Printer(result, beside, common, notes))
    files = Files(state, metrics)
    if resend:
        work.printer.show(notes.get("last", []))
    before = work.seen
    work.run(files)
    if work.seen == before and not (before and common.quiet):
        complain(f"{shown(new)} has no {'new ' * (before > 0)}rows: nothing was decided.")
    return _end(work, result, state, common)


# -- before the work -----------------------------------------------------------------------------


def _check(
    model: Path,
    new: Path,
    beside: Beside,
    reference: Path | None,
    settings: Settings,
    result: Stream,
    state: Path | None,
    metrics: Path | None,
) -> None:
    check_present(model, reference)
    check_lines(new)
    if beside.explain < 0:
        raise UsageError(f"--explain must be at least 0; got {beside.explain}.")
    if beside.decimal not in ("point", "comma"):
        raise UsageError(f"--decimal must be point or comma; got {beside.decimal!r}.")
    inputs = (model, None if new == STANDARD_INPUT else new, reference)
    goes_on = state is not None and state.exists()
    check_output(result.output, (".csv", ".jsonl"), *inputs, force=result.force or goes_on)
    check_output(state, (".state",), *inputs, force=True)
    check_output(metrics, (".prom",), *inputs, force=True)
    options = [*given(settings), *(["--reference"] if reference is not None else [])]
    if goes_on and options:
        raise UsageError(
            f"{state} was begun with other options: leave {options[0]} out, or name a new state."
        )


def _detector(path: Path, explain: int) -> OutlierDetector:
    from isthmus.outliers import OutlierDetector

    found = load_any(path)
    if not isinstance(found, OutlierDetector):
        raise UsageError(
            f"{path} holds a single autoencoder and no detector: isthmus detect DATA --contamination "
            "none --save makes one."
        )
    refuse_groups(found, path, "monitor")
    if found.sample_shape_ is not None:
        raise UsageError(f"{path} was fitted on images, which do not come as lines of text.")
    if explain:
        check_by_column(first_autoencoder(found).slots_)
    return found


def _begun(
    found: OutlierDetector,
    model: Path,
    settings: Settings,
    state: Path | None,
    reference: Path | None,
) -> tuple[Monitor, dict[str, Any]]:
    """Return a monitor that goes on from its state, or a new one, and what was noted beside it."""
    from isthmus.streams import Monitor, read_state

    if state is not None and state.exists():
        return read_state(state, found, Monitor)
    options: dict[str, Any] = {k: v for k, v in vars(settings).items() if v is not None}
    if reference is not None:
        from isthmus.cli.bad_rows import rows_for
        from isthmus.cli.sources import Source

        options["reference"] = rows_for(found, model, Source(reference, Columns())).X
    with usage_errors():
        return Monitor(found, **options), {}


def _named(found: OutlierDetector, model: Path) -> list[str]:
    """Return the names that a detector asks for; none for one of an array."""
    names = wanted_by(found, model).names
    return [] if names is None else list(names)


def _frame_of(names: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(schema=dict.fromkeys(names, pl.String))


# -- the work ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Files:
    """What is written after each batch."""

    state: Path | None
    metrics: Path | None

    def write(self, monitor: Monitor, notes: dict[str, object]) -> None:
        """Write where the monitor stands, and its counters."""
        from isthmus.io import write_whole
        from isthmus.streams import write_state

        if self.state is not None:
            write_state(self.state, monitor, notes)
        if self.metrics is not None:
            write_whole(self.metrics, monitor.metrics().encode())


@dataclass
class Work:
    """Rows that are read, decided on, noted and printed, in this order."""

    detector: OutlierDetector
    model: Path
    monitor: Monitor
    beside: Beside
    lines: Lines
    printer: Printer

    def run(self, files: Files) -> None:
        """Work until the rows end; a signal is served between two batches."""
        warned = self.monitor.drift is not None
        for batch in self.lines.batches():
            with signals.hold():
                printed = self.decide(batch.records)
                if not warned and self.monitor.drift is not None:
                    warned = True
                    printed.append({"drift": self.monitor.drift._asdict()})
                notes = {"place": batch.place, "last": printed, "output": self.printer.size}
                files.write(self.monitor, notes)
                self.printer.show(printed)
            signals.check()

    @property
    def seen(self) -> int:
        """How many rows have come so far, with those that could not be scored."""
        return self.monitor.rows + self.monitor.unscored

    def decide(self, records: list[Record]) -> list[dict[str, object]]:
        """Return the lines of rows; one that the detector cannot take is found by halving."""
        try:
            rows = self._rows(records)
            measured = self.monitor.measured(rows.X)
        except ValueError as error:
            if len(records) > 1:
                half = len(records) // 2
                return self.decide(records[:half]) + self.decide(records[half:])
            return [self._marked(records[0], str(error))]
        return self._lines(rows, self.monitor.settle(*measured))

    def _marked(self, record: Record, problem: str) -> dict[str, object]:
        number = self.seen
        self.monitor.skip()
        ids = {name: record.cells.get(name) for name in self.beside.ids}
        return {"row": number, **ids, "problem": problem}

    def _rows(self, records: list[Record]) -> Rows:
        """Return the rows as the detector takes them."""
        import numpy as np

        from isthmus.io import Table, choose_columns, row_problems

        for record in records:
            if record.problem is not None:
                raise FileError(record.problem)
        wanted = wanted_by(self.detector, self.model)
        names = list(self.lines.header or records[0].cells)
        if wanted.names is not None:
            names = list(wanted.names)
        taken = [name for name in names if name not in self.beside.ids]
        frame = text_frame(records, [*taken, *self.beside.ids])
        table = Table(Path("The row"), frame, ",", decimal=self.beside.decimal)  # type: ignore[arg-type]
        mixed = wanted.kinds is not None
        kinds = wanted.kinds or {}
        numbers = [name for name in taken if not mixed or kinds.get(name) == "number"]
        self._check_decimal(records, numbers)
        if not mixed:
            for problem in row_problems(table, taken).drop_nulls():
                raise FileError(problem)
        known = wanted.kinds if wanted.named else dict.fromkeys(names, "number")
        rows = choose_columns(
            table,
            names=taken,
            ids=self.beside.ids,
            mixed=mixed,
            kinds=(known or {}) if mixed else {},
        )
        return rows if wanted.named else rows._replace(X=np.asarray(rows.X))

    def _check_decimal(self, records: list[Record], names: list[str]) -> None:
        """Raise a FileError where numbers have a decimal comma and nobody said so."""
        if self.beside.decimal != "point":
            return
        for record in records:
            for name in names:
                cell = str(record.cells.get(name))
                if COMMA.fullmatch(cell):
                    raise FileError(
                        f"{cell!r} in the column {name!r} has a decimal comma: say --decimal comma, or "
                        "write numbers with a point."
                    )

    def _lines(self, rows: Rows, decided: Decisions) -> list[dict[str, object]]:
        table = decided.frame()
        lines = [
            {**ids, **line} for ids, line in zip(self._ids(rows), table.to_dicts(), strict=True)
        ]
        alerts = decided.outlier.nonzero()[0]
        if self.beside.explain and len(alerts):
            why = self.detector.explain(rows.X[alerts]).reasons(self.beside.explain)
            for i, reasons in zip(alerts, why, strict=True):
                lines[i] |= {f"because{j + 1}": reason for j, reason in enumerate(reasons)}
        return lines

    def _ids(self, rows: Rows) -> list[dict[str, object]]:
        return rows.ids.to_dicts() if rows.ids.width else [{}] * len(rows.X)


def _end(work: Work, result: Stream, state: Path | None, common: Common) -> int:
    monitor = work.monitor
    facts: dict[str, object] = {
        "rows": work.seen,
        "unscored": monitor.unscored,
        "alerts": monitor.alerts,
        "pvalues": monitor.kind,
        "drift": None if monitor.drift is None else monitor.drift._asdict(),
        "state": None if state is None else str(state),
    }
    words = {k: str(v) for k, v in facts.items() if v is not None and k != "drift"}
    if monitor.drift is not None:
        words["drift"] = f"since row {monitor.drift.row:,}"
    none = monitor.unscored > 0 == monitor.rows
    if none:
        complain("No row could be scored: the problem of each is beside it.")
    if result.output is not None:
        facts["output"] = str(result.output)
        return end(common, facts, {"output": str(result.output), **words}) or int(none)
    if not common.quiet:
        complain(", ".join(f"{name} {text}" for name, text in words.items()))
    return int(none)
