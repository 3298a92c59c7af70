"""Tables of results."""


def rows(results, section, workload):
    """Return the lines of one workload: medians, quartiles and ratios to isthmus."""
    found = results.of(section)[workload]
    ours = found["isthmus"].median if "isthmus" in found else None
    lines = [workload]
    for name, row in found.items():
        low, high = row.spread
        ratio = f"{row.median / ours:8.2f} of isthmus" if ours and name != "isthmus" else ""
        lines.append(
            f"  {name:<16}{row.median:10.4g} {row.unit} ({low:.4g} to {high:.4g}){ratio}"
        )
    return "\n".join(lines)
