"""How a fitted model leaves its process: model files, ONNX files and pickles."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.autoencoder.composed import Composed
from isthmus.nets.net import Net
from isthmus.training.runtime import computing


class Stored(Composed):
    """An estimator with a net, which can be written."""

    net_: Net
    dtype: str

    def save(self, path: str | Path, *, part: str = "model", resume: bool = False) -> None:
        """Write the model to one safe file; `isthmus.load` reads it.

        Parameters
        ----------
        path : path
            The file; written whole or not at all.
        part : "model" or "encoder"
            The encoder alone cannot decode, reconstruct or score.
        resume : bool
            Whether an interrupted or partial fit can go on after loading.
        """
        from isthmus.model.file import save_model

        check_is_fitted(self)
        save_model(self, path, part=part, resume=resume)

    def export(self, path: str | Path, part: str = "encoder") -> None:
        """Write the model to an ONNX file, which other languages and programs run.

        Its input "X" is rows in the data's units and shape, as float32 and as many as you like; the
        scaling is in the file.

        Parameters
        ----------
        path : path
            The file; written whole, after ONNX Runtime and the model have agreed on rows of several
            kinds to 1e-4 of their size, or not at all.
        part : "encoder", "reconstruct" or "score"
            What the file computes: "code", as `transform` does, "reconstruction" or "score", as
            `score_samples` does. A row outside the loss's domain is charged for its distance.

        Raises
        ------
        ValueError
            For a loss, sparsity or scaling in the part that is not built in.
        ModelFileError
            Where the results differ, or the file cannot be written.
        ImportError
            Without `pip install isthmus[onnx]`.
        """
        from isthmus.model.onnx import export

        check_is_fitted(self)
        export(self, path, part)

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {
            k: _host(v) if k in ("net_", "_training", "_carried") else v for k, v in state.items()
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "net_" in state:
            with computing(self.dtype, None):
                self.net_ = jax.tree.map(jnp.asarray, state["net_"])


def _host(tree: Any) -> Any:
    """Return a tree with its JAX arrays as NumPy arrays, which survive any pickling."""
    return jax.tree.map(lambda v: np.asarray(v) if isinstance(v, jax.Array) else v, tree)
