"""Pictures of the data: the codes of a model laid out in the plane."""

from __future__ import annotations

import logging
import time
import warnings
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE, trustworthiness
from sklearn.utils import check_array
from threadpoolctl import threadpool_limits

from isthmus import plots
from isthmus.autoencoder import as_images, check_whole, is_mixed
from isthmus.io import as_json
from isthmus.schema import is_frame
from isthmus.training import Progress, draw_seed
from isthmus.words import install

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

LEAST_ROWS = {"code": 1, "umap": 5, "pacmap": 12}  # for the others a picture needs three
MOST_ROWS = {"tsne": 5_000, "opentsne": 50_000, "umap": 50_000, "pacmap": 50_000}
PACKAGES = {"opentsne": "openTSNE", "umap": "umap", "pacmap": "pacmap"}
METHODS = ("auto", "code", "tsne", "opentsne", "umap", "pacmap", "pca")
TITLES = {
    "code": "Code",
    "pca": "PCA",
    "tsne": "t-SNE",
    "opentsne": "t-SNE",
    "umap": "UMAP",
    "pacmap": "PaCMAP",
}
NEIGHBOURS = 5
# Half of the steps, with coarser forces; groups and neighbours are the same.
QUICK_TSNE = {"max_iter": 500, "angle": 0.7}
MOST_JUDGED = 2_000  # rows whose neighbours are compared: all pairs of them are

Seed = int | np.random.RandomState | np.random.Generator | None


class Encoder(Protocol):
    """What encodes rows: a fitted transformer."""

    def transform(self, X: ArrayLike) -> ArrayLike:
        """Return the codes of rows."""


class Layout(Protocol):
    """What lays codes out in the plane."""

    def fit_transform(self, X: np.ndarray) -> ArrayLike:
        """Return a point for each code."""


class Embedding(NamedTuple):
    """Rows laid out in the plane, and how far the picture can be trusted.

    Parameters
    ----------
    points : ndarray (m, 2)
        Where each row lies.
    rows : ndarray (m,)
        Which rows of X these are, in their order.
    total : int
        How many rows X has; if that is more than m, the rows are a random sample.
    method : str
        What laid them out.
    trustworthiness : float
        1 if neighbours in the picture are neighbours by their codes as well, about 0.5 if the
        picture is chance; NaN if nothing was measured, as below three rows.
    judged : int
        How many of the rows it was measured on.
    seconds : float
        How long it took.
    """

    points: np.ndarray
    rows: np.ndarray
    total: int
    method: str
    trustworthiness: float
    judged: int
    seconds: float

    @property
    def sampled(self) -> bool:
        """Whether the points are a random sample of the rows."""
        return len(self.rows) < self.total

    @property
    def title(self) -> str:
        """The method's name as people write it."""
        return TITLES.get(self.method, self.method)

    def facts(self) -> Mapping[str, object]:
        """Return what is known beside the points, as JSON takes it."""
        facts: dict[str, object] = {
            "method": self.method,
            "rows": len(self.rows),
            "total": self.total,
            "sampled": self.sampled,
            "trustworthiness": self.trustworthiness,
            "judged": self.judged,
            "seconds": self.seconds,
        }
        return as_json(facts)

    def plot(self, colour: ArrayLike | None = None, label: str | None = None) -> Figure:
        """Draw the points.

        Parameters
        ----------
        colour : array-like (total,) or (m,), optional
            A value for each row of X, or for each point: a label, a column or the score. Rows whose
            value is missing are grey.
        label : str, optional
            What the colours mean; by default the name of a Series.

        Returns
        -------
        Figure

        Raises
        ------
        ValueError
            For another number of values.
        """
        label = getattr(colour, "name", None) if label is None else label
        values = None if colour is None else self._of_points(np.asarray(colour))
        axes = (f"{self.title}, first axis", f"{self.title}, second axis")
        return plots.embedding(self.points, values, axes, str(label or "Label"))

    def _of_points(self, values: np.ndarray) -> np.ndarray:
        if values.shape == (self.total,):
            return values[self.rows]
        if values.shape != (len(self.rows),):
            raise ValueError(
                f"colour has shape {values.shape}; give one value for each of the {self.total} rows, "
                f"or of the {len(self.rows)} points."
            )
        return values


def embed(
    model: Encoder | None,
    X: ArrayLike,
    *,
    method: str | Layout = "auto",
    max_rows: int | str | None = "auto",
    random_state: Seed = None,
    verbose: int = 0,
) -> Embedding:
    """Lay rows out in the plane, by their codes, so that neighbours stay neighbours.

    Parameters
    ----------
    model : Autoencoder, fitted transformer or None
        What encodes the rows; None takes the rows as they are.
    X : array-like (n, d), DataFrame, or images (n, h, w[, c])
        The rows.
    method : str or object with `fit_transform`
        "code" draws a code of two columns as it is, "pca" its first two principal axes; "tsne" is
        scikit-learn's t-SNE, for thousands of rows; "opentsne" (for more), "umap" and "pacmap" need
        the extra `embed`. "auto" is "code" if the code has two columns, and else "tsne".
    max_rows : "auto", int or None
        The most rows that are laid out; of more, a random sample is. "auto" is 5,000 for "tsne",
        50,000 for "opentsne", "umap" and "pacmap", and no limit, which is also None, for others.
    random_state : None, int, RandomState or Generator
        The seed of the sample and of the method.
    verbose : int
        0 is silent, 1 shows on the standard error what is being laid out, and on a terminal for how
        long.

    Returns
    -------
    Embedding
        `points`, `rows`, `method`, `trustworthiness`; `plot(colour)` draws it.

    Raises
    ------
    ValueError
        For too few rows, for rows that are all the same, and for unknown methods.
    ImportError
        For methods whose package is missing.

    References
    ----------
    van der Maaten and Hinton, "Visualizing Data using t-SNE", 2008. Venna and Kaski, "Neighborhood
    preservation in nonlinear projection methods", 2001, for the trustworthiness.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from isthmus import embed
    >>> drawn = embed(None, load_iris().data, method="pca")
    >>> drawn.points.shape, drawn.sampled
    ((150, 2), False)
    >>> drawn.trustworthiness > 0.9
    True
    """
    begin, seed = time.perf_counter(), draw_seed(random_state)
    codes = _codes(model, X)
    name = _method_name(method, codes.shape[1])
    rows = sample_row_numbers(len(codes), _row_limit(name, max_rows), seed)
    kept = codes[rows]
    _check_rows(name, kept)
    shown = 0 if name in ("code", "pca") else verbose  # these take no time
    with Progress(f"{TITLES.get(name, name)} of {len(kept):,} rows", shown):
        points = lay_out(name if isinstance(method, str) else method, kept, seed)
    if points.shape != (len(kept), 2):
        raise ValueError(
            f"The method {name!r} returned shape {points.shape}; a picture needs ({len(kept)}, 2)."
        )
    trust, judged = measure_trust(kept, points, seed)
    return Embedding(points, rows, len(codes), name, trust, judged, time.perf_counter() - begin)


def _codes(model: Encoder | None, X: ArrayLike) -> np.ndarray:
    """Return what is laid out, in float64."""
    if isinstance(model, type):
        raise TypeError(f"The model is {model!r}, a class: give a fitted model, or None.")
    if model is not None and not hasattr(model, "transform"):
        raise TypeError(f"{type(model).__name__} has no transform: give a fitted model, or None.")
    codes = _own_rows(X) if model is None else np.asarray(model.transform(X))
    if getattr(codes, "ndim", 0) > 2:
        codes = codes.reshape(len(codes), -1)
    return check_array(codes, dtype=np.float64, input_name="X" if model is None else "The code")


def _own_rows(X: ArrayLike) -> Any:
    """Return rows that are laid out as they are; ValueError for a table of mixed types."""
    rows = as_images(X)
    if is_frame(rows) and is_mixed(rows):
        raise ValueError(
            "X is a table of mixed types, or with missing cells, which has no distances of its own: "
            "give a fitted model, whose codes are laid out."
        )
    return rows


def _method_name(method: str | Layout, width: int) -> str:
    if isinstance(method, str) and method == "auto":
        return "code" if width == 2 else "tsne"
    if isinstance(method, str) and method in METHODS:
        if method == "code" and width != 2:
            raise ValueError(
                f"method='code' needs a code of two columns, and it has {width}: use 'tsne' or 'pca'."
            )
        return method
    if isinstance(method, str) or not hasattr(method, "fit_transform"):
        known = ", ".join(map(repr, METHODS))
        raise ValueError(
            f"The parameter method must be one of {known} or an object with fit_transform; got "
            f"{method!r}."
        )
    return type(method).__name__


def _row_limit(name: str, max_rows: int | str | None) -> int | None:
    if max_rows is None:
        return None
    check_whole("max_rows", max_rows, 3, auto=True)
    return MOST_ROWS.get(name) if isinstance(max_rows, str) else int(max_rows)


def sample_row_numbers(n: int, most: int | None, seed: int) -> np.ndarray:
    """Return the numbers of at most so many rows, drawn without repetition, in order."""
    if most is None or n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


def _check_rows(name: str, codes: np.ndarray) -> None:
    least = LEAST_ROWS.get(name, 3)
    if len(codes) < least:
        raise ValueError(f"A picture by {name!r} needs at least {least} rows; got {len(codes)}.")
    if name not in ("code", "pca") and np.all(codes == codes[0]):
        raise ValueError(
            f"The codes of all {len(codes)} rows are the same: there is nothing to lay out."
        )


def lay_out(method: str | Layout, codes: np.ndarray, seed: int, quick: bool = False) -> np.ndarray:
    """Return a point of the plane for each code; `quick` takes a third of the time of t-SNE."""
    if method == "code":
        return np.array(codes)
    # On a busy CPU the threads of these methods wait for each other many times as long.
    with threadpool_limits(1):
        if not isinstance(method, str):
            return np.array(method.fit_transform(codes), float)
        centred = codes - codes.mean(axis=0)
        if method == "pca":
            return _pca(centred)
        # The unit means nothing to these methods, but squares of very small or large codes would.
        x = centred / np.abs(centred).max()
        found = _tsne(x, seed, quick) if method == "tsne" else OTHER_METHODS[method](x, seed)
        return np.array(found, float)


def measure_trust(codes: np.ndarray, points: np.ndarray, seed: int) -> tuple[float, int]:
    """Return the trustworthiness of a picture, and on how many of its rows it was measured."""
    judged = sample_row_numbers(len(codes), MOST_JUDGED, seed)
    if len(judged) < 3:
        return float("nan"), len(judged)
    near = min(NEIGHBOURS, (len(judged) - 1) // 2)
    return float(trustworthiness(codes[judged], points[judged], n_neighbors=near)), len(judged)


def _pca(x: np.ndarray) -> np.ndarray:
    width = min(2, *x.shape)
    if not x.any():
        return np.zeros((len(x), 2))
    points = PCA(width, svd_solver="full").fit_transform(x)
    return np.pad(points, ((0, 0), (0, 2 - width)))


def _perplexity(n: int) -> float:
    return max(1.0, min(30.0, (n - 1) / 3))


def _tsne(x: np.ndarray, seed: int, quick: bool) -> np.ndarray:
    return TSNE(
        init="pca" if x.shape[1] > 1 else "random",
        perplexity=_perplexity(len(x)),
        random_state=_small(seed),
        **(QUICK_TSNE if quick else {}),
    ).fit_transform(x)


def _opentsne(x: np.ndarray, seed: int) -> ArrayLike:
    init = "pca" if x.shape[1] > 1 else "random"
    tsne = _package("opentsne").TSNE(
        initialization=init,
        perplexity=min(_perplexity(len(x)), (len(x) - 1) / 3),
        random_state=_small(seed),
        n_jobs=1,
    )
    return tsne.fit(x)


def _umap(x: np.ndarray, seed: int) -> ArrayLike:
    near = min(15, len(x) - 1)
    start = "spectral" if len(x) > 15 else "random"
    umap = _package("umap").UMAP
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of graphs in several parts: a start that need not be
        return umap(
            n_neighbors=near, init=start, random_state=_small(seed), n_jobs=1
        ).fit_transform(x)


def _pacmap(x: np.ndarray, seed: int) -> ArrayLike:
    pacmap = _package("pacmap").PaCMAP
    near = min(10, (len(x) - 1) // 3)
    with warnings.catch_warnings(), _unheard("pacmap"):
        warnings.simplefilter("ignore")  # it warns of the seed that it was given
        return pacmap(n_neighbors=near, random_state=_small(seed)).fit_transform(
            x.astype(np.float32)
        )


OTHER_METHODS: dict[str, Callable[[np.ndarray, int], ArrayLike]] = {
    "opentsne": _opentsne,
    "umap": _umap,
    "pacmap": _pacmap,
}


def _small(seed: int) -> int:
    return seed % 2**31  # some of the libraries take no larger one


def _package(method: str) -> Any:
    name = PACKAGES[method]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages that these could use as well
            return import_module(name)
    except ImportError as error:
        raise ImportError(f"method={method!r} needs {name}: {install(name)}.", name=name) from error


@contextmanager
def _unheard(name: str) -> Iterator[None]:
    """Silence a library's logger, and leave it as it was."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
