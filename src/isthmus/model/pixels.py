"""Models of images that do the same wherever a pixel is, so that they take images of any size."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from isthmus.model.counting import Rooted
from isthmus.model.scaling import Affine
from isthmus.nets import ConvLayer, TransposedConvLayer
from isthmus.parts import Loss, Sparsity

if TYPE_CHECKING:
    from isthmus.model.model import Model


def is_local(model: Model) -> bool:
    """Return whether a pixel depends on those around it alone, in the same way wherever it is."""
    net, sparsity, loss = model.net, model.slots.sparsity, model.slots.loss
    return (
        bool(net.decoder)
        and all(type(layer) is ConvLayer and len(layer.window) == 2 for layer in net.encoder)
        and all(type(layer) is TransposedConvLayer for layer in net.decoder)
        and (sparsity is None or type(sparsity).code is Sparsity.code)
        and (loss.by_column or type(loss).seen is Loss.seen)
    )


def scaler_of_pixels(model: Model) -> Affine | Rooted | None:
    """Return the scaling of a pixel's channels; None where it differs from pixel to pixel."""
    if not isinstance(model.scaler, Affine | Rooted):
        return None
    channels = prod((model.sample_shape or ())[2:])
    centre, scale = (line.reshape(-1, channels) for line in model.scaler)
    alike = (centre == centre[0]).all() and (scale == scale[0]).all()
    return type(model.scaler)(centre[0], scale[0]) if alike else None
