"""Contestants in processes of their own: one pipe says what to run, another answers.

So threads that wait for work disturb nobody: a pool of threads sleeps while another contestant runs.
"""

import importlib
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def limit_cores(cores):
    """Let this process and its children use so many cores, and as many threads in every library."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])
    os.environ |= dict.fromkeys(THREADS, str(cores))


def environment(**more):
    """Return the environment of a contestant: no cache of compiled programs but the one it is given."""
    kept = {k: v for k, v in os.environ.items() if "CACHE" not in k}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    paths = [str(HOME), os.environ.get("PYTHONPATH", "")]
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | more


class Worker:
    """A contestant, by the module that has it in `CONTESTANTS` and its name there."""

    def __init__(self, module, name, *arguments, **variables):
        command = [sys.executable, "-m", "speed.workers", module, name, json.dumps(arguments)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.name = name
        self.process = subprocess.Popen(command, env=environment(**variables), **pipes)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def __call__(self, *request):
        """Return the answer to a request."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} ended: its error is above.")
        return json.loads(answer)


def once(module, name, *arguments, request=()):
    """Return the first answer of a new process."""
    with Worker(module, name, *arguments) as worker:
        return worker(*request)


def busy(seconds=0.5):
    """Return how many cores other processes keep busy, while this one sleeps; None if unknown."""
    try:
        before = _ticks()
        time.sleep(seconds)
        return (_ticks() - before) / os.sysconf("SC_CLK_TCK") / seconds
    except (OSError, ValueError):
        return None


def _ticks():
    """Return the clock ticks that all cores together were not idle."""
    user, nice, system, _, _, *others = Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    return sum(map(int, (user, nice, system, *others)))


def main():
    """Answer requests until there are no more."""
    module, name, arguments = sys.argv[1:]
    answers, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    named = module if "." in module else f"speed.{module}"
    contestants = importlib.import_module(named).CONTESTANTS
    run = contestants[name](*json.loads(arguments))
    for line in sys.stdin:
        answers.write(json.dumps(run(*json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
