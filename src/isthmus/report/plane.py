"""The picture of codes in the plane: its points, and what a reader may ask of each of them."""

from __future__ import annotations

import base64
import io
import time
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from isthmus.embedding import Embedding, lay_out, measure_trust
from isthmus.plots import brightness, data_address, value_range
from isthmus.training import draw_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from isthmus.report.facts import Facts

MOST_POINTS = 3000  # more take minutes to lay out and show no more
MOST_SHOWN_COLUMNS = 40  # whose values a point shows
MOST_KINDS = 10  # that have a colour and a mark of their own
THUMBNAIL = 28  # pixels of its longer side


def embed_codes(codes: np.ndarray, rows: np.ndarray, total: int, random_state: int) -> Embedding:
    """Lay out the codes of some of so many rows: as they are if they are two wide, else by t-SNE."""
    codes = codes.astype(float)
    if codes.shape[1] == 2:
        return Embedding(codes, rows, total, "code", 1.0, len(codes), 0.0)
    if len(codes) < 4 or not codes.std(axis=0).any():
        wide = np.pad(codes, ((0, 0), (0, 2)))
        return Embedding(wide[:, :2], rows, total, "code", float("nan"), 0, 0.0)
    begin, seed = time.perf_counter(), draw_seed(random_state)
    points = lay_out("tsne", codes, seed, quick=True)
    trust, judged = measure_trust(codes, points, seed)
    seconds = time.perf_counter() - begin
    return Embedding(points, rows, total, "tsne", trust, judged, seconds)


def embedding_facts(embedding: Embedding, name: str, width: int) -> Facts:
    """Return facts about the picture of a model's codes, which are so wide."""
    return {
        "name": name,
        "width": width,
        "method": embedding.method,
        "trustworthiness": embedding.trustworthiness,
        "n_points": len(embedding.points),
        "n_rows": embedding.total,
    }


def plane_payload(
    points: np.ndarray,
    rows: np.ndarray,
    ids: Sequence[str] | None,
    label: Facts | None,
    values: Sequence[Facts],
    thumbnails: Facts | None,
) -> Facts:
    """Return what the page's script draws: small numbers in base64, words as they are.

    Parameters
    ----------
    points : ndarray (m, 2)
        Become "xy", two whole numbers of 16 bits a point.
    rows : ndarray (m,)
        The numbers of the rows that the points are; `ids` are their names.
    label : dict, optional
        See `label_payload`.
    values : sequence of dict
        Each has a "name" and "values" (m,), which become "data", numbers of 32 bits, perhaps with
        "texts" to show; or "kinds", words, and the "numbers" (m,) of each point's own.
    thumbnails : dict, optional
        See `thumbnail_sheet`.
    """
    return {
        "n": len(rows),
        "xy": _base64(_spread(points).astype("<u2")),
        "rows": rows.tolist(),
        "ids": None if ids is None else list(ids),
        "label": label,
        "values": [_shown(v) for v in values],
        "sprite": thumbnails,
    }


def _shown(value: Facts) -> Facts:
    """Return the values of a column, one a point, as the script reads them."""
    if "kinds" in value:
        numbers = _base64(np.asarray(value["numbers"]).astype("<u2"))
        return {"name": value["name"], "kinds": value["kinds"], "data": numbers}
    shown = {"name": value["name"], "data": _floats(value["values"])}
    return {**shown, "texts": value["texts"]} if "texts" in value else shown


def label_payload(labels: np.ndarray, name: str) -> Facts:
    """Return labels as kinds and their numbers, or as numbers if there are many of them."""
    kinds, numbers = np.unique(labels, return_inverse=True)
    if len(kinds) > MOST_KINDS and labels.dtype.kind in "fiu":
        return {"name": name, "kinds": None, "data": _floats(labels)}
    if len(kinds) > MOST_KINDS:  # the rarer ones share the last colour
        order = np.argsort(-np.bincount(numbers), kind="stable")
        kinds, numbers = kinds[order], np.argsort(order)[numbers]
    words = [str(kind) for kind in kinds]
    return {"name": name, "kinds": words, "data": _base64(numbers.astype("<u2"))}


def thumbnail_sheet(images: np.ndarray) -> Facts:
    """Return thumbnails (n, h, w, c) side by side in one picture, as the smaller of PNG and JPEG."""
    values = (255 * brightness(images, *value_range(images))).astype(np.uint8)
    h, w = values.shape[1:3]
    scale = min(1.0, THUMBNAIL / max(h, w))
    size = max(round(w * scale), 1), max(round(h * scale), 1)
    across = int(np.ceil(np.sqrt(len(values))))
    whole = (across * size[0], -(-len(values) // across) * size[1])
    sheet = Image.new("RGB" if values.ndim == 4 else "L", whole)
    for i, value in enumerate(values):
        tile = Image.fromarray(value)
        tile = tile if scale == 1 else tile.resize(size, Image.Resampling.BOX)
        sheet.paste(tile, (i % across * size[0], i // across * size[1]))
    return {"w": size[0], "h": size[1], "across": across, "source": _smaller_address(sheet)}


def _smaller_address(sheet: Image.Image) -> str:
    png, jpeg = io.BytesIO(), io.BytesIO()
    sheet.save(png, "png", optimize=True)
    sheet.save(jpeg, "jpeg", quality=80)
    kind, best = min(("png", png), ("jpeg", jpeg), key=lambda pair: len(pair[1].getvalue()))
    return data_address(f"image/{kind}", best.getvalue())


def _spread(points: np.ndarray) -> np.ndarray:
    """Return points as whole numbers from 0 to 65,535, both axes on one scale."""
    points = points.astype(float)
    low, high = points.min(axis=0), points.max(axis=0)
    side = float((high - low).max()) or 1.0
    centred = (points - (low + high) / 2) / side + 0.5
    return np.round(65535 * centred)


def _floats(values: np.ndarray) -> str:
    return _base64(np.asarray(values, "<f4"))


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def alike_neighbours(points: np.ndarray, labels: np.ndarray) -> float:
    """Return the share of points whose nearest neighbour has the same label."""
    near = NearestNeighbors(n_neighbors=1).fit(points).kneighbors(return_distance=False)[:, 0]
    return float(np.mean(labels[near] == labels))


def alike_by_chance(labels: np.ndarray) -> float:
    """Return the share of pairs of points with one label: what `alike_neighbours` is by chance."""
    counts, n = np.unique(labels, return_counts=True)[1], len(labels)
    return float(np.sum(counts * (counts - 1.0)) / (n * (n - 1)))
