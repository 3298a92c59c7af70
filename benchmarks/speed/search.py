"""Searches over 32 candidates, beside as many single fits and `GridSearchCV`; `tune.py` has the tasks.

Warm, in a process that has done the same before; `tune.py` has new processes.
"""

import time

from speed.results import alternated

CANDIDATES, SINGLES = 32, "32 single fits"
TASKS = ("sparse, 64-32-20, numbers only", "denoising, 64-32-8, numbers only")


def task(name):
    """Return the model, the grid and the rows of a task."""
    import tune
    from sklearn.datasets import load_digits

    import isthmus

    params, grid = tune.TASKS[name]
    return isthmus.Autoencoder(**params, random_state=0), grid, load_digits().data


def isthmus(name):
    """Return the seconds of `isthmus.tune`."""
    from isthmus import tune

    model, grid, x = task(name)

    def run():
        begin = time.perf_counter()
        tune(model, grid, x)
        return time.perf_counter() - begin

    return run


def singles(name):
    """Return the mean seconds of four candidates' fits, times 32."""
    from sklearn.base import clone
    from sklearn.model_selection import ParameterGrid

    model, grid, x = task(name)
    some = list(ParameterGrid(grid))[:: CANDIDATES // 4]

    def run():
        begin = time.perf_counter()
        for params in some:
            clone(model).set_params(**params).fit(x)
        return (time.perf_counter() - begin) / len(some) * CANDIDATES

    return run


def sklearn(name):
    """Return the seconds of `GridSearchCV` on one split."""
    from sklearn.model_selection import GridSearchCV, ShuffleSplit

    model, grid, x = task(name)

    def run():
        begin = time.perf_counter()
        GridSearchCV(model, grid, cv=ShuffleSplit(1, test_size=0.2, random_state=0)).fit(x)
        return time.perf_counter() - begin

    return run


CONTESTANTS = {"isthmus": isthmus, SINGLES: singles, "GridSearchCV": sklearn}


def workloads(args):
    """Return the names."""
    return list(TASKS)


def measure(name, args):
    """Return seconds of searches."""
    return alternated("search", name, CONTESTANTS, (name,), min(args.rounds, 2), "s")
