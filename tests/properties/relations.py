"""What must hold of any fitted autoencoder, however it is made up."""

from __future__ import annotations

import pickle
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import equinox as eqx
import numpy as np
from properties.strategies import Drawn
from sklearn.base import clone

import isthmus
from isthmus import Autoencoder
from isthmus.model import Model
from isthmus.model.scaling import Affine
from isthmus.training.runtime import release_programs

USES = ("transform", "reconstruct", "score_samples")
counted: Counter[str] = Counter()  # how often each relation was held to, and each way to end
broken: list[str] = []  # what was drawn where one did not hold, in a long run


def check(drawn: Drawn, again: bool, part: str) -> None:
    """Fit what was drawn, and hold it to all relations; a refusal must be one sentence."""
    release_programs()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # advice on poor results
        ae = fitted(drawn)
        if ae is None:
            return
        results = used(ae, drawn.X)
        kept_by_files_and_pickles(ae, drawn.X, results)
        rows_alone(ae, drawn.X, results)
        permuted_columns(ae, drawn.X)
        exported(ae, part)
        if again:
            the_same_again(ae, drawn, results)
            other_units(ae, drawn)


def fitted(drawn: Drawn) -> Autoencoder | None:
    """Return the fitted model, or None where it was refused in one sentence."""
    try:
        ae = Autoencoder(**drawn.params).fit(drawn.X)
    except (ValueError, TypeError, FloatingPointError) as error:
        in_a_sentence(error)
        counted["refused"] += 1
        counted[f"refused as {str(error)[:60]}"] += 1
        return None
    counted["fitted"] += 1
    return ae


def in_a_sentence(error: Exception) -> None:
    """Assert that an error reads as one line that begins and ends as a sentence does."""
    text = str(error)
    assert "\n" not in text, text
    assert text.endswith("."), text
    assert text[0].isupper(), text


def used(ae: Autoencoder, X: np.ndarray) -> dict[str, np.ndarray]:
    """Return what the model makes of its rows; all of it is finite."""
    results = {use: getattr(ae, use)(X) for use in USES}
    for use, result in results.items():
        assert np.isfinite(result).all(), use
        assert len(result) == len(X), use
    assert results["reconstruct"].shape == X.shape
    assert isinstance(ae.summary(), str)
    return results


def alike(other: Autoencoder, X: np.ndarray, results: dict[str, np.ndarray]) -> None:
    """Assert that another model makes the same of the rows, to the bit."""
    for use, result in results.items():
        np.testing.assert_array_equal(getattr(other, use)(X), result, use)


def kept_by_files_and_pickles(
    ae: Autoencoder, X: np.ndarray, results: dict[str, np.ndarray]
) -> None:
    """A copy by pickle is the model to the bit, and so is one by a file."""
    alike(pickle.loads(pickle.dumps(ae)), X, results)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.isthmus"
        try:
            ae.save(path)
        except isthmus.ModelFileError as error:
            in_a_sentence(error)
            counted["not saved"] += 1
            if isinstance(ae.scaler_, Affine):
                raise
            return
        copy = isthmus.load(path)
        alike(copy, X, results)
        copy.save(Path(folder) / "again.isthmus")
        assert sorted(file.name for file in Path(folder).iterdir()) == [
            "again.isthmus",
            "m.isthmus",
        ]
    counted["saved"] += 1


def rows_alone(ae: Autoencoder, X: np.ndarray, results: dict[str, np.ndarray]) -> None:
    """A row's results are the same to the bit whatever rows come with it."""
    some = {use: result[1:2] for use, result in results.items()}
    alike(ae, X[1:2], some)
    order = np.random.default_rng(0).permutation(len(X))
    alike(ae, X[order], {use: result[order] for use, result in results.items()})
    counted["rows alone"] += 1


def permuted_columns(ae: Autoencoder, X: np.ndarray) -> None:
    """A dense net whose first weights are permuted scores permuted columns as before."""
    model, loss = ae.fitted_.model, ae.slots_.loss
    if ae.slots_.architecture.name != "dense" or not isinstance(model.scaler, Affine):
        return
    norm = model.net.encoder[0].scale is not None or model.net.decoder[0].scale is not None
    order = np.random.default_rng(0).permutation(model.n_features)
    flat = X.reshape(len(X), -1).astype(float)
    permuted = with_columns(model, order)
    tolerance = 1e-4 if ae.dtype == "float32" else 1e-9
    before, after = model.losses(flat), permuted.losses(flat[:, order])
    if norm or loss.name == "cosine" or ae.slots_.sparsity is not None:
        return  # rounding is amplified, or turns which units are kept
    np.testing.assert_allclose(
        after, before, rtol=tolerance, atol=tolerance * (1 + np.abs(before).max())
    )
    counted["permuted columns"] += 1


def with_columns(model: Model, order: np.ndarray) -> Model:
    """Return a dense model for rows whose columns come in another order."""
    net, (first, last) = model.net, (model.net.encoder[0], model.net.decoder[0])
    net = eqx.tree_at(lambda n: n.encoder[0].weight, net, first.weight[order])
    net = eqx.tree_at(lambda n: n.decoder[0].bias, net, last.bias[order])
    if last.weight is not None:
        net = eqx.tree_at(lambda n: n.decoder[0].weight, net, last.weight[:, order])
    scaler = Affine(*(values[order] for values in model.scaler))
    changes = {"net": net, "scaler": scaler, "mean_row": np.asarray(model.mean_row)[order]}
    return type(model)(**{**vars(model), **changes})


def exported(ae: Autoencoder, part: str) -> None:
    """An export agrees with the model, which `export` itself sees to, or is refused in a sentence."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            ae.export(Path(folder) / "m.onnx", part)
        except ValueError as error:
            if isinstance(error, isthmus.ModelFileError):
                raise
            in_a_sentence(error)
            counted["not exported"] += 1
            return
    counted["exported"] += 1


def the_same_again(ae: Autoencoder, drawn: Drawn, results: dict[str, np.ndarray]) -> None:
    """A clone, fitted on the same rows, is the same model to the bit."""
    copy = clone(ae)
    assert repr(copy.get_params()) == repr(Autoencoder(**drawn.params).get_params())
    assert not hasattr(copy, "fitted_")
    alike(copy.fit(drawn.X), drawn.X, results)
    counted["fitted twice"] += 1


def other_units(ae: Autoencoder, drawn: Drawn) -> None:
    """In units that are a power of two apart, standardised rows are the same, and so is all else.

    Bytes and whole numbers would be other types in other units; losses of raw data have none.
    """
    X = drawn.X
    if ae.scaling_ is None or not isinstance(ae.scaling_, str) or X.dtype != np.float64:
        return
    other = clone(ae).fit(X * 8)
    np.testing.assert_array_equal(other.score_samples(X * 8), ae.score_samples(X))
    np.testing.assert_array_equal(other.transform(X * 8), ae.transform(X))
    counted["other units"] += 1
