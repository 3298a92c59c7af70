"""isthmus on tables: how its audit scores and flags cells."""

import numpy as np


def at(cells, table):
    """Return where lines of an audit's table of cells point to."""
    columns = [table.columns.index(name) for name in cells["column"]]
    return cells["row"].to_numpy().astype(int), np.array(columns, dtype=int)


def audit_cells(table, seed):
    """Return how sure the audit is of each cell that it lists; below all of these, one minus p."""
    from isthmus import Audit

    audit = Audit(table, random_state=seed)
    scores = np.full(table.shape, -1.0)
    if audit.judgements is not None:
        used = [table.columns.index(column.name) for column in audit.schema_.used]
        scores[:, used] = -np.nan_to_num(audit.judgements.p, nan=1.0)
    listed = at(audit.cells_, table)
    np.maximum.at(scores, listed, 1 + np.arange(len(audit.cells_), 0, -1))
    return scores


def audit_flags(table, seed, rate):
    """Return which cells the audit flags at a rate of false alarms."""
    from isthmus import Audit

    flags = np.zeros(table.shape, dtype=bool)
    flags[at(Audit(table, target_fpr=rate, random_state=seed).cells_, table)] = True
    return flags
