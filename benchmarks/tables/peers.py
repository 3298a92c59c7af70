"""Peers that score cells. Each takes a table of polars and a seed and returns, for each cell, how
strange it is: more is stranger. A missing cell's score does not count.
"""

import logging
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

NUMBER, MANY = "number", 200


def numbers(table):
    """Return which columns are numbers."""
    return np.array([dtype.is_numeric() for dtype in table.dtypes])


def codes(table):
    """Return a table's cells as numbers: levels by frequency, the most frequent first, missing NaN."""
    columns = []
    for column in table:
        if column.dtype.is_numeric():
            columns.append(column.cast(pl.Float64).fill_null(np.nan).to_numpy())
            continue
        levels = column.drop_nulls().value_counts(sort=True)[column.name].to_list()
        found = column.replace_strict(levels, list(range(len(levels))), return_dtype=pl.Float64)
        columns.append(found.fill_null(np.nan).to_numpy())
    return np.column_stack(columns)


def filled(values):
    """Return numbers with medians in the place of gaps."""
    middle = np.nan_to_num(np.nanmedian(values, axis=0))
    return np.where(np.isnan(values), middle, values)


def one_hot(table):
    """Return a table as numbers and flags, and the cell that each of their columns belongs to."""
    values, blocks, cells = codes(table), [], []
    for j, number in enumerate(numbers(table)):
        if number:
            block = filled(values[:, [j]])
        else:
            most = min(MANY, int(np.nan_to_num(np.nanmax(values[:, j]))) + 1)
            block = (values[:, [j]] == np.arange(most)).astype(float)
        blocks.append(block)
        cells += [j] * block.shape[1]
    return np.hstack(blocks), np.array(cells)


def by_cell(parts, cells):
    """Return the sums of the parts of each cell."""
    return parts @ (cells[:, None] == np.arange(cells.max() + 1))


def pandas(table):
    """Return a frame of pandas whose text is categories, and whose numbers are floats."""
    frame = table.with_columns(pl.selectors.numeric().cast(pl.Float64)).to_pandas()
    return frame.astype(dict.fromkeys(table.select(pl.selectors.string()).columns, "category"))


def rarity(table, seed):
    """Return minus the log of each level's share, or of the smaller tail of a number. No peer, but the
    least that a method should know.
    """
    values = codes(table)
    result = np.zeros(values.shape)
    for j, number in enumerate(numbers(table)):
        here = ~np.isnan(values[:, j])
        own, sorted_ = values[here, j], np.sort(values[here, j])
        if number:
            below = np.searchsorted(sorted_, own, side="right")
            above = len(own) - np.searchsorted(sorted_, own, side="left")
            share = np.minimum(below, above) / len(own)
        else:
            share = np.bincount(own.astype(int))[own.astype(int)] / len(own)
        result[here, j] = -np.log(share)
    return result


def forest(table, seed):
    """Return what each cell adds to the score of scikit-learn's isolation forest, by SHAP."""
    import shap
    from sklearn.ensemble import IsolationForest

    rows, cells = one_hot(table)
    model = IsolationForest(random_state=seed).fit(rows)
    return by_cell(-shap.TreeExplainer(model).shap_values(rows, check_additivity=False), cells)


def isotree(table, seed):
    """Return by how much isotree's score falls when a cell is hidden."""
    from isotree import IsolationForest

    frame = pandas(table)
    model = IsolationForest(ndim=1, missing_action="impute", random_seed=seed, nthreads=1).fit(
        frame
    )
    whole, falls = model.predict(frame), []
    for name in frame.columns:
        hidden = frame.copy()
        hidden[name] = hidden[name].where(np.zeros(len(frame), dtype=bool))
        falls.append(whole - model.predict(hidden))
    return np.column_stack(falls)


def outlier_tree(table, seed):
    """Return outliertree's score of the one cell that it names in a row; the lower, the stranger."""
    from outliertree import OutlierTree

    found = OutlierTree(nthreads=1).fit(pandas(table), outliers_print=0, return_outliers=True)
    scores = np.zeros(table.shape)
    for row, value in found.iterrows():
        named = value["suspicious_value"]
        if isinstance(named, dict) and named:
            score = -np.log(max(float(value["outlier_score"]), 1e-12))
            scores[row, table.columns.index(named["column"])] = score
    return scores


def ecod(table, seed):
    """Return the columns' parts of PyOD's ECOD, on codes."""
    from pyod.models.ecod import ECOD

    return ECOD().fit(filled(codes(table))).O


def dfencoder(table, seed):
    """Return the loss of each cell by dfencoder's denoising autoencoder, its defaults, 30 epochs."""
    import torch
    from dfencoder import AutoEncoder

    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 -- it draws from this generator
    torch.set_num_threads(1)
    frame = pandas(table).astype(dict.fromkeys(table.select(pl.selectors.string()).columns, object))
    model = AutoEncoder(progress_bar=False, verbose=False, device="cpu", lr=0.001)
    model.fit(frame, epochs=30)
    model.eval()
    with torch.no_grad():
        data = model.prepare_df(frame)
        numeric, binary, levels = model.compute_targets(data)
        x, b, c = model.forward(data)
        found = dict(zip(model.num_names, ((x - numeric) ** 2).T, strict=True))
        found |= dict(zip(model.bin_names, model.bce(b, binary).T, strict=True))
        for name, out, known in zip(model.categorical_fts, c, levels, strict=True):
            found[name] = model.cce(out, known.long())
    return np.column_stack(
        [found[c].numpy() if c in found else np.zeros(len(frame)) for c in table.columns]
    )


def h2o(table, seed):
    """Return the cells' errors by H2O's autoencoder, its defaults."""
    import h2o as engine
    from h2o.estimators import H2OAutoEncoderEstimator

    engine.init(nthreads=2, max_mem_size="2g", verbose=False)
    engine.no_progress()
    names = [f"c{j}" for j in range(table.width)]
    kinds = {n: "numeric" if k else "enum" for n, k in zip(names, numbers(table), strict=True)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        table.rename(dict(zip(table.columns, names, strict=True))).write_csv(path)
        frame = engine.import_file(str(path), col_types=kinds)
    model = H2OAutoEncoderEstimator(seed=seed, reproducible=True)
    model.train(x=names, training_frame=frame)
    errors = model.anomaly(frame, per_feature=True).as_data_frame()
    cells = [names.index(c.removeprefix("reconstr_").split(".")[0]) for c in errors.columns]
    cells = np.r_[cells, table.width - 1]
    parts = np.c_[errors.to_numpy(), np.zeros(len(table))]
    return by_cell(np.nan_to_num(parts), cells)


def sorethumb(table, seed):
    """Return the attributions of sorethumb, defaults."""
    from sorethumb_ml import Config, run_detection

    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        table.write_csv(path)
        config = Config(source={"uri": str(path)}, run={"workdir": folder, "seed": seed})
        return run_detection(config)


PEERS = {
    "rarity": rarity,
    "isolation forest + SHAP": forest,
    "isotree": isotree,
    "outliertree": outlier_tree,
    "ECOD": ecod,
    "dfencoder": dfencoder,
    "H2O": h2o,
}
