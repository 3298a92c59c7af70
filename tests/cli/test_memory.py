"""A source that is larger than what a process may hold, as the operating system counts it."""

import json
import subprocess
import sys

import polars as pl
import pytest

from isthmus import Autoencoder

pytest.importorskip("resource")

ROWS, WIDTH = 200_000, 64
SIZE = ROWS * WIDTH * 8  # bytes in memory, a sixth of them in the file
# A small process in between: to the system a new one is as large as the one that starts it was.
BETWEEN = (
    "import subprocess, sys; sys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode)"
)
GROWS = """
import json, resource, sys
from isthmus.cli import big, run

def most():
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

big.BIG, big.VALUES = 0, 2**19
found = []
for source in ("few.parquet", "many.parquet"):
    assert run(["encode", "m.isthmus", source, "-o", "o.parquet", "--quiet", "--force"]) == 0
    found.append(most())
print(json.dumps(found))
"""


def test_memory_does_not_grow_with_the_rows(tmp_path, rng):
    x = rng.integers(0, 100, (ROWS, WIDTH)) / 8
    rows = pl.DataFrame(x, schema=[f"c{i}" for i in range(WIDTH)])
    rows.write_parquet(tmp_path / "many.parquet", row_group_size=2**14)
    rows[:20_000].write_parquet(tmp_path / "few.parquet", row_group_size=2**14)
    Autoencoder(2, max_epochs=1, random_state=0).fit(rows[:500]).save(tmp_path / "m.isthmus")
    ended = subprocess.run(
        [sys.executable, "-c", BETWEEN, "-c", GROWS],
        cwd=tmp_path, check=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    before, after = json.loads(ended.stdout)
    assert after - before < SIZE / 2
