"""Files of models and of detectors, read by one function."""

from pathlib import Path

from isthmus.autoencoder.estimator import Autoencoder
from isthmus.model.file import DETECTOR, damage_named, read_model_file, rebuild_model
from isthmus.outliers.detector import OutlierDetector
from isthmus.outliers.file import rebuild_detector


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
        if meta.get("kind") == DETECTOR:
            return rebuild_detector(tensors, meta)
        return rebuild_model(tensors, meta)
