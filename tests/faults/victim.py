"""The command line as a process that does itself harm first: `victim.py HARM words...`, HARM in JSON.

Checkpoints are written often, so that some are under way when a fault comes from without.
"""

import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable

CHECKPOINT_SECONDS = 0.05


def jumping(now: Callable[[], float], seed: int) -> Callable[[], float]:
    """Return a clock that now and then is set forth or back, by up to years."""
    rng, offset = random.Random(seed), 0.0

    def time() -> float:
        nonlocal offset
        if rng.random() < 0.2:
            offset += rng.choice((-1, 1)) * 10 ** rng.uniform(0, 8)
        return max(now() + offset, 0.0)

    return time


if __name__ == "__main__":
    harm, words = json.loads(sys.argv[1]), sys.argv[2:]
    if "clock" in harm:
        time.time = jumping(time.time, harm["clock"])
    if "most" in harm:
        resource.setrlimit(resource.RLIMIT_FSIZE, (harm["most"], harm["most"]))
    if "closed" in harm:  # as by a shell's >&-: the interpreter has to find it so
        os.close(harm.pop("closed"))
        os.execv(sys.executable, [sys.executable, __file__, json.dumps(harm), *words])
    if words[:1] == ["fit"]:
        from isthmus.cli.commands import fit

        fit.CHECKPOINT_SECONDS = CHECKPOINT_SECONDS
    from isthmus.__main__ import main

    sys.argv = ["isthmus", *words]
    sys.exit(main())
