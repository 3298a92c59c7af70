"""`Scorer`: a model's file as a function of rows that any engine can send to its workers."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from isthmus.io import ModelFileError
from isthmus.loading import load
from isthmus.scale.batches import Columns, batch_of, columns_of
from isthmus.scale.groups import UNNAMED, groups_of, keys_of, usual_groups
from isthmus.scale.parts import PARTS, Model, objection, usual_rows
from isthmus.training import check_fork, use_shipped_cache
from isthmus.words import columns_named, did_you_mean

if TYPE_CHECKING:
    from isthmus.scale.batches import Batch


class Stamp(NamedTuple):
    """What tells that a file was replaced."""

    modified: int
    size: int


LOADED: dict[str, tuple[Stamp, Model]] = {}  # the models of this process, by their files
LOADING = threading.Lock()


class Scorer:
    """A fitted model's file as a function of rows, to be used on many machines.

    It is small, and can be pickled: what travels is the path. Each process reads the file at its first
    rows and keeps the model, until the file has another time or size. It takes what engines hand over,
    and returns the same kind of thing: a dict of arrays (Ray), a DataFrame of pandas, with its index
    (Dask, Spark's `pandas_udf`), or of polars, a table or record batches of Arrow, an array
    (`multiprocessing`), and for an iterator of these (Spark's `mapInArrow`, `mapInPandas`) an iterator.
    Columns are found by name, and others are left out; a batch without rows gives one without rows.

    A file with a model for each group knows the name of the column that says the group of each row, if
    the groups of the fit had one, as with `--by`: batches need that column then.

    Where the environment variable ISTHMUS_CACHE names a folder, a worker takes compiled programs from
    there, such as `isthmus warm` wrote, unless JAX has a folder already.

    Parameters
    ----------
    path : path
        The file of a model or a detector, at a place where all workers see it.
    part : {"score", "encode", "reconstruct", "detect", "pvalues"}
        What to make of rows, as the command of this name does. The columns are `score`; one for each
        code unit; those of the rows; `score` and `outlier`; `pvalue`.
    keep : sequence of str
        Columns of the rows that results have too, such as an identifier.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from isthmus import Autoencoder
    >>> from isthmus.scale import Scorer
    >>> X = np.random.default_rng(0).normal(size=(50, 3))
    >>> path = f"{tempfile.mkdtemp()}/m.isthmus"
    >>> Autoencoder(2, max_epochs=2, random_state=0).fit(X).save(path)
    >>> Scorer(path)(X).shape, Scorer(path, "encode")(X).shape
    ((50,), (50, 2))
    >>> batch = {"id": np.arange(50), "data": X}  # as of Ray
    >>> list(Scorer(path, keep=["id"])(batch))
    ['id', 'score']
    """

    def __init__(self, path: str | Path, part: str = "score", *, keep: Sequence[str] = ()) -> None:
        if part not in PARTS:
            raise ValueError(f"The part {part!r} is not known.{did_you_mean(part, PARTS)}")
        if isinstance(keep, str):
            raise ValueError(
                f"keep is a list of columns, and got the word {keep!r}: give [{keep!r}]."
            )
        if not isinstance(path, str | os.PathLike):
            raise TypeError(
                f"A Scorer takes the path of a model's file, and got {path!r}: save the model first, "
                "where all workers find it."
            )
        self.path = str(Path(path).absolute())  # workers may have another working directory
        self.part, self.keep = part, tuple(keep)
        _stamp_of(self.path)

    def __repr__(self) -> str:
        return f"Scorer({self.path!r}, {self.part!r}, keep={list(self.keep)!r})"

    def __call__(self, rows: Any) -> Any:
        """Return what the model makes of rows, as the same kind of thing.

        Raises
        ------
        TypeError
            For what is no batch of rows, such as a path, None or a LazyFrame.
        ValueError
            For rows that lack columns, and others that the model refuses.
        ModelFileError
            Where the file cannot be read, or holds a model that cannot do this part.
        ForkedError
            In a process that was forked after JAX had started.
        """
        if isinstance(rows, Iterator):
            return map(self, rows)
        batch, model = batch_of(rows), self._model()
        if self.keep:
            batch.check(self.keep, "keep names")
        made = self._made(model, batch)
        kept = {name: batch.column(name) for name in self.keep}
        if both := [name for name in kept if name in made]:
            raise ValueError(
                f"keep names {columns_named(both)}, which the result has: rename them."
            )
        return batch.made({**kept, **made})

    def _model(self) -> Model:
        model = loaded(self.path)
        if (why := objection(model, self.part)) is not None:
            raise ModelFileError(f"{self.path} {why}.")
        if (keys := keys_of(model)) is not None and keys.name is None:
            raise ModelFileError(f"{self.path} {UNNAMED}.")
        return model

    def _made(self, model: Model, batch: Batch) -> Columns:
        """Return what the model makes of rows; of none the columns that there would be."""
        names, keys = names_of(model), keys_of(model)
        groups, part = groups_of(keys, batch), PARTS[self.part]
        if batch.n == 0:
            one = usual_rows(model, 1)
            given = one if names is None else batch.like(one)
            made = columns_of(part(model, given, usual_groups(model, 1)), names or [])
            return {name: column[:0] for name, column in made.items()}
        beside = {*self.keep} if keys is None else {*self.keep, str(keys.name)}
        return columns_of(part(model, batch.given(names, beside), groups), names or [])


def names_of(model: Model) -> list[str] | None:
    """Return the columns that a model takes, or None where it was fitted on an array."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return None
    schema = model.schema_
    return list(names) if schema is None else [column.name for column in schema.used]


def loaded(path: str) -> Model:
    """Return the model of a file, which is read once in a process, and again when it was replaced."""
    check_fork()
    with LOADING:
        stamp = _stamp_of(path)
        known = LOADED.get(path)
        if known is None or known[0] != stamp:
            use_shipped_cache()
            known = LOADED[path] = stamp, load(path)
        return known[1]


def _stamp_of(path: str) -> Stamp:
    try:
        found = Path(path).stat()
    except OSError as error:
        raise ModelFileError(
            f"Cannot read {path}: {error.strerror}. Each process reads it by itself, so put it at a "
            "place that all machines see."
        ) from error
    return Stamp(found.st_mtime_ns, found.st_size)
