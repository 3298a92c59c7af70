"""What `isthmus tune` does."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
from scipy import stats

import isthmus
from isthmus.cli import folders, sources
from isthmus.cli.folders import Source as Source
from isthmus.cli.options import Common, Found, Model, Tuning
from isthmus.cli.outputs import TABLES
from isthmus.cli.terminal import UsageError, show_json, show_lines, signals, usage_errors, warned
from isthmus.io.tables import Rows, check_table_output, file_ending, write_table
from isthmus.parts.part import split_list, value_of_text
from isthmus.search.candidates import check_parameter_name, parameters_in_words

CHAINS = ("corruption", "penalty")
DRAWN = {
    "uniform": lambda low, high: stats.uniform(low, high - low),
    "loguniform": stats.loguniform,
    "randint": lambda low, high: stats.randint(low, high + 1),
}


def tune(source: Source, outputs: Found, tuning: Tuning, model: Model, common: Common) -> int:
    """Search, save the best model and tell what was found."""
    path = outputs.output or Path(folders.model_name(source.path))
    _check(source, outputs, path, tuning)
    grid = parse_grid(tuning.grid)
    cv = _share_or_folds(tuning.cv)
    ae = _estimator(model, grid, common)
    sources.use_cache()
    rows, y = _labelled(source, tuning.label)
    found = isthmus.tune(
        ae,
        grid,
        rows.X,
        y,
        n_iter=tuning.n_iter,
        scoring=tuning.scoring,
        cv=cv,
        halving=tuning.halving,
        factor=tuning.factor,
    )
    with signals.hold():
        found.best_estimator_.set_params(verbose=0).save(path)
        if outputs.table is not None:
            _write_table(outputs.table, found)
        if outputs.picture is not None:
            _draw(found, outputs.picture)
    signals.check()
    _show(found, path, outputs, common)
    return 0


def _check(source: Source, outputs: Found, path: Path, tuning: Tuning) -> None:
    """Raise an error before any work where a file is missing or cannot be written."""
    sources.check_present(source.path, folders=True)
    source.check()
    if not tuning.grid:
        raise UsageError("There is nothing to search over: give --grid NAME=VALUE,... .")
    if tuning.scoring == "probe" and tuning.label is None:
        raise UsageError("--scoring probe needs the classes of rows: give --label COLUMN.")
    if tuning.label is not None and source.is_folder:
        raise UsageError(f"{source.path} is a folder of images: --label is for tables.")
    inputs = (source.path,)
    check_table_output(path, (".isthmus",), force=outputs.force, inputs=inputs)
    if outputs.table is not None:
        kinds = (*TABLES, ".json")
        check_table_output(outputs.table, kinds, force=outputs.force, inputs=inputs)
    if outputs.picture is not None:
        check_table_output(outputs.picture, (".png", ".svg"), force=outputs.force, inputs=inputs)


def parse_grid(texts: tuple[str, ...]) -> dict[str, Any]:
    """Return values by parameter: `("n_components=2,4", "sparsity=none,kl:rho=0.1,weight=2")`."""
    grid: dict[str, Any] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        name = name.strip().replace("-", "_")
        values = [_parsed(name, value) for value in _pieces(rest)]
        if not equals or not name or not values:
            raise UsageError(f"--grid {text!r} is not of the form NAME=VALUE,VALUE,... .")
        drawn = [v for v in values if hasattr(v, "rvs")]
        if drawn and (len(values) > 1 or name in grid):
            raise UsageError(f"--grid {text!r} mixes a distribution with other values of {name}.")
        if hasattr(grid.get(name), "rvs"):
            raise UsageError(f"--grid {text!r} adds values to the distribution of {name}.")
        grid[name] = drawn[0] if drawn else grid.get(name, []) + values
    return grid


def _pieces(text: str) -> list[str]:
    """Split at commas outside brackets; what is FIELD=VALUE goes on with the spec before it."""
    pieces: list[str] = []
    for piece in split_list(text):
        if pieces and re.match(r"\s*\w+\s*=", piece):
            pieces[-1] += f",{piece}"
        else:
            pieces.append(piece.strip())
    return pieces


def _parsed(name: str, text: str) -> Any:
    if name in CHAINS and len(chain := re.split(r"\s*\+\s*(?=[a-z])", text)) > 1:
        return tuple(chain)
    call = re.fullmatch(r"(\w+)\((.*)\)", text)
    if call is None:
        value = value_of_text(text)
        return tuple(value) if isinstance(value, list) else value
    ends = [value_of_text(end.strip()) for end in call[2].split(",")]
    try:
        return DRAWN[call[1]](*ends)
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            f"{text!r} is no distribution; known: {', '.join(f'{n}(LOW,HIGH)' for n in DRAWN)}."
        ) from None


def _share_or_folds(text: str) -> float | int:
    value = value_of_text(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"--cv must be a share such as 0.2 or a number of folds; got {text!r}.")
    return value


def _estimator(model: Model, grid: dict[str, Any], common: Common) -> isthmus.Autoencoder:
    """Return what the candidates have in common, once it is clear that the names are known."""
    from isthmus.training.runtime import find_device

    with usage_errors():
        ae = isthmus.Autoencoder().set_params(**model.given())
        find_device(ae.device)
        for name in grid:
            check_parameter_name(ae, name)
    return ae.set_params(verbose=0 if common.quiet else 1)


def _labelled(source: Source, label: str | None) -> tuple[Rows, Any]:
    """Read the rows, and the column of classes."""
    if label is None:
        return sources.read_rows(source, None), None
    columns = dataclasses.replace(source.columns, id=(*source.columns.id, label))
    rows = sources.read_rows(dataclasses.replace(source, columns=columns), None)
    return rows, sources.labels(rows.ids[label].cast(pl.String)).to_numpy()


def _write_table(path: Path, found: isthmus.Search) -> None:
    from isthmus.io.atomic import write_whole

    if file_ending(path) == ".json":
        text = json.dumps(found.facts(), allow_nan=False, indent=1, ensure_ascii=False)
        write_whole(path, f"{text}\n".encode())
    else:
        write_table(path, _frame(found))


def _frame(found: isthmus.Search) -> pl.DataFrame:
    """Return the candidates, best first, as a table."""
    facts = found.facts()
    names = dict.fromkeys(name for row in facts["candidates"] for name in row["params"])
    columns: dict[str, list[Any]] = {}
    for name in ("rank", "score", "std", "seconds", "rung", "epochs"):
        if name in facts["candidates"][0]:
            columns[name] = [row[name] for row in facts["candidates"]]
    for name in names:
        values = [row["params"].get(name) for row in facts["candidates"]]
        plain = all(isinstance(v, int | float) for v in values)
        columns[name] = values if plain else [None if v is None else str(v) for v in values]
    return pl.DataFrame(columns, strict=False)


def _draw(found: isthmus.Search, path: Path) -> None:
    from isthmus import plots
    from isthmus.io.atomic import write_whole

    write_whole(path, plots.file_content(found.plot(), file_ending(path)[1:]))


def _show(found: isthmus.Search, path: Path, outputs: Found, common: Common) -> None:
    facts = found.facts()
    if common.json:
        files = {"table": outputs.table, "picture": outputs.picture}
        told = {name: None if file is None else str(file) for name, file in files.items()}
        show_json({"model": str(path), **told, **facts, "warnings": warned})
        return
    importance = (f"{name} {share:.0%}" for name, share in facts["importance"].items())
    diverged = sum(row["score"] is None for row in facts["candidates"])
    lines = {
        "model": str(path),
        "candidates": f"{len(facts['candidates'])}, {diverged} diverged, {facts['seconds']:.1f} s",
        "best": parameters_in_words(found.best_params_),
        "score": f"{found.best_score_:.4f} on held-out rows ({found.scoring_})",
        "importance": ", ".join(importance),
    }
    for name, file in (("table", outputs.table), ("picture", outputs.picture)):
        if file is not None:
            lines[name] = str(file)
    show_lines(lines)
