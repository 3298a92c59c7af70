"""Results as text, as a section of a page and as a picture."""

from speed.bars import BARS
from speed.results import QUIET

OURS = "isthmus"
BEGIN, END = "<!-- speed: begin -->", "<!-- speed: end -->"
TITLES = {
    "steps": "Milliseconds per training step",
    "fits": "Seconds of a whole default fit, on tables",
    "scoring": "Seconds for a million rows of 30 columns, network 30-64-32-8",
    "search": "Seconds of a search over 32 candidates, warm",
    "memory": "Megabytes at most, beside the user's rows",
    "start": "Seconds of the first minute, in new processes",
    "denoiser": "Seconds of the preset for photographs, 12 convolutions of 64 and 128 channels",
}


def rows(results, section, workload):
    """Return the lines of one workload: medians, quartiles and ratios to isthmus."""
    found = results.of(section)[workload]
    ours = found[OURS].median if OURS in found else None
    note = next(iter(found.values())).note
    lines = [workload + (f" ({note})" if note else "")]
    for name, row in found.items():
        low, high = row.spread
        ratio = f"{row.median / ours:9.2f} of isthmus" if ours and name != OURS else ""
        spread = f"({low:.4g} to {high:.4g})"
        lines.append(f"  {name:<28}{row.median:10.4g} {row.unit:<3}{spread:<22}{ratio}")
    return "\n".join(lines)


def bars(results):
    """Return (what, bar, measured, reached) of the bars that can be read."""
    table = []
    for bar in BARS:
        value = bar.read(results)
        if value is not None:
            reached = "yes" if bar.reached(value) else "no"
            table.append((bar.what, bar.text, f"{value:.3g}{bar.unit}", reached))
    return table


def bars_text(results):
    """Return the table of bars as text."""
    lines = [("what", "bar", "measured", "reached"), *bars(results)]
    return "\n".join(f"{a:<76}{b:<18}{c:<12}{d}" for a, b, c, d in lines)


def quietness(results):
    """Return a sentence about the machine and what else it did."""
    m, others = results.machine, results.busiest
    versions = ", ".join(f"{name} {v}" for name, v in m["versions"].items() if v)
    quiet = (
        "The machine was quiet."
        if others <= QUIET
        else f"**The machine was not quiet**: other work kept up to {others:.1f} cores busy, so trust "
        "no figure, and ratios with care."
    )
    cores = "2 cores" if m["cores"] == 2 else f"{m['cores']} core(s), where the bars are for 2"
    where = f"{m['day']}, {m['processor']}, {cores}, load {m['load']} at the start"
    how = f"hidden activation {m['activation']}"
    return f"{where}; {versions}; {how}. {quiet}"


def markdown_table(head, lines):
    """Return a table; the first column is text, the others numbers."""
    mark = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, mark, *lines])


def section_table(results, section):
    """Return the table of a section: a line a workload, a column a contestant."""
    table = results.of(section)
    names = list(dict.fromkeys(c for found in table.values() for c in found))
    lines = []
    for workload, found in table.items():
        note = next(iter(found.values())).note
        label = workload + (f" ({note})" if note else "")
        lines.append([label, *(cell(found.get(c), found.get(OURS)) for c in names)])
    return markdown_table(["", *names], lines)


def cell(row, ours):
    """Return a median with its quartiles, and its ratio to isthmus if that is another."""
    if row is None:
        return ""
    low, high = row.spread
    spread = f" ({low:.3g}-{high:.3g})" if len(row.values) > 1 else ""
    ratio = f", {row.median / ours.median:.2f}x" if ours and ours is not row else ""
    return f"{row.median:.3g}{spread}{ratio}"


def page(results, picture):
    """Return the section of the page."""
    head = ["what", "bar", "measured", "reached"]
    parts = [quietness(results), markdown_table(head, bars(results))]
    if picture:
        parts.append(f"![Training steps, beside a PyTorch loop and the floor]({picture})")
    for section, title in TITLES.items():
        if results.of(section):
            parts.append(f"**{title}**")
            parts.append(section_table(results, section))
    return "\n\n".join(parts)


def write_page(path, results, picture):
    """Write the section between its markers in a page."""
    text = path.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(f"{path} must hold the markers {BEGIN} and {END} once each.")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{page(results, picture)}\n{END}{after}")


def draw(path, results):
    """Draw the training steps: each contestant's time over that of the floor."""
    from matplotlib.figure import Figure

    table = results.of("steps")
    if not table:
        raise SystemExit("There are no training steps among the results to draw.")
    names = ["floor", OURS, "PyTorch loop", "MLPRegressor"]
    colours = dict(zip(names, ("#b8bdc4", "#2563b0", "#d9742b", "#7a9a3a"), strict=True))
    figure = Figure(figsize=(9, 0.85 * len(table) + 1), layout="constrained")
    axes = figure.subplots()
    for i, found in enumerate(table.values()):
        for j, name in enumerate(n for n in names if n in found):
            row, y = found[name], i + 0.2 * j - 0.3
            low, high = (v / found["floor"].median for v in row.spread)
            value = row.median / found["floor"].median
            label = name if i == 0 else None
            axes.barh(y, value, 0.18, color=colours[name], label=label)
            axes.plot([low, high], [y, y], color="black", linewidth=1)
            axes.text(1.04 * max(value, high), y, f"{row.median:.3g} ms", va="center", fontsize=7)
    axes.set_yticks(range(len(table)), list(table))
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(left=0.5, right=3 * axes.get_xlim()[1])
    axes.set_xlabel("time of a training step, over that of its bare matrix products (the floor)")
    axes.legend(fontsize=8, loc="upper right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
