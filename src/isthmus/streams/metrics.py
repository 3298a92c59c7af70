"""What a monitor counts, in the text format of Prometheus."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from isthmus.streams.monitor import Monitor


def metrics_text(monitor: Monitor) -> str:
    """Return counters and gauges, each with its help and its type."""
    drift = monitor.drift
    lines: list[str] = []
    for name, kind, text, value in (
        ("rows_total", "counter", "Rows decided on.", monitor.rows),
        ("unscored_rows_total", "counter", "Rows that could not be scored.", monitor.unscored),
        ("alerts_total", "counter", "Rows that are outliers.", monitor.alerts),
        ("level", "gauge", "The p-value up to which the next row is one.", monitor.budget.level()),
        ("tail_model", "gauge", "1 for tail p-values, 0 for conformal ones.", monitor.tail),
        ("drift", "gauge", "1 after the alarm for drift.", drift),
        ("drift_evidence", "gauge", "Decimal logarithm of it.", math.log10(monitor.watch.money)),
    ):
        number = value if isinstance(value, int | float) else int(value is not None)
        lines += [f"# HELP isthmus_{name} {text}", f"# TYPE isthmus_{name} {kind}"]
        lines.append(f"isthmus_{name} {number!r}")
    lines += ["# HELP isthmus_column_drift 1 for a column that has changed."]
    lines += ["# TYPE isthmus_column_drift gauge"]
    changed = {} if drift is None else drift.columns
    for column, how in changed.items():
        lines.append(f'isthmus_column_drift{{column="{_escaped(column)}",change="{how}"}} 1')
    return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
