"""Named compositions: each returns a configured `Autoencoder`, whose repr shows what it is.

Every preset takes `Autoencoder`'s own keywords, which win over what the name stands for.
"""

from typing import Any

from isthmus.autoencoder import Autoencoder

# Layers at a half and a quarter of the resolution, whose outputs their mirrors add: what learnt most in
# the minutes of two processors.
DENOISER: dict[str, Any] = {
    "architecture": (
        "conv:channels=[64,64,64,128,128,128],kernel=[4,3,3,4,3,3],stride=[2,1,1,2,1,1],"
        "code_activation=gelu,code=maps,residual=true,skips=true"
    ),
    "corruption": "gaussian:std=[0.02,0.2]",
    "scaling": "range",
    "batch_size": 8,
    "learning_rate": 1e-3,
    "early_stopping": False,
}


def _preset(
    n_components: int | None, defaults: dict[str, Any], given: dict[str, Any]
) -> Autoencoder:
    return Autoencoder(n_components, **{**defaults, **given})


def deep(n_components: int = 2, **keywords: Any) -> Autoencoder:
    """Return a deep undercomplete autoencoder, with two hidden layers.

    Examples
    --------
    >>> deep(8)
    Autoencoder(architecture='dense:hidden=[128,64]', n_components=8)
    """
    return _preset(n_components, {"architecture": "dense:hidden=[128,64]"}, keywords)


def sparse(n_components: int = 100, **keywords: Any) -> Autoencoder:
    """Return a sparse autoencoder: KL sparsity, usually with more units than features.

    Examples
    --------
    >>> sparse(100)
    Autoencoder(n_components=100, sparsity='kl')
    """
    return _preset(n_components, {"sparsity": "kl"}, keywords)


def k_sparse(n_components: int = 100, **keywords: Any) -> Autoencoder:
    """Return a k-sparse autoencoder: only the k largest units of each row are active.

    Examples
    --------
    >>> k_sparse(100)
    Autoencoder(n_components=100, sparsity='topk')
    """
    return _preset(n_components, {"sparsity": "topk"}, keywords)


def denoising(n_components: int = 32, **keywords: Any) -> Autoencoder:
    """Return a denoising autoencoder: Gaussian corruption of the input.

    Examples
    --------
    >>> denoising(32)
    Autoencoder(corruption='gaussian', n_components=32)
    """
    return _preset(n_components, {"corruption": "gaussian"}, keywords)


def imputing(n_components: int = 128, **keywords: Any) -> Autoencoder:
    """Return an autoencoder for `impute`: it learns to fill cells that are hidden from it.

    Wide layers under dropout see rows of which from 10 to 70 % of the cells are hidden. Numbers are
    standardised, so that squared errors count in their own units. All rows are trained on, without a
    few of their cells, which settle how far to trust the model and how wide intervals are.

    Examples
    --------
    >>> imputing().corruption
    'masking:rate=0.4,spread=0.3'
    """
    defaults = {
        "architecture": "dense:hidden=[128],activation=gelu,dropout=0.3",
        "corruption": "masking:rate=0.4,spread=0.3",
        "scaling": "standard",
        "early_stopping": False,
    }
    return _preset(n_components, defaults, keywords)


def contractive(n_components: int = 32, **keywords: Any) -> Autoencoder:
    """Return a contractive autoencoder: the encoder's Jacobian is charged for.

    Examples
    --------
    >>> contractive(32)
    Autoencoder(n_components=32, penalty='contractive')
    """
    return _preset(n_components, {"penalty": "contractive"}, keywords)


def stacked(n_components: int = 2, **keywords: Any) -> Autoencoder:
    """Return a stacked autoencoder: deep, and trained layer by layer before the whole.

    Examples
    --------
    >>> stacked(8).pretrain
    'layerwise'
    """
    defaults = {"architecture": "dense:hidden=[128,64]", "pretrain": "layerwise"}
    return _preset(n_components, defaults, keywords)


def stacked_denoising(n_components: int = 2, **keywords: Any) -> Autoencoder:
    """Return a stacked denoising autoencoder: each layer is trained on codes with noise.

    Examples
    --------
    >>> stacked_denoising(8).corruption
    'gaussian'
    """
    defaults = {"corruption": "gaussian", "architecture": "dense:hidden=[128,64]"}
    return _preset(n_components, {**defaults, "pretrain": "layerwise"}, keywords)


def convolutional(n_components: int = 32, **keywords: Any) -> Autoencoder:
    """Return a convolutional autoencoder for images: two layers of maps and a dense code.

    Examples
    --------
    >>> convolutional(32)
    Autoencoder(architecture='conv', n_components=32)
    """
    return _preset(n_components, {"architecture": "conv"}, keywords)


def stacked_convolutional(n_components: int = 32, **keywords: Any) -> Autoencoder:
    """Return a stacked convolutional autoencoder: trained layer by layer before the whole.

    Examples
    --------
    >>> stacked_convolutional(32)
    Autoencoder(architecture='conv', n_components=32, pretrain='layerwise')
    """
    return _preset(n_components, {"architecture": "conv", "pretrain": "layerwise"}, keywords)


def stacked_denoising_convolutional(n_components: int = 32, **keywords: Any) -> Autoencoder:
    """Return a stacked denoising convolutional autoencoder: each layer is trained with noise.

    Examples
    --------
    >>> stacked_denoising_convolutional(32).corruption
    'gaussian'
    """
    defaults = {"architecture": "conv", "corruption": "gaussian", "pretrain": "layerwise"}
    return _preset(n_components, defaults, keywords)


def article_convolutional(n_components: int | None = None, **keywords: Any) -> Autoencoder:
    """Return the article's convolutional autoencoder: one layer of 32 maps, which are the code.

    Its filters are 3 x 3 with 2k = 2 zeros around the image and tanh, images are scaled to [-1, 1],
    and only the encoder's weights are charged for.

    References
    ----------
    Galeone, "Introduction to Autoencoders", 2016.

    Examples
    --------
    >>> article_convolutional().architecture
    'conv:channels=[32],stride=1,padding=full,activation=tanh,output=tanh,code=maps'
    """
    layers = "conv:channels=[32],stride=1,padding=full,activation=tanh,output=tanh,code=maps"
    return _preset(n_components, {"architecture": layers, "penalty": "l2"}, keywords)


def blind_denoiser(std: float | None = None, **keywords: Any) -> Autoencoder:
    """Return a denoiser of images that learns from noisy ones alone: fit it on patches of these.

    Noise must be independent from pixel to pixel, and its mean 0.

    Parameters
    ----------
    std : float, optional
        The deviation of the noise, if that is Gaussian, where the pixels' range is 1: 0.1 is 25 of 255.
        The model sees every pixel then ("recorrupt"). None is for noise of any other kind, of which
        nothing is known: the model tells pixels that it does not see from those around ("blindspot").
    **keywords
        Parameters of `Autoencoder`, which win.

    Examples
    --------
    >>> blind_denoiser(0.1).corruption
    'recorrupt:std=0.1'
    >>> blind_denoiser().corruption
    'blindspot'
    """
    corruption = "blindspot" if std is None else f"recorrupt:std={float(std)!r}"
    return _preset(None, {**DENOISER, "corruption": corruption}, keywords)


def image_denoiser(**keywords: Any) -> Autoencoder:
    """Return a denoiser of photographs, grey or in colour, for noise that is weak or strong.

    Convolutions at a half and a quarter of the resolution give what is taken from the noisy image
    (`residual`), with what each layer saw handed on to its mirror (`skips`). Each image of the training
    gets noise of a strength of its own, from a fiftieth to a fifth of the images' range. Fit it on
    patches of clean photographs; then it denoises images of any size. What is best is known by its
    end alone, when the learning rate is near 0, so training does not stop early: choose `max_epochs`.

    References
    ----------
    Zhang et al., "Beyond a Gaussian Denoiser: Residual Learning of Deep CNN for Image Denoising", 2017,
    and "FFDNet", 2018; Mao et al., "Image Restoration Using Very Deep Convolutional Encoder-Decoder
    Networks with Symmetric Skip Connections", 2016.

    Examples
    --------
    >>> image_denoiser().corruption
    'gaussian:std=[0.02,0.2]'
    """
    return _preset(None, DENOISER, keywords)
