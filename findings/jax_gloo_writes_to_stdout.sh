#!/bin/sh
# JAX's CPU collectives over gloo write a line to the standard output of every process when the processes
# first compute together. It is written by C, so contextlib.redirect_stdout does not see it, and a program
# that prints JSON for another one to read prints more than that. Neither JAX_PLATFORMS, TF_CPP_MIN_LOG_LEVEL
# nor Python's logging silences it; turning file descriptor 1 to another place for the first call does.
# Exits with 0 while jax 0.10.2 does so, and with 1 once that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat > "$folder/add.py" <<'PYTHON'
import contextlib
import io
import json
import sys

import jax

jax.config.update("jax_cpu_collectives_implementation", "gloo")
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]))
from jax.experimental import multihost_utils

heard = io.StringIO()
with contextlib.redirect_stdout(heard):
    parts = multihost_utils.process_allgather(jax.process_index())
print(json.dumps({"sum": int(parts.sum()), "heard by Python": heard.getvalue()}))
PYTHON
"$folder/venv/bin/python" - "$folder/add.py" <<'PYTHON'
import json
import os
import socket
import subprocess
import sys

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    place = f"127.0.0.1:{free.getsockname()[1]}"
started = [
    subprocess.Popen(
        [sys.executable, sys.argv[1], place, str(i)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"},
        text=True,
    )
    for i in range(2)
]
outputs = [process.communicate(timeout=120)[0] for process in started]
same = True
for i, text in enumerate(outputs):
    print(f"standard output of process {i}:")
    print(text)
    lines = text.splitlines()
    ours = [json.loads(line) for line in lines if line.startswith("{")]
    same &= ours == [{"sum": 1, "heard by Python": ""}]
    same &= [line[:6] for line in lines if not line.startswith("{")] == ["[Gloo]"]
print("as found" if same else "this has changed")
sys.exit(not same)
PYTHON
