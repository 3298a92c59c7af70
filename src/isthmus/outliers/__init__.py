"""Detectors of outliers made of many autoencoders."""

from isthmus.outliers.checking import check_new_detector as check_new_detector
from isthmus.outliers.conformal import conformal_pvalues as conformal_pvalues
from isthmus.outliers.detector import OutlierDetector as OutlierDetector
from isthmus.outliers.detector import default_autoencoder as default_autoencoder
from isthmus.outliers.file import unpack_detector as unpack_detector
from isthmus.outliers.recalibration import Recalibration as Recalibration
from isthmus.outliers.recalibration import check_enough as check_enough
from isthmus.outliers.recalibration import check_recent as check_recent
from isthmus.outliers.recalibration import recalibrate_by as recalibrate_by
from isthmus.outliers.rules import USUAL_RATE as USUAL_RATE
from isthmus.outliers.what_if import ThresholdTable as ThresholdTable
from isthmus.outliers.what_if import threshold_table as threshold_table
