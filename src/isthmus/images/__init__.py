"""Folders of images in and out, patches of them to train on, and denoising of images of any size."""

from isthmus.images.denoising import Denoiser as Denoiser
from isthmus.images.denoising import counted as counted
from isthmus.images.denoising import denoise
from isthmus.images.denoising import is_whole as is_whole
from isthmus.images.noise import SMALLEST as SMALLEST
from isthmus.images.noise import Noise, estimate_noise
from isthmus.images.noise import middle as middle
from isthmus.images.patches import patches
from isthmus.images.taught import deviation_at as deviation_at
from isthmus.images.taught import is_other as is_other
from isthmus.images.taught import taught as taught
from isthmus.images.units import unit_of as unit_of
from isthmus.io import (
    IMAGE_ENDINGS,
    Images,
    Patches,
    read_images,
    to_pixels,
    write_images,
)

__all__ = [
    "IMAGE_ENDINGS",
    "Images",
    "Noise",
    "Patches",
    "denoise",
    "estimate_noise",
    "patches",
    "read_images",
    "to_pixels",
    "write_images",
]
