"""Write `docs/slots.md` from the code: `python docs/make_slots.py`. A test holds them equal."""

import dataclasses
from pathlib import Path

from isthmus.model.slots import SLOTS

HEAD = """# The slots

*Generated from the code by `docs/make_slots.py`.*

    x~ = corrupt(x)      h = E(x~)      z = code(h)      x' = D(z), and + x~ of a residual net
    L  = mean_i w_i loss(x'_i, x_i)  +  sparsity.penalty(z)  +  sum_j penalty_j(step)

A part is written as a name (`"kl"`), a spec string (`"kl:rho=0.1"`), a dict
(`{"name": "kl", "rho": 0.1}`) or an instance (`isthmus.KL(rho=0.1)`); its parameters are searched
as `sparsity__rho`. Numbers are traced: changing them compiles nothing. A range is written
`gaussian:std=[0.02,0.2]`, or `Gaussian(std=(0.02, 0.2))`: one number between its ends is drawn for each
row, each time that it is seen. `corruption` and `penalty` take tuples; `corruption`, `penalty` and
`loss` take functions too. "auto", the default, stands for `dense` without noise where rows are plain
numbers, and for `dense:hidden=[64]` with `swap` in tables of mixed types.
"""


def allowed(field: dataclasses.Field) -> str:
    """Return what a field takes."""
    if "takes" in field.metadata:
        return field.metadata["takes"]
    if "interval" in field.metadata:
        kind = "whole number" if field.metadata["whole"] else "number"
        ranged = ", or a range" if field.metadata["ranged"] else ""
        return f"{kind} in {field.metadata['interval']}{ranged}"
    choices = field.metadata.get("choices")
    return ", ".join(f"`{c}`" for c in choices) if choices else "whole numbers, such as `[128,64]`"


def table(slot: type) -> list[str]:
    """Return the rows of a slot."""
    lines = ["| name | does | parameters (default): allowed |", "|---|---|---|"]
    for name, part in slot.known.items():
        first = part.__doc__.strip().split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        fields = "<br>".join(
            f"`{f.name}` (`{f.default}`): {allowed(f)}" for f in dataclasses.fields(part)
        )
        lines.append(f"| `{name}` | {' '.join(first.split())} | {fields or '-'} |")
    return lines


def page() -> str:
    """Return the whole page."""
    lines = [HEAD]
    for name, (slot, _) in SLOTS.items():
        first = slot.__doc__.strip().split("\n\n")[0]
        lines += [f"## {name}", "", " ".join(first.split()), "", *table(slot), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    (Path(__file__).parent / "slots.md").write_text(page())
