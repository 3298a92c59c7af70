"""Detectors of outliers made of many autoencoders."""

from isthmus.outliers.conformal import conformal_pvalues as conformal_pvalues
from isthmus.outliers.detector import USUAL_RATE as USUAL_RATE
from isthmus.outliers.detector import OutlierDetector as OutlierDetector
from isthmus.outliers.detector import default_autoencoder as default_autoencoder
from isthmus.outliers.file import unpack_detector as unpack_detector
from isthmus.outliers.parameters import check_detector as check_detector
