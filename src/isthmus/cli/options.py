"""The options that commands share, in groups; nothing heavy is imported here, so `--help` is quick.

None stands for "not given", so that a resumed model keeps what it was trained with.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter

from isthmus.cli.terminal import UsageError, complain

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

# Panels of the help, in this order; above them stands a command's own.
EQUATION = Group("The equation: five slots, each a name or NAME:FIELD=VALUE,...", sort_key=1)
TRAINING = Group("Training", sort_key=2)
DATA = Group("Data", sort_key=3)
OUTPUT = Group("Output", sort_key=4)

USUAL_SEED = 0
TABLE_FILE = "A file, by its ending: .csv, .parquet, .feather, .jsonl, .xlsx"


def panel(title: str) -> Group:
    """Return a panel of the help for options that one command alone has."""
    return Group(title, sort_key=0)


def option(
    group: Group,
    help: str,
    *,
    default: str | bool = False,
    metavar: str | None = None,
    name: list[str] | None = None,
) -> Parameter:
    """Declare an option; `default` is what to show as one: a text, or True for the value itself."""
    shown = (lambda _: default) if isinstance(default, str) else default
    return Parameter(name=name, group=group, help=help, metavar=metavar, show_default=shown)


def goes_to(help: str, *, default: bool = False) -> Parameter:
    """Declare the option of where a result goes."""
    return option(OUTPUT, help, name=["--output", "-o"], default=default)


ModelArgument = Annotated[Path, Parameter(help="The model file.")]
RowsArgument = Annotated[
    Path,
    Parameter(
        help="The rows, or a folder of images; columns are found by name, and others are left."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Output:
    """Where a result goes: a base for the commands' own, which say what goes there."""

    output: Path | None
    force: Annotated[bool, option(OUTPUT, "Overwrite outputs that exist.")] = False


@dataclass(frozen=True, kw_only=True)
class TableOutput(Output):
    """Where a table goes: a base for the commands' own."""

    raw: Annotated[
        bool,
        option(
            OUTPUT,
            "Write text to CSV as it is, even if a spreadsheet would run it as a formula.",
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class ModelOutput(Output):
    """Where a model goes."""

    output: Annotated[
        Path | None,
        goes_to("The model file; by default DATA's name with .isthmus, in this folder."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class PrintableOutput(TableOutput):
    """Where a table goes, if not to the standard output."""

    output: Annotated[
        Path | None, goes_to(f"{TABLE_FILE}; by default CSV on the standard output.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class RowsOutput(TableOutput):
    """Where rows or images go."""

    output: Annotated[Path, goes_to(f"{TABLE_FILE}, or .npy; of images a folder or a .npy file.")]


def seed_option(group: Group) -> Parameter:
    """Declare the option of `Seeded`."""
    return option(
        group,
        "Seed: with the same one the same command gives the same result. none draws one, and says "
        "which.",
        name=["--random-state", "--seed"],
        default=str(USUAL_SEED),
        metavar="INT|none",
    )


class Seeded:
    """What has a seed: a base for groups of options, which have the field in its place."""

    random_state: str | None

    @cached_property
    def seed(self) -> int:
        """The seed, by default always the same; one that is drawn is shown, so that it can be given."""
        text = USUAL_SEED if self.random_state is None else self.random_state
        if text == "none":
            drawn = secrets.randbelow(2**31)
            complain(f"--random-state {drawn} was drawn: give it to get the same result again.")
            return drawn
        try:
            if 0 <= int(text) < 2**63:
                return int(text)
        except ValueError:  # it is no number: the same sentence
            pass
        raise UsageError(
            f"--random-state must be a whole number of at least 0, below 2^63, or none; got {text!r}."
        )


@Parameter(name="*")
@dataclass(frozen=True)
class AutoencoderOptions(Seeded):
    """The parameters of `Autoencoder`, by the same names."""

    n_components: Annotated[
        int | None,
        option(
            EQUATION, "Number of code units; by default 2, or the width of the maps with code=maps."
        ),
    ] = None
    architecture: Annotated[
        str | None,
        option(
            EQUATION,
            "Encoder and decoder: dense:hidden=[128,64], conv:channels=[16,32], conv1d; auto: dense, "
            "with hidden=[64] for tables of mixed types.",
            default="auto",
            metavar="SPEC",
        ),
    ] = None
    corruption: Annotated[
        tuple[str, ...] | None,
        option(
            EQUATION,
            "Noise on the input in training: gaussian, masking:rate=0.3, ... Repeatable; auto: swap "
            "for tables of mixed types, none for numbers.",
            default="auto",
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
        option(
            EQUATION, "What else the loss charges for: l2, contractive. Repeatable.", metavar="SPEC"
        ),
    ] = None
    loss: Annotated[
        str | None,
        option(
            EQUATION,
            "Distance between output and input: mse, mae, huber, bce, ...",
            default="mse",
            metavar="SPEC",
        ),
    ] = None
    scaling: Annotated[
        str | None,
        option(
            TRAINING,
            "How columns are scaled before they are compared: standard, minmax, robust, range, asinh, "
            "anscombe, none.",
            default="auto",
            metavar="NAME",
        ),
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
            "Passes over the rows; auto is about 2,000 steps.",
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
            "Hold rows out, and keep the weights that do best on them; auto: from 100 rows on.",
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
    random_state: Annotated[str | None, seed_option(TRAINING)] = None

    def given(self) -> dict[str, object]:
        """Return the options that were given, as the estimator takes them."""
        words = {"none": None, "yes": True, "no": False}
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        given = {name: value for name, value in values.items() if value is not None}
        if "random_state" in given:
            given["random_state"] = self.seed
        if given.get("corruption") == ("none",):
            given["corruption"] = None
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
    decimal: Annotated[
        Literal["point", "comma"] | None,
        option(DATA, "The decimal mark of a text file whose numbers do not tell."),
    ] = None
    encoding: Annotated[
        str | None,
        option(
            DATA,
            "How a text file is encoded, such as cp1252; by default UTF-8, or as the file shows.",
            metavar="NAME",
        ),
    ] = None
    key: Annotated[
        str | None, option(DATA, "The array to read from a .npz file with several.", metavar="NAME")
    ] = None
    sheet: Annotated[
        str | None, option(DATA, "The sheet to read from a workbook with several.", metavar="NAME")
    ] = None
    from_table: Annotated[
        str | None, option(DATA, "The table to read from a database with several.", metavar="NAME")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class ScoredColumns(Columns):
    """The same for rows that a model is applied to, of which one may be bad."""

    bad_rows: Annotated[
        Literal["mark", "fail"] | None,
        option(
            DATA,
            "Rows with a cell that the model cannot take, such as one that is no number, or missing "
            "where none was in training: mark leaves their results empty, and a last column says why; "
            "fail refuses the file.",
            default="mark",
        ),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class ShownColumns(Columns):
    """The same for rows that are shown: a picture has no place for a bad one."""

    bad_rows: Annotated[
        Literal["skip", "fail"] | None,
        option(
            DATA,
            "Rows with a cell that the model cannot take, such as one that is no number, or missing "
            "where none was in training: skip leaves them out, with a warning; fail refuses the file.",
            default="skip",
        ),
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
        option(DATA, "What images become; auto: colour if any has colour.", default="auto"),
    ] = None
    skip_bad: Annotated[
        bool, option(DATA, "Leave images out that cannot be read, with a warning.")
    ] = False
    max_pixels: Annotated[
        int | None,
        option(
            DATA,
            "How many pixels an image may have: more, which a small file can declare, fill the memory.",
            default="67108864",
        ),
    ] = None


@Parameter(name="*")
@dataclass(frozen=True)
class CutPictures(Pictures):
    """The same where patches of them may be trained on."""

    patches: Annotated[
        int | None,
        option(
            DATA,
            "Train on so many patches of --size, at random places of the images at their own size, "
            "drawn anew in each epoch.",
            metavar="N",
        ),
    ] = None
    no_turns: Annotated[
        bool, option(DATA, "Leave patches as they lie, and do not mirror and turn them at random.")
    ] = False


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """How results and errors are shown."""

    json: Annotated[bool, option(OUTPUT, "Print one JSON object.")] = False
    quiet: Annotated[
        bool, option(OUTPUT, "Print no progress and no summary, only errors and warnings.")
    ] = False
    debug: Annotated[bool, option(OUTPUT, "Show the traceback of an error.")] = False

    @property
    def verbose(self) -> int:
        """Whether progress is shown, as the estimators take it."""
        return 0 if self.quiet else 1


def option_name(name: str) -> str:
    """Return how an option is given: `--n-components` for `n_components`."""
    return f"--{name.rstrip('_').replace('_', '-')}"


def given(options: "DataclassInstance") -> dict[str, object]:
    """Return the options that were given, by their names on the command line."""
    values = {option_name(f.name): getattr(options, f.name) for f in fields(options)}
    return {k: v for k, v in values.items() if v is not None and v is not False and v != ()}


def spelt(options: Mapping[str, object]) -> list[str]:
    """Return options as words of a command line, without those that were not given."""
    words: list[str] = []
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            values = value if isinstance(value, tuple) else (value,)
            words += [word for v in values for word in (name, str(v))]
    return words
