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
CLASSES = Group.create_ordered("The comparison")
PICTURE = Group.create_ordered("The picture")
DETECTOR = Group.create_ordered("The detector")
DATA = Group.create_ordered("Data")
OUTPUT = Group.create_ordered("Output")


def option(
    group: Group,
    help: str,
    *,
    default: str | bool = False,
    metavar: str | None = None,
    name: Any = None,
) -> Parameter:
    """Declare an option; `default` is what to show as one: a text, or True for the value itself."""
    shown: Any = (lambda _: default) if isinstance(default, str) else default
    return Parameter(name=name, group=group, help=help, metavar=metavar, show_default=shown)


def goes_to(help: str, *, default: bool = False) -> Parameter:
    """Declare the option of where a result goes."""
    return option(OUTPUT, help, name=["--output", "-o"], default=default)


Result = Annotated[Path, goes_to("Where the result goes.")]
Force = Annotated[bool, option(OUTPUT, "Overwrite outputs that exist.")]
Raw = Annotated[
    bool,
    option(
        OUTPUT, "Write text to CSV as it is, even where a spreadsheet would run it as a formula."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Model:
    """The parameters of `Autoencoder`, by the same names."""

    n_components: Annotated[
        int | None, option(EQUATION, "Width of the code; 2, or that of the maps with code=maps.")
    ] = None
    architecture: Annotated[
        str | None,
        option(
            EQUATION,
            "Encoder and decoder: dense:hidden=[128,64], conv:channels=[16,32], conv1d.",
            default="dense",
            metavar="SPEC",
        ),
    ] = None
    corruption: Annotated[
        tuple[str, ...] | None,
        option(
            EQUATION,
            "Noise on the input in training: gaussian, masking:rate=0.3, ... Repeatable.",
            metavar="SPEC",
        ),
    ] = None
    sparsity: Annotated[
        str | None,
        option(
            EQUATION, "Which code units may be active: kl:rho=0.05, topk:k=8, l1.", metavar="SPEC"
        ),
    ] = None
    penalty: Annotated[
        tuple[str, ...] | None,
        option(EQUATION, "What else is charged for: l2, contractive. Repeatable.", metavar="SPEC"),
    ] = None
    loss: Annotated[
        str | None,
        option(
            EQUATION,
            "Distance of output and input: mse, mae, huber, bce, ...",
            default="mse",
            metavar="SPEC",
        ),
    ] = None
    scaling: Annotated[
        Literal["auto", "standard", "minmax", "robust", "range", "none"] | None,
        option(TRAINING, "How columns are scaled before they are compared.", default="auto"),
    ] = None
    pretrain: Annotated[
        str | None,
        option(
            TRAINING,
            "Whether, or for how many epochs, each layer first learns to code the one below.",
            default="none",
            metavar="layerwise|INT|none",
        ),
    ] = None
    freeze: Annotated[
        str | None,
        option(
            TRAINING,
            "What training does not move: a side, or the encoder's first layers.",
            default="none",
            metavar="encoder|decoder|INT|none",
        ),
    ] = None
    max_epochs: Annotated[
        str | None,
        option(
            TRAINING,
            "Passes over the rows; auto is ~2,000 steps.",
            default="auto",
            metavar="INT|auto",
        ),
    ] = None
    batch_size: Annotated[
        str | None,
        option(TRAINING, "Rows in a step; auto is 128 or 256.", default="auto", metavar="INT|auto"),
    ] = None
    learning_rate: Annotated[
        float | None, option(TRAINING, "Adam's rate after the warm-up.", default="0.003")
    ] = None
    early_stopping: Annotated[
        Literal["auto", "yes", "no"] | None,
        option(
            TRAINING,
            "Hold rows out and keep the best weights; auto: from 100 rows.",
            default="auto",
        ),
    ] = None
    validation_fraction: Annotated[
        float | None, option(TRAINING, "Share of the rows held out.", default="0.1")
    ] = None
    n_iter_no_change: Annotated[
        int | None,
        option(TRAINING, "Evaluations without improvement before a stop.", default="10"),
    ] = None
    tol: Annotated[
        float | None,
        option(TRAINING, "Relative improvement that counts as one.", default="0.0001"),
    ] = None
    dtype: Annotated[
        Literal["float32", "float64"] | None, option(TRAINING, "Precision.", default="float32")
    ] = None
    device: Annotated[
        str | None,
        option(
            TRAINING, "Where to compute: cpu, gpu, cuda:1; by default JAX chooses.", metavar="NAME"
        ),
    ] = None
    random_state: Annotated[
        int | None, option(TRAINING, "Seed; the same seed gives the same model, to the bit.")
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
        option(DATA, "Columns to use, with commas between; by default all.", metavar="A,B"),
    ] = ()
    ignore: Annotated[
        tuple[str, ...], option(DATA, "Columns to leave out, with commas between.", metavar="A,B")
    ] = ()
    id: Annotated[
        tuple[str, ...],
        option(DATA, "Columns with identifiers: not used, carried to the output.", metavar="A,B"),
    ] = ()
    no_header: Annotated[
        bool, option(DATA, "The first line of a text file is data, not names.")
    ] = False
    key: Annotated[
        str | None, option(DATA, "Which array of a .npz file with several.", metavar="NAME")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class Pictures:
    """How the images of a folder are read."""

    size: Annotated[
        str | None,
        option(
            DATA,
            "Height and width to resize images to, such as 28x28; by default they must be alike.",
            metavar="HxW",
        ),
    ] = None
    mode: Annotated[
        Literal["auto", "grey", "colour"] | None,
        option(DATA, "What images become; auto: colour where any has colour.", default="auto"),
    ] = None
    skip_bad: Annotated[
        bool, option(DATA, "Leave images out that cannot be read, with a warning.")
    ] = False


@Parameter(name="*")
@dataclass(frozen=True)
class Page:
    """What a report is called, and where it goes."""

    output: Annotated[
        Path | None,
        goes_to(
            "The report: a page (.html), a text (.md) or the facts (.json); by default MODEL's name "
            "with .html, in this folder."
        ),
    ] = None
    search: Annotated[
        Path | None,
        option(
            DATA,
            "What a search found, to tell as well: the .json of isthmus tune --table.",
            metavar="FILE",
        ),
    ] = None
    title: Annotated[str | None, option(OUTPUT, "The heading; by default MODEL's name.")] = None
    force: Force = False


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """How results and errors are told."""

    json: Annotated[bool, option(OUTPUT, "Print one JSON object.")] = False
    quiet: Annotated[bool, option(OUTPUT, "No progress; errors and warnings only.")] = False
    debug: Annotated[bool, option(OUTPUT, "Show the traceback of an error.")] = False


@Parameter(name="*")
@dataclass(frozen=True)
class Detector:
    """The parameters of `OutlierDetector`, by the same names."""

    contamination: Annotated[
        str | None,
        option(
            DETECTOR,
            "The share of outliers in DATA; none: DATA is clean; auto, the default: unknown.",
            metavar="auto|none|SHARE",
        ),
    ] = None
    target_fpr: Annotated[
        float | None, option(DETECTOR, "The share of normal rows that may be called outliers.")
    ] = None
    alpha: Annotated[
        float | None, option(DETECTOR, "Rows with a p-value of at most alpha are outliers.")
    ] = None
    fdr: Annotated[
        bool, option(DETECTOR, "Alpha bounds the expected share of normal rows among the outliers.")
    ] = False
    calibration: Annotated[
        str | None,
        option(
            DETECTOR,
            "What p-values compare with: rows never trained on, or by folds all of them.",
            metavar="split|cross",
        ),
    ] = None
    calibration_fraction: Annotated[
        float | None,
        option(DETECTOR, "The share of rows that split holds out; 0.2 by default."),
    ] = None
    n_estimators: Annotated[
        int | None, option(DETECTOR, "The number of autoencoders; 16 by default.")
    ] = None
    n_references: Annotated[
        int | None,
        option(DETECTOR, "How many rows a draw holds to compare with; 16, or half of clean rows."),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class Tuning:
    """How to search."""

    grid: Annotated[
        tuple[str, ...],
        option(
            SEARCH,
            "A parameter and its values, such as n_components=2,4,8 or sparsity__rho=0.05,0.1. "
            "Repeatable: every combination is a candidate.",
            metavar="NAME=VALUE,...",
        ),
    ] = ()
    n_iter: Annotated[int | None, option(SEARCH, "Draw this many candidates, instead of all.")] = (
        None
    )
    scoring: Annotated[
        Literal["reconstruction", "probe", "stability"],
        option(
            SEARCH,
            "What is best on held-out rows: the least error, the codes that a linear classifier "
            "reads best (needs --label), or those that two seeds agree on.",
            default=True,
        ),
    ] = "reconstruction"
    label: Annotated[str | None, option(SEARCH, "The classes of rows.", metavar="COLUMN")] = None
    cv: Annotated[
        str,
        option(SEARCH, "Share of rows held out once, or folds.", default=True, metavar="SHARE|INT"),
    ] = "0.2"
    halving: Annotated[
        bool,
        option(SEARCH, "Train all for a part of their epochs, and let only the best go on."),
    ] = False
    factor: Annotated[
        int, option(SEARCH, "With --halving, one in how many goes on.", default=True)
    ] = 3


@Parameter(name="*")
@dataclass(frozen=True)
class Found:
    """Where the results of a search go."""

    output: Annotated[
        Path | None,
        goes_to(
            "The best model, trained on all rows; by default DATA's name with .isthmus, in this "
            "folder."
        ),
    ] = None
    table: Annotated[
        Path | None,
        option(
            OUTPUT,
            "All candidates with their scores: .csv, .parquet, or .json for isthmus report --search.",
        ),
    ] = None
    picture: Annotated[
        Path | None,
        option(OUTPUT, "The scores over the two parameters that matter most, .png or .svg."),
    ] = None
    force: Force = False


@Parameter(name="*")
@dataclass(frozen=True)
class Classes:
    """What classifiers are compared on, and how."""

    label: Annotated[str, option(CLASSES, "The class of each row.", metavar="COLUMN")]
    model: Annotated[
        Path | None,
        option(
            CLASSES,
            "Take the codes of this model, instead of training one in each fold.",
            metavar="FILE",
        ),
    ] = None
    classifiers: Annotated[
        str,
        option(CLASSES, "Some of logistic and neighbours.", default=True, metavar="A,B"),
    ] = "logistic,neighbours"
    cv: Annotated[int, option(CLASSES, "How many folds.", default=True, metavar="INT")] = 5
    unlabelled: Annotated[
        Literal["refuse", "drop", "use"],
        option(
            CLASSES,
            "Rows without a class: an error, left out, or used to train the model.",
            default=True,
        ),
    ] = "refuse"

    @property
    def names(self) -> list[str]:
        """The classifiers' names."""
        return [name.strip() for name in self.classifiers.split(",")]


@Parameter(name="*")
@dataclass(frozen=True)
class Drawing:
    """How rows are laid out and coloured."""

    colour: Annotated[
        str | None,
        option(
            PICTURE,
            "What the colours show: a column, or each row's score.",
            name=["--colour", "--color"],
            metavar="COLUMN|score",
        ),
    ] = None
    method: Annotated[
        Literal["auto", "code", "tsne", "opentsne", "umap", "pacmap", "pca"],
        option(
            PICTURE,
            "What lays the codes out; auto is the code where it has two columns, else t-SNE.",
            default=True,
        ),
    ] = "auto"
    max_rows: Annotated[
        int | None,
        option(
            PICTURE,
            "Lay out a random sample of this many rows; by default 5,000 for t-SNE.",
        ),
    ] = None
    random_state: Annotated[
        int, option(PICTURE, "Seed.", name=["--random-state", "--seed"], default=True)
    ] = 0


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
