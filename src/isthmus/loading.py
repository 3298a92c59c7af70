"""Files of models and of detectors, read by one function."""

from pathlib import Path

from isthmus.autoencoder import Autoencoder, unpack_autoencoder
from isthmus.io import ModelFileError
from isthmus.model import DETECTOR, DETECTORS, damage_named, read_model_file
from isthmus.outliers import OutlierDetector, unpack_detector


def load(path: str | Path) -> Autoencoder | OutlierDetector:
    """Read a model that `Autoencoder.save` or `OutlierDetector.save` wrote.

    Parameters
    ----------
    path : path
        The file. Reading it runs no code and opens nothing else.

    Returns
    -------
    Autoencoder or OutlierDetector
        What was saved, with the same scores to the bit on the same machine.

    Raises
    ------
    ModelFileError
        For missing, foreign, damaged and newer files.
    """
    tensors, meta = read_model_file(Path(path))
    with damage_named(path):
        if meta.get("kind") in (DETECTOR, DETECTORS):
            return unpack_detector(OutlierDetector, Autoencoder, tensors, meta)
        return unpack_autoencoder(Autoencoder, tensors, meta)


def load_autoencoder(path: str | Path) -> Autoencoder:
    """Read what `Autoencoder.save` wrote, and refuse what a detector's wrote."""
    tensors, meta = read_model_file(Path(path))
    if meta.get("kind") in (DETECTOR, DETECTORS):
        raise ModelFileError(
            f"{path} holds a detector of outliers and no single autoencoder: isthmus.load, and isthmus "
            "detect --model, explain, export, info and report, read it."
        )
    with damage_named(path):
        return unpack_autoencoder(Autoencoder, tensors, meta)
