"""Named compositions: each returns a configured `Autoencoder`, whose repr shows what it is.

Every preset takes `Autoencoder`'s own keywords, which win over what the name stands for.
"""

from typing import Any

from isthmus.estimator import Autoencoder


def _preset(n_components: int, defaults: dict[str, Any], given: dict[str, Any]) -> Autoencoder:
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
