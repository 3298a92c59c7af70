#!/bin/sh
# A compiled function that takes columns of an array by a constant NumPy array of int64 (x[:, places])
# cannot be used in both precisions in one process: after a call without jax.enable_x64, a call within it
# raises a TypeError (int32 against int64), and the other way round. Places of int32 work in any order.
# Exits with 0 while jax 0.10.2 does so, and with 1 once that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import jax
import jax.numpy as jnp
import numpy as np

print("jax", jax.__version__, "numpy", np.__version__)


def outcome(kind, precisions):
    """Return what becomes of calls, one for each precision."""
    places = np.array([0, 2], kind)
    taken = jax.jit(lambda x: x[:, places])
    try:
        for double in precisions:
            with jax.enable_x64(double):
                taken(jnp.ones((2, 3), np.float32))
    except TypeError as error:
        return f"TypeError: {str(error)[:75]}"
    return "right"


found = {}
for kind in (np.int64, np.int32):
    for precisions in ((False, True), (True, False), (True, True)):
        found[kind.__name__, precisions] = said = outcome(kind, precisions)
        print(f"{kind.__name__} places, enable_x64 {precisions!s:14} {said}")
wrong = [key for key, said in found.items() if said != "right"]
same = wrong == [("int64", (False, True)), ("int64", (True, False))]
print("as found" if same else "this has changed")
sys.exit(not same)
PYTHON
