"""The command line: commands, their options and help, and how errors end.

The bodies are in `commands` and `_run_*`, which are imported when one runs: `--help` needs no JAX
and no polars.
"""

import os
import shlex
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter

from isthmus import __version__
from isthmus.cli.commands import compare, denoise, detect, embed, export, report, tune
from isthmus.cli.options import (
    DATA,
    OUTPUT,
    Columns,
    Common,
    Force,
    Model,
    Pictures,
    Raw,
    Result,
    goes_to,
    option,
)
from isthmus.cli.terminal import UsageError, complain, shown_warnings, signals

PIPE_CLOSED = 141  # what the shell reports where SIGPIPE ends a program

app = App(
    name="isthmus",
    help="Autoencoders for tables and images: reduce, denoise, find outliers, search, report.",
    help_epilogue=(
        "DATA is a .csv, .tsv (also .gz), .parquet, .npy or .npz file, or a folder of PNG, JPEG, "
        "TIFF and BMP images. Each command has its own help: isthmus fit --help. Compiled programs "
        "are kept in $ISTHMUS_CACHE or ~/.cache."
    ),
    version=f"isthmus {__version__}",
    default_parameter=Parameter(negative=()),
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)


@app.command
def fit(
    data: Path,
    /,
    *,
    output: Annotated[
        Path | None,
        goes_to("The model file; by default DATA's name with .isthmus, in this folder."),
    ] = None,
    force: Force = False,
    checkpoint: Annotated[bool, option(OUTPUT, "Save the model every 10 s of training.")] = False,
    resume: Annotated[
        Path | None,
        option(DATA, "Go on with this model, exactly where an interrupt or checkpoint left it."),
    ] = None,
    init: Annotated[
        Path | None, option(DATA, "Start from the weights, layers and settings of this model.")
    ] = None,
    test: Annotated[Path | None, option(DATA, "Rows to score after training.")] = None,
    weight: Annotated[str | None, option(DATA, "What each row counts.", metavar="COLUMN")] = None,
    columns: Columns = Columns(),
    pictures: Pictures = Pictures(),
    model: Model = Model(),
    common: Common = Common(),
) -> int:
    """Train an autoencoder on the numbers of a file, or on a folder of images.

    It is saved to one file that the other commands, and isthmus.load, read.
    Ctrl-C saves the model so far and prints the command that goes on with it.

    For example:

        isthmus fit flowers.csv --id name --test new.csv
        isthmus fit flowers.csv --corruption gaussian:std=0.3 --sparsity kl
        isthmus fit digits.npy --architecture "dense:hidden=[128,64]" -o d.isthmus
        isthmus fit sales.parquet --ignore shop,date --weight count --checkpoint
        isthmus fit sales.parquet --resume sales.isthmus
        isthmus fit photos --size 32x32 --architecture conv --n-components 32
        isthmus fit new.csv --init flowers.isthmus --freeze encoder -o new.isthmus

    Parameters
    ----------
    data : Path
        What to train on: .csv, .tsv (also .gz), .parquet, .npy, .npz or a folder of images.
    """
    from isthmus.cli.commands import run_fit

    source = run_fit.Source(data, columns, pictures)
    files = run_fit.Files(source, output, resume, init, test)
    return run_fit.fit(files, model, common, weight, checkpoint=checkpoint, force=force)


@app.command
def encode(
    model: Path,
    data: Path,
    /,
    *,
    output: Result,
    layer: Annotated[
        int | None, option(DATA, "1 is the first hidden layer; the code by default.")
    ] = None,
    force: Force = False,
    raw: Raw = False,
    columns: Columns = Columns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Write the codes of rows.

    The columns are the identifiers, then autoencoder0, autoencoder1 and so on. The identifier of an
    image is its file.

    For example:

        isthmus encode flowers.isthmus flowers.csv --id name -o codes.csv
        isthmus encode flowers.isthmus flowers.csv --layer 1 -o hidden.parquet
        isthmus encode photos.isthmus photos --size 32x32 -o codes.parquet

    Parameters
    ----------
    model : Path
        The model file.
    data : Path
        The rows to encode, or a folder of images; columns are found by name, others are left.
    """
    from isthmus.cli.commands import basics

    source = basics.Source(data, columns, pictures)
    return basics.encode(model, source, basics.Written(output, force, raw), common, layer)


@app.command
def reconstruct(
    model: Path,
    data: Path,
    /,
    *,
    output: Result,
    force: Force = False,
    raw: Raw = False,
    columns: Columns = Columns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Write rows as the model reproduces them.

    The result has the columns and units of the data; noise and oddities are gone from it. Images go
    to a folder, under their names, or to a .npy file.

    For example:

        isthmus reconstruct flowers.isthmus flowers.csv --id name -o smooth.csv
        isthmus reconstruct digits.isthmus noisy.npy -o clean.npy
        isthmus reconstruct photos.isthmus photos -o clean

    Parameters
    ----------
    model : Path
        The model file.
    data : Path
        The rows to reproduce, or a folder of images; columns are found by name, others are left.
    """
    from isthmus.cli.commands import basics

    source = basics.Source(data, columns, pictures)
    return basics.reconstruct(model, source, basics.Written(output, force, raw), common)


@app.command
def score(
    model: Path,
    data: Path,
    /,
    *,
    output: Annotated[Path | None, goes_to("Where the result goes.")] = None,
    force: Force = False,
    raw: Raw = False,
    columns: Columns = Columns(),
    pictures: Pictures = Pictures(),
    common: Common = Common(),
) -> int:
    """Write one score a row: the higher, the more normal.

    A score is minus the error in scaled units, so that rows far below the others are outliers.
    Without an output the scores go to the standard output as CSV.

    For example:

        isthmus score flowers.isthmus new.csv --id name -o scores.csv
        isthmus score flowers.isthmus new.csv --id name | sort -t, -k2 -g | head

    Parameters
    ----------
    model : Path
        The model file.
    data : Path
        The rows to score, or a folder of images; columns are found by name, others are left.
    """
    from isthmus.cli.commands import basics

    source = basics.Source(data, columns, pictures)
    return basics.score(model, source, basics.Written(output, force, raw), common)


@app.command
def info(model: Path, /, *, common: Common = Common()) -> int:
    """Show what the file of a model or a detector holds.

    Slots, layers, columns, and errors beside those of the mean and of PCA; of a detector also its
    autoencoders and where it draws the line.

    For example:

        isthmus info flowers.isthmus
        isthmus info flowers.isthmus --json
        isthmus info detector.isthmus

    Parameters
    ----------
    model : Path
        The model file.
    """
    from isthmus.cli.commands import basics

    return basics.info(model, common)


app.command(report.report)


@app.command
def demo(
    *,
    output: Annotated[Path, goes_to("The folder for the report.", default=True)] = Path("demo"),
    quick: Annotated[bool, option(OUTPUT, "Train less: worse models, sooner.")] = False,
    common: Common = Common(),
) -> int:
    """Train models on data that come along, and write a report.

    For example:

        isthmus demo
        isthmus demo --output tour --quick
    """
    from isthmus.cli.commands import basics

    return basics.demo(output, common, quick=quick)


app.command(embed.embed)
app.command(compare.compare)
app.command(tune.tune)
app.command(export.export)
app.command(detect.detect)
app.command(detect.explain)
app.command(denoise.denoise)


def run(argv: list[str]) -> int:
    """Run a command line and return its exit status; every error is one line, not a traceback."""
    debug = "--debug" in argv
    with signals.caught(), shown_warnings(debug):
        try:
            status = app(argv)
            sys.stdout.flush()
        except KeyboardInterrupt:
            complain("interrupted.")
            return signals.status
        except BrokenPipeError:
            # What reads our output has left; flushing again at the end would complain about it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return PIPE_CLOSED
        except Exception as error:
            if debug:
                traceback.print_exc()
            return _ended_by(error, argv)
    return status if isinstance(status, int) else 0


def _ended_by(error: Exception, argv: list[str]) -> int:
    """Tell an error in one line and return the exit status."""
    if isinstance(error, CycloptsError):
        error.verbose = False
        command = shlex.join(["isthmus", *(error.command_chain or ())])
        complain(f"{str(error).strip()} See {command} --help.")
        return 2
    if _expected(error):
        complain(error)
        return 2 if isinstance(error, UsageError) else 1
    text: Any = str(error).strip().partition("\n")[0]
    complain(f"unexpected {type(error).__name__}: {text}; --debug shows the traceback.")
    return 1


def _expected(error: Exception) -> bool:
    """Tell errors in the user's hands, whose text says what to do, from all others."""
    known = isinstance(error, ValueError | TypeError | OSError | FloatingPointError | MemoryError)
    return known and bool(str(error))
