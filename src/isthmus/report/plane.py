"""The picture of codes in the plane: its points, and what a reader may ask of each of them."""

import base64
import io
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from sklearn.utils import _safe_indexing

from isthmus.embedding import embed, sample_row_numbers
from isthmus.plots.tiles import bright, extent
from isthmus.report import measurements
from isthmus.report.facts import flat_rows

MOST_POINTS = 3000  # more take minutes to lay out and show no more
MOST_COLUMNS = 40  # that a point tells
MOST_KINDS = 10  # that have a colour and a mark of their own
TILE = 28  # pixels of a thumbnail's longer side


class Plane(NamedTuple):
    """Points of the plane (n, 2), the rows they are, how they came about and how far to trust them."""

    points: np.ndarray
    rows: np.ndarray
    method: str
    trustworthiness: float | None


def lay_out(model: Any, X: Any, random_state: int = 0) -> Plane:
    """Lay the codes of at most 3,000 rows out in the plane, by t-SNE if they are wider than 2."""
    rows = sample_row_numbers(len(X), MOST_POINTS, random_state)
    codes = np.asarray(model.transform(_safe_indexing(X, rows)), float)
    if codes.shape[1] == 2:
        return Plane(codes, rows, "code", 1.0)
    if len(codes) < 4 or not codes.std(axis=0).any():
        wide = np.c_[codes, np.zeros((len(codes), 2))]
        return Plane(wide[:, :2], rows, "code", None)
    drawn = embed(None, codes, method="tsne", random_state=random_state)
    return Plane(drawn.points, rows[drawn.rows], drawn.method, drawn.trustworthiness)


def plane_payload(
    plane: Any, model: Any, X: Any, y: Any, label: str, ids: Any, scores: Any, shape: Any
) -> dict[str, Any]:
    """Return what the page's script draws: small numbers in base64, words as they are.

    "xy" is two whole numbers of 16 bits a point; each of "values" is one of 32 bits a point.
    """
    rows = np.asarray(plane.rows)
    told = {
        "n": len(rows),
        "xy": _base64(_spread(np.asarray(plane.points, float)).astype("<u2")),
        "rows": rows.tolist(),
        "ids": None if ids is None else [str(ids[i]) for i in rows],
        "label": _label(None if y is None else np.asarray(y)[rows], label),
        "values": [{"name": "score", "data": _floats(scores)}],
        "sprite": None,
    }
    some = flat_rows(_safe_indexing(X, rows))
    if shape is not None and len(shape) == 3 and shape[2] in (1, 3):
        told["sprite"] = sprite(some.reshape(-1, *shape))
    else:
        known = measurements.names(model, some.shape[1])[:MOST_COLUMNS]
        pairs = zip(known, some.T, strict=False)
        told["values"] += [{"name": name, "data": _floats(v)} for name, v in pairs]
    return told


def _label(y: np.ndarray | None, name: str) -> dict[str, Any] | None:
    """Return labels as kinds and their numbers, or as numbers where there are many of them."""
    if y is None:
        return None
    kinds, numbers = np.unique(y, return_inverse=True)
    if len(kinds) > MOST_KINDS and y.dtype.kind in "fiu":
        return {"name": name, "kinds": None, "data": _floats(y)}
    order = np.argsort(-np.bincount(numbers), kind="stable") if len(kinds) > MOST_KINDS else None
    if order is not None:  # the rarer ones share the last colour
        kinds, numbers = kinds[order], np.argsort(order)[numbers]
    return {
        "name": name,
        "kinds": [str(k) for k in kinds],
        "data": _base64(numbers.astype("<u2")),
    }


def _spread(points: np.ndarray) -> np.ndarray:
    """Return points as whole numbers from 0 to 65,535, both axes on one scale."""
    low, high = points.min(axis=0), points.max(axis=0)
    side = float((high - low).max()) or 1.0
    centred = (points - (low + high) / 2) / side + 0.5
    return np.round(65535 * centred)


def sprite(images: np.ndarray) -> dict[str, Any]:
    """Return thumbnails (n, h, w, c) side by side in one picture, as the smaller of PNG and JPEG."""
    values = (255 * bright(images, *extent(images))).astype(np.uint8)
    h, w = values.shape[1:3]
    scale = min(1.0, TILE / max(h, w))
    size = max(round(w * scale), 1), max(round(h * scale), 1)
    across = int(np.ceil(np.sqrt(len(values))))
    whole = (across * size[0], -(-len(values) // across) * size[1])
    sheet = Image.new("RGB" if values.ndim == 4 else "L", whole)
    for i, value in enumerate(values):
        tile = Image.fromarray(value)
        tile = tile if scale == 1 else tile.resize(size, Image.Resampling.BOX)
        sheet.paste(tile, (i % across * size[0], i // across * size[1]))
    return {"w": size[0], "h": size[1], "across": across, "source": _address(sheet)}


def _address(sheet: Image.Image) -> str:
    found = {}
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": 80})):
        buffer = io.BytesIO()
        sheet.save(buffer, kind, **options)
        found[kind] = buffer.getvalue()
    kind = min(found, key=lambda k: len(found[k]))
    return f"data:image/{kind};base64,{base64.b64encode(found[kind]).decode()}"


def _floats(values: Any) -> str:
    return _base64(np.asarray(values, "<f4"))


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def nearest_alike(points: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of points whose nearest neighbour has the same label."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=1).fit(points).kneighbors(return_distance=False)[:, 0]
    return float(np.mean(labels[near] == labels))
