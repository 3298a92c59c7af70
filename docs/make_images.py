"""Draw the pictures of the README and of the guide to searching: `python docs/make_images.py`."""

from pathlib import Path

from sklearn.datasets import load_digits

from isthmus import Autoencoder, demo, tune

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


def digits() -> None:
    """Train the demonstration's denoising model and draw digits, noisy and denoised."""
    data = demo.digits()
    model = demo.fit(demo.models()["denoising"], data.train)
    figure = demo.picture(data, model)
    figure.axes[0].tick_params(labelcolor=GREY)
    figure.savefig(HOME / "digits.png", dpi=1600 / figure.get_figwidth(), transparent=True)


if __name__ == "__main__":
    main()
