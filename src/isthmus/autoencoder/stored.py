"""What is fitted of an autoencoder, and how it leaves its process: model files, ONNX and pickles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from sklearn.utils.validation import check_is_fitted

from isthmus.autoencoder.callbacks import CalledBack
from isthmus.autoencoder.file import pack_autoencoder
from isthmus.autoencoder.parameters import Parameters
from isthmus.model import Baseline, export_model, write_model_file
from isthmus.nets import OPSET
from isthmus.training import is_stranded

if TYPE_CHECKING:
    from pathlib import Path

    from isthmus.model import History, Scaler, Scaling, Slots
    from isthmus.nets import Net
    from isthmus.schema import Schema


def one_of_many(n_groups: int) -> str:
    """Return why models of groups are not exported as one."""
    return (
        f"An ONNX file holds one model, and this one has {n_groups:,} groups: export that of a group, "
        "with of_group(KEY).export(...), or isthmus export --group KEY."
    )


class Stored(CalledBack, Parameters):
    """An estimator with all that a fit leaves in one record, `fitted_`."""

    @property
    def net_(self) -> Net:
        """Layers and weights."""
        return self.fitted_.model.net

    @property
    def slots_(self) -> Slots:
        """The five slots, resolved."""
        return self.fitted_.model.slots

    @property
    def scaler_(self) -> Scaler:
        """The map from the data's units to the net's."""
        return self.fitted_.model.scaler

    @property
    def scaling_(self) -> Scaling:
        """What the scaling was settled to."""
        return self.fitted_.model.scaling

    @property
    def schema_(self) -> Schema | None:
        """What each column of a table of mixed types is taken for, and why; None for plain numbers."""
        return self.fitted_.model.schema if hasattr(self, "fitted_") else None

    @property
    def history_(self) -> History:
        """What was measured in each epoch, by name."""
        return self.fitted_.history

    @property
    def n_iter_(self) -> int:
        """The number of epochs trained."""
        return self.fitted_.n_iter

    @property
    def n_parameters_(self) -> int:
        """The number of weights."""
        return self.fitted_.model.n_parameters

    @property
    def baseline_(self) -> Baseline:
        """Errors of the model, of PCA and of the mean."""
        return cast(Baseline, self._measured("baseline"))

    @property
    def mean_activation_(self) -> np.ndarray:
        """The mean activity of each code unit over the training rows."""
        return cast(np.ndarray, self._measured("mean_activation"))

    @property
    def batch_size_(self) -> int:
        """The number of rows in a step."""
        return cast(int, self._measured("batch_size"))

    @property
    def max_epochs_(self) -> int:
        """The number of epochs that the fit was to take at most."""
        return cast(int, self._measured("max_epochs"))

    def _measured(self, name: str) -> object:
        value = getattr(self.fitted_, name)
        if value is None:
            raise AttributeError(
                f"This {type(self).__name__} has no {name}_ after its last training."
            )
        return value

    @property
    def seed_(self) -> int | None:
        """The seed that the last `fit` drew from `random_state`; None after `partial_fit` alone."""
        return None if self.fitted_.seen is None else self.fitted_.seen[1]

    @property
    def unfinished_epochs(self) -> int | None:
        """How many epochs an interrupted fit has behind it; None where none is left to go on with."""
        last = self.fitted_.unfinished if hasattr(self, "fitted_") else None
        return None if last is None else len(last.state.history)

    def save(self, path: str | Path, *, part: str = "model", resume: bool = False) -> None:
        """Write the model to one safe file; `isthmus.load` reads it.

        Parameters
        ----------
        path : path
            The file; written whole or not at all.
        part : "model" or "encoder"
            The encoder alone cannot decode, reconstruct or score, and so needs none of the functions
            of your own for the loss, a penalty or a corruption, which no file can hold.
        resume : bool
            Whether an interrupted or partial fit can go on after loading.
        """
        check_is_fitted(self)
        write_model_file(path, *pack_autoencoder(self, self.fitted_, part, resume=resume))

    def export(self, path: str | Path, part: str = "encoder", *, opset: int = OPSET) -> None:
        """Write the model to an ONNX file, which other languages and programs run.

        Its input "X" is rows in the data's units and shape, as float32 and as many as you like; the
        scaling is in the file. Of a table of mixed types each column is an input of its own name and
        type, and with "reconstruct" an output too; its metadata say how missing cells are given.

        Parameters
        ----------
        path : path
            The file; written whole, after ONNX Runtime and the model have agreed on rows of several
            kinds to 1e-4 of their size, and what rounding explains, or not at all.
        part : "encoder", "reconstruct" or "score"
            What the file computes: "code", as `transform` does, "reconstruction" or "score", as
            `score_samples` does. A row outside the loss's domain is charged for its distance.
        opset : int
            The version of ONNX's operators, from 13 to 20: lower ones are for older programs.

        Raises
        ------
        ValueError
            For a loss, sparsity or scaling in the part that is not built in, and for a column that no
            input can be.
        ModelFileError
            Where the results differ, or the file cannot be written.
        ImportError
            Without `pip install onnx onnxruntime`.
        """
        check_is_fitted(self)
        if self.fleet_ is not None:
            raise ValueError(one_of_many(self.fleet_.n_groups))
        names = getattr(self, "feature_names_in_", None)
        export_model(self.fitted_.model.on(self.device), path, part, names, opset)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "fitted_" in state:
            state["fitted_"] = state["fitted_"].on_host()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if (
            "fitted_" in state and not is_stranded()
        ):  # an error would leave a worker without an answer
            self.fitted_ = state["fitted_"].on_device()
