"""Public tables with mixed columns, read from the folder of data as a person would read them."""

from pathlib import Path

import polars as pl

ADULT = (
    "age workclass fnlwgt education education_num marital_status occupation relationship race sex "
    "capital_gain capital_loss hours_per_week native_country income"
).split()
GERMAN = (
    "status duration history purpose amount savings employment rate sex debtors residence property "
    "age plans housing credits job liable phone foreign risk"
).split()
HORSES = (
    "surgery age hospital temperature pulse breaths extremities peripheral membranes refill pain "
    "peristalsis distension tube reflux ph faeces abdomen cells protein appearance abdominal "
    "outcome surgical lesion_1 lesion_2 lesion_3 cp"
).split()
HORSE_NUMBERS = {"temperature", "pulse", "breaths", "ph", "cells", "protein", "abdominal"}
KDD = (
    "duration protocol service flag src_bytes dst_bytes land wrong_fragment urgent hot failed_logins "
    "logged_in compromised root_shell su_attempted root file_creations shells access_files "
    "outbound_cmds host_login guest_login count srv_count serror srv_serror rerror srv_rerror "
    "same_srv diff_srv srv_diff_host dst_count dst_srv_count dst_same_srv dst_diff_srv dst_same_port "
    "dst_srv_diff_host dst_serror dst_srv_serror dst_rerror dst_srv_rerror label difficulty"
).split()


def headless(path, names):
    """Return a table without a header; "?" is a missing cell, and spaces around a cell are none."""
    table = pl.read_csv(path, has_header=False, new_columns=names, infer_schema=False)
    table = table.with_columns(pl.all().str.strip_chars().replace("?", None))
    table = table.filter(~pl.all_horizontal(pl.all().is_null()))
    numbers = [
        c for c in names if table[c].cast(pl.Float64, strict=False).count() == table[c].count()
    ]
    whole = [c for c in numbers if not table[c].str.contains(r"[.eE]").any()]
    return table.with_columns(
        pl.col(c).cast(pl.Int64 if c in whole else pl.Float64) for c in numbers
    )


def adult(folder):
    """Return the adults of the census, income among the columns."""
    return headless(folder / "adult-train.csv.gz", ADULT)


def adult_test(folder):
    """Return the adults set apart; their incomes end in a dot, which is cut off."""
    table = headless(folder / "adult-test.csv.gz", ADULT)
    return table.with_columns(pl.col("income").str.strip_chars("."))


def german(folder):
    """Return credits with their risk."""
    return headless(folder / "german.csv", GERMAN)


def titanic(folder):
    """Return passengers without the columns that repeat others ("alive", "class", ...)."""
    kept = "survived pclass sex age sibsp parch fare embarked deck".split()
    return pl.read_csv(folder / "titanic.csv").select(kept)


def horses(folder):
    """Return horses with colic; all columns but seven are codes. The hospital's number is left out."""
    table = headless(folder / "horse-colic.csv", HORSES).drop("hospital")
    codes = [c for c in table.columns if c not in HORSE_NUMBERS]
    return table.with_columns(pl.col(codes).cast(pl.String))


def connections(folder):
    """Return network connections with labels, without the difficulty that detectors gave them."""
    return headless(folder / "nsl_kdd_20percent.csv.gz", KDD).drop("difficulty")


TABLES = {
    "adult": adult,
    "german": german,
    "titanic": titanic,
    "NSL-KDD": connections,
    "horse-colic": horses,
}


def table(name, folder, most=None, seed=0):
    """Return a table, or a sample of `most` of its rows."""
    whole = TABLES[name](Path(folder))
    return whole if most is None or len(whole) <= most else whole.sample(most, seed=seed)
