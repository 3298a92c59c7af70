"""A table of people with a few wrong cells, and its audit."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from isthmus import Audit


@pytest.fixture(scope="session")
def people():
    rng = np.random.default_rng(0)
    n = 400
    job = rng.choice(["nurse", "pilot", "baker"], n)
    wage = np.select([job == "nurse", job == "pilot"], [3000.0, 9000.0], 2200.0)
    day = [dt.date(2020, 1, 1) + dt.timedelta(days=int(d)) for d in rng.integers(0, 900, n)]
    table = pl.DataFrame(
        {
            "name": [f"<b>{i}</b>" for i in range(n)],
            "job": job,
            "wage": (wage * rng.normal(1, 0.05, n)).round(),
            "tax": (wage * 0.2 * rng.normal(1, 0.05, n)).round(),
            "since": day,
            "member": rng.random(n) < 0.5,
        }
    )
    wage = table["wage"].to_list()
    pilot, baker = (int(np.flatnonzero(job == name)[5]) for name in ("pilot", "baker"))
    wage[pilot], wage[baker] = 2200.0, 9100.0
    wage[3] = None
    return table.with_columns(wage=pl.Series(wage)), {pilot, baker}


@pytest.fixture(scope="session")
def audit(people):
    return Audit(people[0], ids=["name"], folds=2, max_epochs=60)
