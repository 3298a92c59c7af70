"""The options of the command line, grouped; nothing heavy is imported here, so `--help` is quick.

None stands for "not given", so that a resumed model keeps what it was trained with.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

EQUATION = Group.create_ordered("The equation: five slots, each a name or NAME:FIELD=VALUE,...")
TRAINING = Group.create_ordered("Training")
SEARCH = Group.create_ordered("The search")
DETECTOR = Group.create_ordered("The detector")
DATA = Group.create_ordered("Data")
OUTPUT = Group.create_ordered("Output")


def _option(
    group: Group, help: str, *, default: str = "", metavar: str | None = None, name: Any = None
) -> Parameter:
    """Declare an option; `default` is what the estimator takes where it is not given."""
    shown: Any = (lambda _: default) if default else False
    return Parameter(name=name, group=group, help=help, metavar=metavar, show_default=shown)


@Parameter(name="*")
@dataclass(frozen=True)
class Model:
    """The parameters of `Autoencoder`, by the same names."""

    n_components: Annotated[
        int | None, _option(EQUATION, "Width of the code; 2, or that of the maps with code=maps.")
    ] = None
    architecture: Annotated[
        str | None,
        _option(
            EQUATION,
            "Encoder and decoder: dense:hidden=[128,64], conv:channels=[16,32], conv1d.",
            default="dense",
            metavar="SPEC",
        ),
    ] = None
    corruption: Annotated[
        tuple[str, ...] | None,
        _option(
            EQUATION,
            "Noise on the input in training: gaussian, masking:rate=0.3, ... Repeatable.",
            metavar="SPEC",
        ),
    ] = None
    sparsity: Annotated[
        str | None,
        _option(
            EQUATION, "Which code units may be active: kl:rho=0.05, topk:k=8, l1.", metavar="SPEC"
        ),
    ] = None
    penalty: Annotated[
        tuple[str, ...] | None,
        _option(EQUATION, "What else is charged for: l2, contractive. Repeatable.", metavar="SPEC"),
    ] = None
    loss: Annotated[
        str | None,
        _option(
            EQUATION,
            "Distance of output and input: mse, mae, huber, bce, ...",
            default="mse",
            metavar="SPEC",
        ),
    ] = None
    scaling: Annotated[
        Literal["auto", "standard", "minmax", "robust", "range", "none"] | None,
        _option(TRAINING, "How columns are scaled before they are compared.", default="auto"),
    ] = None
    pretrain: Annotated[
        str | None,
        _option(
            TRAINING,
            "Whether, or for how many epochs, each layer first learns to code the one below.",
            default="none",
            metavar="layerwise|INT|none",
        ),
    ] = None
    freeze: Annotated[
        str | None,
        _option(
            TRAINING,
            "What training does not move: a side, or the encoder's first layers.",
            default="none",
            metavar="encoder|decoder|INT|none",
        ),
    ] = None
    max_epochs: Annotated[
        str | None,
        _option(
            TRAINING,
            "Passes over the rows; auto is ~2,000 steps.",
            default="auto",
            metavar="INT|auto",
        ),
    ] = None
    batch_size: Annotated[
        str | None,
        _option(
            TRAINING, "Rows in a step; auto is 128 or 256.", default="auto", metavar="INT|auto"
        ),
    ] = None
    learning_rate: Annotated[
        float | None, _option(TRAINING, "Adam's rate after the warm-up.", default="0.003")
    ] = None
    early_stopping: Annotated[
        Literal["auto", "yes", "no"] | None,
        _option(
            TRAINING,
            "Hold rows out and keep the best weights; auto: from 100 rows.",
            default="auto",
        ),
    ] = None
    validation_fraction: Annotated[
        float | None, _option(TRAINING, "Share of the rows held out.", default="0.1")
    ] = None
    n_iter_no_change: Annotated[
        int | None,
        _option(TRAINING, "Evaluations without improvement before a stop.", default="10"),
    ] = None
    tol: Annotated[
        float | None,
        _option(TRAINING, "Relative improvement that counts as one.", default="0.0001"),
    ] = None
    dtype: Annotated[
        Literal["float32", "float64"] | None, _option(TRAINING, "Precision.", default="float32")
    ] = None
    device: Annotated[
        str | None,
        _option(
            TRAINING, "Where to compute: cpu, gpu, cuda:1; by default JAX chooses.", metavar="NAME"
        ),
    ] = None
    random_state: Annotated[
        int | None, _option(TRAINING, "Seed; the same seed gives the same model, to the bit.")
    ] = None

    def given(self) -> dict[str, Any]:
        """Return the options that were given, as the estimator takes them."""
        words = {"none": None, "yes": True, "no": False}
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        given = {k: v for k, v in given.items() if v is not None}
        for name in ("max_epochs", "batch_size", "pretrain", "freeze"):
            if str(given.get(name, "")).lstrip("-").isdecimal():
                given[name] = int(given[name])
        return {k: words.get(v, v) if isinstance(v, str) else v for k, v in given.items()}


@Parameter(name="*")
@dataclass(frozen=True)
class Columns:
    """Which columns and rows of a file are used."""

    columns: Annotated[
        tuple[str, ...],
        _option(DATA, "Columns to use, with commas between; by default all.", metavar="A,B"),
    ] = ()
    ignore: Annotated[
        tuple[str, ...], _option(DATA, "Columns to leave out, with commas between.", metavar="A,B")
    ] = ()
    id: Annotated[
        tuple[str, ...],
        _option(DATA, "Columns with identifiers: not used, carried to the output.", metavar="A,B"),
    ] = ()
    no_header: Annotated[
        bool, _option(DATA, "The first line of a text file is data, not names.")
    ] = False
    key: Annotated[
        str | None, _option(DATA, "Which array of a .npz file with several.", metavar="NAME")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class Pictures:
    """How the images of a folder are read."""

    size: Annotated[
        str | None,
        _option(
            DATA,
            "Height and width to resize images to, such as 28x28; by default they must be alike.",
            metavar="HxW",
        ),
    ] = None
    mode: Annotated[
        Literal["auto", "grey", "colour"] | None,
        _option(DATA, "What images become; auto: colour where any has colour.", default="auto"),
    ] = None
    skip_bad: Annotated[
        bool, _option(DATA, "Leave images out that cannot be read, with a warning.")
    ] = False


@Parameter(name="*")
@dataclass(frozen=True)
class Page:
    """What a report is called, and where it goes."""

    output: Annotated[
        Path | None,
        Parameter(
            name=["--output", "-o"],
            group=OUTPUT,
            help="The report: a page (.html), a text (.md) or the facts (.json); by default MODEL's "
            "name with .html, in this folder.",
            show_default=False,
        ),
    ] = None
    title: Annotated[
        str | None,
        Parameter(group=OUTPUT, help="The heading; by default MODEL's name.", show_default=False),
    ] = None
    force: Annotated[
        bool,
        Parameter(group=OUTPUT, help="Overwrite the output where it exists.", show_default=False),
    ] = False


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """How results and errors are told."""

    json: Annotated[bool, _option(OUTPUT, "Print one JSON object.")] = False
    quiet: Annotated[bool, _option(OUTPUT, "No progress; errors and warnings only.")] = False
    debug: Annotated[bool, _option(OUTPUT, "Show the traceback of an error.")] = False


@Parameter(name="*")
@dataclass(frozen=True)
class Detector:
    """The parameters of `OutlierDetector`, by the same names."""

    contamination: Annotated[
        str | None,
        _option(
            DETECTOR,
            "The share of outliers in DATA; none: DATA is clean; auto, the default: unknown.",
            metavar="auto|none|SHARE",
        ),
    ] = None
    target_fpr: Annotated[
        float | None, _option(DETECTOR, "The share of normal rows that may be called outliers.")
    ] = None
    alpha: Annotated[
        float | None, _option(DETECTOR, "Rows with a p-value of at most alpha are outliers.")
    ] = None
    fdr: Annotated[
        bool, _option(DETECTOR, "Alpha bounds the share of normal rows among the outliers.")
    ] = False
    calibration_fraction: Annotated[
        float | None,
        _option(DETECTOR, "The share of rows held out for p-values; 0.2 by default."),
    ] = None
    n_estimators: Annotated[
        int | None, _option(DETECTOR, "The number of autoencoders; 16 by default.")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class Tuning:
    """How to search."""

    grid: Annotated[
        tuple[str, ...],
        Parameter(
            group=SEARCH,
            metavar="NAME=VALUE,...",
            help="A parameter and its values, such as n_components=2,4,8 or sparsity__rho=0.05,0.1. "
            "Repeatable: every combination is a candidate.",
            show_default=False,
        ),
    ] = ()
    n_iter: Annotated[
        int | None,
        Parameter(
            group=SEARCH, help="Draw this many candidates, instead of all.", show_default=False
        ),
    ] = None
    scoring: Annotated[
        Literal["reconstruction", "probe", "stability"],
        Parameter(
            group=SEARCH,
            help="What is best on held-out rows: the least error, the codes that a linear classifier "
            "reads best (needs --label), or those that two seeds agree on.",
        ),
    ] = "reconstruction"
    label: Annotated[
        str | None,
        Parameter(group=SEARCH, metavar="COLUMN", help="The classes of rows.", show_default=False),
    ] = None
    cv: Annotated[
        str,
        Parameter(group=SEARCH, metavar="SHARE|INT", help="Share of rows held out once, or folds."),
    ] = "0.2"
    halving: Annotated[
        bool,
        Parameter(
            group=SEARCH,
            help="Train all for a part of their epochs, and let only the best go on.",
            show_default=False,
        ),
    ] = False
    factor: Annotated[
        int, Parameter(group=SEARCH, help="With --halving, one in how many goes on.")
    ] = 3


def given(options: Columns | Pictures) -> dict[str, Any]:
    """Return the options that were given, by their names on the command line."""
    values = {f.name: getattr(options, f.name) for f in fields(options)}
    return {f"--{k.replace('_', '-')}": v for k, v in values.items() if v not in (None, (), False)}


def spelt(options: dict[str, Any]) -> list[str]:
    """Return options as words of a command line, without those that were not given."""
    words: list[str] = []
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value not in (None, False):
            values = value if isinstance(value, tuple) else (value,)
            words += [word for v in values for word in (name, str(v))]
    return words
