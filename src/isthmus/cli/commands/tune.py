"""`isthmus tune`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

from cyclopts import Parameter

from isthmus.cli.kinds import Kinds
from isthmus.cli.models import configure_columns
from isthmus.cli.options import (
    OUTPUT,
    AutoencoderOptions,
    Columns,
    Common,
    Output,
    Pictures,
    goes_to,
    option,
    panel,
)
from isthmus.cli.outputs import (
    PICTURES,
    TABLES,
    check_installed,
    check_output,
    end,
    write_picture,
)
from isthmus.cli.rows import read_beside, read_rows
from isthmus.cli.sources import Source, model_name, rows_of, use_cache
from isthmus.cli.terminal import UsageError, signals, usage_errors

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from isthmus.autoencoder import Autoencoder
    from isthmus.io import Rows
    from isthmus.search import Search

SEARCH = panel("The search")
CHAINS = ("corruption", "penalty")
DRAWN = ("uniform", "loguniform", "randint")


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


@dataclass(frozen=True, kw_only=True)
class SearchOutput(Output):
    """Where the results of a search go."""

    output: Annotated[
        Path | None,
        goes_to("The best model; by default DATA's name with .isthmus, in this folder."),
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


def tune(
    data: Path,
    /,
    *,
    result: SearchOutput = SearchOutput(),
    tuning: Tuning = Tuning(),
    columns: Columns = Columns(),
    kinds: Kinds = Kinds(),
    pictures: Pictures = Pictures(),
    options: AutoencoderOptions = AutoencoderOptions(),
    common: Common = Common(),
) -> int:
    """Search over parameters, and save the best model, trained on all rows.

    Commas separate values. A comma in brackets, or before FIELD=, belongs to the value, so that specs
    stay whole. A + makes a chain of corruptions or penalties. A parameter of a part has a name such as
    sparsity__rho, in a chain corruption__0__std. Values may also be drawn: uniform(LOW,HIGH),
    loguniform(LOW,HIGH) or randint(LOW,HIGH).

    For example:

        isthmus tune t.csv --grid n_components=2,3 --grid learning_rate=1e-3,1e-2
        isthmus tune t.csv --sparsity kl --grid sparsity__rho=0.05,0.1,0.2 --halving
        isthmus tune t.csv --grid "architecture=dense,dense:hidden=[64,32]" --cv 5
        isthmus tune t.csv --grid "sparsity=none,kl:rho=0.1,weight=2,topk:k=2"
        isthmus tune t.csv --grid "corruption=swap,gaussian:std=0.5+masking"
        isthmus tune t.csv --grid "learning_rate=loguniform(1e-4,1e-1)" --n-iter 50
        isthmus tune t.csv --label kind --scoring probe --grid n_components=2,4,8

    Parameters
    ----------
    data : Path
        What to search on: a table of any format, a pattern or a folder of such, or of images.
    """
    source = Source(data, columns, pictures, kinds)
    path = result.output or Path(model_name(data))
    _check(source, result, path, tuning)

    from isthmus.search import tune as search

    grid, cv = parse_grid(tuning.grid), _share_or_folds(tuning.cv)
    use_cache()
    ae = _estimator(options, grid, common)
    rows, labels = _read(source, tuning.label)
    configure_columns(ae, rows, source)
    with rows_of(source.path, rows):
        found = search(
            ae,
            grid,
            rows.X,
            labels,
            n_iter=tuning.n_iter,
            scoring=tuning.scoring,
            cv=cv,
            halving=tuning.halving,
            factor=tuning.factor,
        )
    files = {"model": path, "table": result.table, "picture": result.picture}
    with signals.hold():
        best = found.best_estimator_.set_params(verbose=0)
        best.fitted_ = replace(best.fitted_, image_scale=rows.image_scale)
        best.save(path)
        if result.table is not None:
            _write_table(result.table, found)
        if result.picture is not None:
            write_picture(result.picture, found.plot())
    signals.check()
    return end(common, {**files, **found.facts()}, _in_words(found, files))


# -- before the work -----------------------------------------------------------------------------


def _check(source: Source, result: SearchOutput, path: Path, tuning: Tuning) -> None:
    """Refuse files that are missing or cannot be written, and options that do not fit them."""
    source.check(label=tuning.label)
    if not tuning.grid:
        raise UsageError("There is nothing to search over: give --grid NAME=VALUE,... .")
    if tuning.scoring == "probe" and tuning.label is None:
        raise UsageError("--scoring probe needs the classes of rows: give --label COLUMN.")
    check_output(path, (".isthmus",), source.path, force=result.force)
    check_output(result.table, (*TABLES, ".json"), source.path, force=result.force)
    check_output(result.picture, PICTURES, source.path, force=result.force)
    if result.picture is not None:
        check_installed(["matplotlib"], "--picture")


def parse_grid(texts: tuple[str, ...]) -> dict[str, object]:
    """Return values by parameter: `("n_components=2,4", "sparsity=none,kl:rho=0.1,weight=2")`."""
    listed: dict[str, list[object]] = {}
    drawn: dict[str, object] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        name = name.strip().replace("-", "_")
        values = [_parsed(name, value) for value in _pieces(rest)]
        if not equals or not name or not values:
            raise UsageError(f"--grid {text!r} is not of the form NAME=VALUE,VALUE,... .")
        draws = any(hasattr(value, "rvs") for value in values)
        if draws and (len(values) > 1 or name in listed or name in drawn):
            raise UsageError(f"--grid {text!r} mixes a distribution with other values of {name}.")
        if name in drawn:
            raise UsageError(f"--grid {text!r} adds values to the distribution of {name}.")
        if draws:
            drawn[name] = values[0]
        else:
            listed[name] = listed.get(name, []) + values
    return {**listed, **drawn}


def _pieces(text: str) -> list[str]:
    """Split at commas outside brackets; what is FIELD=VALUE goes on with the spec before it."""
    from isthmus.parts import split_list

    pieces: list[str] = []
    for piece in split_list(text):
        if pieces and re.match(r"\s*\w+\s*=", piece):
            pieces[-1] += f",{piece}"
        else:
            pieces.append(piece.strip())
    return pieces


def _parsed(name: str, text: str) -> object:
    from isthmus.parts import value_of_text

    if name in CHAINS and len(chain := re.split(r"\s*\+\s*(?=[a-z])", text)) > 1:
        return tuple(chain)
    call = re.fullmatch(r"(\w+)\((.*)\)", text)
    if call is None:
        value = value_of_text(text)
        return tuple(value) if isinstance(value, list) else value
    ends = [value_of_text(end.strip()) for end in call[2].split(",")]
    try:
        return _distribution(call[1], *cast(list[float], ends))
    except (KeyError, TypeError, ValueError):
        known = ", ".join(f"{name}(LOW,HIGH)" for name in DRAWN)
        raise UsageError(f"{text!r} is no distribution; known: {known}.") from None


def _distribution(name: str, low: float, high: float) -> object:
    """Return what draws between two ends."""
    from scipy import stats

    if name == "uniform":
        return stats.uniform(low, high - low)
    if name == "randint":
        return stats.randint(int(low), int(high) + 1)
    return {"loguniform": stats.loguniform}[name](low, high)


def _share_or_folds(text: str) -> float | int:
    from isthmus.parts import value_of_text

    value = value_of_text(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"--cv must be a share such as 0.2 or a number of folds; got {text!r}.")
    return value


def _estimator(
    options: AutoencoderOptions, grid: Mapping[str, object], common: Common
) -> Autoencoder:
    """Return what the candidates have in common, once it is clear that the names are known."""
    from isthmus.autoencoder import Autoencoder
    from isthmus.search import check_parameter_name
    from isthmus.training import find_device

    ae = Autoencoder(verbose=common.verbose, random_state=options.seed)
    with usage_errors():
        ae.set_params(**options.given())
        find_device(ae.device)
        for name in grid:
            check_parameter_name(ae, name)
    return ae


# -- the work ------------------------------------------------------------------------------------


def _read(source: Source, label: str | None) -> tuple[Rows, np.ndarray | None]:
    """Read the rows, and their classes."""
    if label is None:
        return read_rows(source), None
    rows, kinds = read_beside(source, label, as_words=True)
    return rows, kinds.to_numpy()


def _write_table(path: Path, found: Search[Autoencoder]) -> None:
    from isthmus.io import write_table, write_whole

    if path.suffix.lower() == ".json":
        text = json.dumps(found.facts(), allow_nan=False, indent=1, ensure_ascii=False)
        write_whole(path, f"{text}\n".encode())
    else:
        write_table(path, _candidates(found))


def _candidates(found: Search[Autoencoder]) -> pl.DataFrame:
    """Return the candidates, best first, as a table."""
    import polars as pl

    rows = found.facts()["candidates"]
    columns: dict[str, list[object]] = {}
    for name in ("rank", "score", "std", "seconds", "rung", "epochs"):
        if name in rows[0]:
            columns[name] = [row[name] for row in rows]
    for name in dict.fromkeys(name for row in rows for name in row["params"]):
        values = [row["params"].get(name) for row in rows]
        plain = all(isinstance(v, int | float) for v in values)
        columns[name] = values if plain else [None if v is None else str(v) for v in values]
    return pl.DataFrame(columns, strict=False)


def _in_words(found: Search[Autoencoder], files: Mapping[str, Path | None]) -> dict[str, str]:
    from isthmus.search import parameters_in_words

    candidates = found.facts()["candidates"]
    importance = (f"{name} {share:.0%}" for name, share in found.importance_.items())
    diverged = sum(row["score"] is None for row in candidates)
    words = {
        "model": str(files["model"]),
        "candidates": f"{len(candidates)}, {diverged} diverged, {found.seconds_:.1f} s",
        "best": parameters_in_words(found.best_params_),
        "score": f"{found.best_score_:.4f} on held-out rows ({found.scoring_})",
        "importance": ", ".join(importance),
    }
    return words | {name: str(file) for name, file in files.items() if file is not None}
