"""Draw the pictures of the README and the guides: `python docs/make_images.py`."""

import re
from pathlib import Path
from typing import Any

from matplotlib import pyplot as plt
from sklearn.datasets import load_digits, load_wine

from isthmus import Autoencoder, OutlierDetector, compare, demo, embed, plots, tune

HOME = Path(__file__).parent / "images"
GREY = "#7d858f"  # reads on white pages and on dark ones


def search() -> None:
    """Search over learning rate and noise, and draw the scores."""
    model = Autoencoder(10, "dense:hidden=[32]", corruption=("gaussian",), random_state=0)
    grid = {
        "learning_rate": [3e-4, 1e-3, 3e-3, 1e-2],
        "corruption__0__std": [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5],
    }
    figure = tune(model, grid, load_digits().data).plot()
    figure.savefig(HOME / "tune.png", dpi=1200 / figure.get_figwidth())


def main() -> None:
    """Draw all pictures."""
    HOME.mkdir(exist_ok=True)
    digits()
    search()
    codes()
    outliers()
    pages()


def digits() -> None:
    """Train the demonstration's denoising model and draw digits, noisy and denoised."""
    data = demo.digits()
    model = demo.fit(demo.models()["denoising"], data.train)
    figure = demo.denoising_picture(data, model)
    figure.axes[0].tick_params(labelcolor=GREY)
    figure.savefig(HOME / "digits.png", dpi=1600 / figure.get_figwidth(), transparent=True)


def codes() -> None:
    """Draw what the guides to pictures of the data and to classification print."""
    X, y = load_digits(return_X_y=True)
    ae = Autoencoder(16, "dense:hidden=[64]", max_epochs=60, random_state=0).fit(X)
    embed(ae, X, random_state=0).plot(y, "digit").savefig(HOME / "embed.png", dpi=110)
    ae = Autoencoder(16, "dense:hidden=[128]", scaling="range", max_epochs=60)
    compare(ae, X, y, cv=3, random_state=0).plot().savefig(HOME / "classify.png", dpi=140)


def outliers() -> None:
    """Draw the scores of wines with four odd ones among them, and the columns of the oddest."""
    X = load_wine(as_frame=True).data
    X.loc[7, "alcohol"], X.loc[60, "proline"] = 9.1, 1900
    X.loc[100, "hue"], X.loc[150, "flavanoids"] = 2.6, 6.9
    detector = OutlierDetector(contamination=0.05, random_state=0).fit(X)
    strangeness = -detector.score_samples(X)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    left.hist(strangeness, 40, color="#4477aa")
    left.axvline(-detector.offset_, color="#cc3311", label="threshold")
    planted = [7, 60, 100, 150]
    left.plot(strangeness[planted], [0.5] * 4, "v", color="#ee7733", label="odd by design")
    left.set(xlabel="strangeness (minus the score)", ylabel="wines")
    left.legend(loc="upper right")
    top = detector.explain(X.loc[[7]]).frame(5).reverse()
    shown = ("column", "observed", "expected")
    names = [f"{c}\n{o:.4g}, expected {e:.4g}" for c, o, e in top.select(shown).iter_rows()]
    right.barh(names, top["contribution"], color="#4477aa")
    right.set(xlabel="contribution", title="wine 7")
    figure.savefig(HOME / "outliers.png", dpi=130)


def pages() -> None:
    """Run the guide to denoising, and draw its page of digits, noisy and denoised in tiles."""
    guide = (Path(__file__).parent / "guides" / "denoise.md").read_text()
    space: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL):
        exec(block, space)
    shown = [space[name][None, :40] for name in ("original", "given", "restored")]
    plots.denoised(*shown).savefig(HOME / "denoise.png", dpi=130)


if __name__ == "__main__":
    main()
