"""Draw the picture of the README: `python docs/make_images.py`."""

from pathlib import Path

from isthmus import demo

HOME = Path(__file__).parent / "images"
GREY = "#7d858f"  # reads on white pages and on dark ones


def main() -> None:
    """Train the demonstration's denoising model and draw digits, noisy and denoised."""
    data = demo.digits()
    model = demo.fit(demo.models()["denoising"], data.train)
    figure = demo.picture(data, model)
    figure.axes[0].tick_params(labelcolor=GREY)
    HOME.mkdir(exist_ok=True)
    figure.savefig(HOME / "digits.png", dpi=1600 / figure.get_figwidth(), transparent=True)


if __name__ == "__main__":
    main()
