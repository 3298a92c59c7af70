"""How long the first minute takes: imports, --help, and a first fit beside a warm one.

    python benchmarks/start.py [--repeats 3]

Every figure is from a new process, the median of the repeats, with compiled bytecode in place.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

FIT = """
import time, warnings
warnings.simplefilter("ignore")
from sklearn.datasets import load_digits
begin = time.perf_counter()
import isthmus
{cache}
X = load_digits().data
model = isthmus.Autoencoder(8, "dense:hidden=[32]", max_epochs=20, random_state=0)
times = []
for _ in range(3):
    begin = time.perf_counter()
    model.fit(X)
    times.append(time.perf_counter() - begin)
print(times[0], min(times[1:]))
"""
PROGRAMS = {
    "python -c pass": "import time; b = time.perf_counter(); print(time.perf_counter() - b)",
    "import isthmus": "import time; b = time.perf_counter(); import isthmus; "
    "print(time.perf_counter() - b)",
    "first use (isthmus.Autoencoder)": "import time; b = time.perf_counter(); import isthmus; "
    "isthmus.Autoencoder; print(time.perf_counter() - b)",
    "isthmus --help, inside Python": "import time, io, sys; b = time.perf_counter()\n"
    "sys.stdout, out = io.StringIO(), sys.stdout\n"
    "from isthmus.__main__ import main\n"
    "try: main(['--help'])\nexcept SystemExit: pass\n"
    "sys.stdout = out; print(time.perf_counter() - b)",
}


def measure(code, repeats):
    """Return the medians of what a program prints, from new processes."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    runs = []
    for _ in range(repeats + 1):  # the first writes the bytecode
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        runs.append([float(v) for v in done.stdout.split()])
    return [statistics.median(column) for column in zip(*runs[1:], strict=True)]


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print(f"load {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores; seconds, median of {repeats}")
    for name, code in PROGRAMS.items():
        print(f"  {name:<42} {measure(code, repeats)[0]:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        for name, cache in (
            ("no cache on disk", ""),
            ("compilation cache", f"isthmus.enable_compilation_cache({folder!r})"),
        ):
            first, warm = measure(FIT.format(cache=cache), repeats)
            print(f"  first fit, {name:<31} {first:.2f}  (warm {warm:.2f}, {first - warm:+.2f})")


if __name__ == "__main__":
    main()
