"""The command line: its commands, and how errors end.

Each file in `commands` is a command of its name, imported when it runs or when the help lists it.
None imports anything heavy before it works, so that help and mistakes need no JAX.
"""

import shlex
import sys
import traceback
from pathlib import Path
from pkgutil import iter_modules

from cyclopts import App, CycloptsError, Parameter, UnknownOptionError, UnusedCliTokensError

from isthmus import __version__
from isthmus.cli import commands
from isthmus.cli.streams import standing_streams
from isthmus.cli.terminal import UsageError, as_options, complain, harmless, shown_warnings, signals
from isthmus.io import discard
from isthmus.words import listed, shortened

COMMANDS = [module.name for module in iter_modules(commands.__path__)]
OF_NAMES = ("--columns", "--ignore", "--id")
PIPE_CLOSED = 141  # what the shell reports if SIGPIPE ends a program

app = App(
    name="isthmus",
    help="Autoencoders for tables and images: reduce, denoise, find outliers, search, report.",
    help_epilogue=(
        "DATA is a table as it is, with words, dates and missing cells: .csv, .tsv (also .gz, .zst), "
        ".xlsx, .ods, .parquet, .feather, .arrow, .jsonl, .arff, .sqlite, .duckdb, .mat, .npy or .npz; "
        "a folder or a pattern of such; or a folder of PNG, JPEG, TIFF and BMP images. Each command "
        "has its own help: isthmus fit --help. Results number rows from 0, as Python does; messages "
        "name lines of text files from 1, as editors do. Compiled programs are kept in "
        "$ISTHMUS_CACHE or ~/.cache."
    ),
    version=f"isthmus {__version__}",
    default_parameter=Parameter(negative=()),
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)


for name in COMMANDS:
    app.command(f"{commands.__name__}.{name}:{name}", name=name)


def run(argv: list[str]) -> int:
    """Run a command line and return its exit status; every error is one line, not a traceback."""
    debug = "--debug" in argv
    with standing_streams(), signals.caught(), shown_warnings(debug):
        try:
            if not argv or argv[0] not in COMMANDS:
                app.resolved_commands()  # whose first lines are in the help
            with signals.heard_again():
                status = app(argv)
            sys.stdout.flush()
        except KeyboardInterrupt:
            complain("interrupted.")
            return signals.status
        except BrokenPipeError:
            discard(sys.stdout)  # what reads our output has left
            return PIPE_CLOSED
        except Exception as error:
            if debug:
                sys.stderr.write(harmless(traceback.format_exc()))
            return _ended_by(error)
    return status if isinstance(status, int) else 0


def _ended_by(error: Exception) -> int:
    """Show an error in one line and return the exit status."""
    if signals.number is not None:  # what a signal breaks off fails in a way of its own
        complain("interrupted.")
        return signals.status
    if isinstance(error, CycloptsError):
        error.verbose = False
        command = shlex.join(["isthmus", *(error.command_chain or ())])
        complain(f"{_of_usage(error, command)} See {command} --help.")
        return 2
    if _expected(error):
        complain(_of_system(error) if isinstance(error, OSError) else as_options(str(error)))
        return 2 if isinstance(error, UsageError) else 1
    text = str(error).strip().partition("\n")[0]
    complain(f"unexpected {type(error).__name__}: {text}; --debug shows the traceback.")
    return 1


def _of_usage(error: CycloptsError, command: str) -> str:
    """Return what is wrong with a command line; a shell makes several files of one pattern."""
    if "-" in (error.root_input_tokens or ()):
        return (
            "- is no file, and isthmus reads and writes files, by their endings; without -o, isthmus "
            "score, detect and explain print CSV."
        )
    if isinstance(error, UnknownOptionError) and (others := _takers(error.token.keyword)):
        verb = "takes" if len(others) == 1 else "take"
        return (
            f"{command} has no {error.token.keyword}, which isthmus {listed(others, 'and')} {verb}."
        )
    if not isinstance(error, UnusedCliTokensError):
        return str(error).strip()
    extra = list(error.unused_tokens or ())
    if several := _several_names(list(error.root_input_tokens or ()), extra):
        return f"Names are given with commas: {several}."
    return f"{command} does not take {shortened(extra, 3)} as well: give one file or folder."


def _takers(option: str | None) -> list[str]:
    """Return the commands that have an option."""
    return [
        name
        for name in COMMANDS
        if any(option in given.names for given in app[name].assemble_argument_collection())
    ]


def _several_names(words: list[str], extra: list[str]) -> str | None:
    """Return an option that takes names as it is to be spelt, if names with spaces follow it."""
    for option, first, second in zip(words, words[1:], words[2:], strict=False):
        if option in OF_NAMES and second == extra[0] and not Path(second).exists():
            return f"{option} {shlex.quote(','.join([first, *extra]))}"
    return None


def _of_system(error: OSError) -> str:
    """Return what the system says, of which file; it names none where a standard stream fails."""
    place = error.filename or "to the standard output"
    return f"Cannot read or write {place}: {error.strerror}." if error.strerror else str(error)


def _expected(error: Exception) -> bool:
    """Return whether an error is in the user's hands: its text says what to do."""
    known = isinstance(error, ValueError | TypeError | OSError | FloatingPointError | MemoryError)
    return known and bool(str(error))
