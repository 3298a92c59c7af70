"""A photograph, noisy, by the best classical method, and by ours, with PSNR and SSIM below each."""

import numpy as np

from photographs.contestants import psnr, ssim
from photographs.read import noisy

DEVIATION = 25
PARTS = {  # of scikit-learn's photographs, which are free (CC BY 2.0, danielbuechele and vultilion)
    "china.jpg": (slice(60, 220), slice(160, 400)),
    "flower.jpg": (slice(130, 290), slice(190, 430)),
}


def draw(path, model):
    """Draw a part of each photograph, and say what was reached on it whole."""
    from bm3d import bm3d
    from matplotlib.figure import Figure
    from PIL import Image
    from sklearn.datasets import load_sample_image

    import isthmus
    from isthmus.images import denoise

    denoiser = isthmus.load(model)
    figure = Figure(figsize=(12, 4.7), layout="constrained")
    for axes, (photograph, part) in zip(figure.subplots(len(PARTS), 4), PARTS.items(), strict=True):
        clean = np.asarray(Image.fromarray(load_sample_image(photograph)).convert("L"))
        (given,) = noisy([clean], DEVIATION)
        shown = {
            "noisy": given,
            "BM3D": bm3d(given, DEVIATION / 255),
            "isthmus": denoise(denoiser, 255 * given) / 255,
            "original": clean / 255,
        }
        for ax, (name, image) in zip(axes, shown.items(), strict=True):
            ax.imshow(np.clip(image[part], 0, 1), cmap="gray", vmin=0, vmax=1)
            ax.set_axis_off()
            if name != "original":
                name = f"{name}: {psnr(clean, image):.2f} dB, SSIM {ssim(clean, image):.3f}"
            ax.set_title(name, fontsize=10)
    figure.savefig(path, dpi=80)
