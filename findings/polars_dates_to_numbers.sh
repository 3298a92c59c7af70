#!/bin/sh
# A polars frame with a float column and a date becomes numbers without a word, in a unit that depends
# on the column's type: the same moment is another number in milliseconds, microseconds and days.
# scikit-learn's check_array, which refuses the same columns of pandas, takes them as they come.
# Exits with 0 while polars 2.1.0 and scikit-learn 1.9.1 do so, and with 1 once that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet polars==2.1.0 scikit-learn==1.9.1 numpy==2.4.6 pandas==3.1.1
"$folder/venv/bin/python" - <<'PYTHON'
import datetime as dt
import sys
import warnings

import pandas as pd
import polars as pl
import sklearn
from sklearn.utils import check_array

warnings.simplefilter("error")
print("polars", pl.__version__, "scikit-learn", sklearn.__version__, "pandas", pd.__version__)
moment = dt.datetime(2026, 1, 2)
found = {}
for kind in (pl.Datetime("ms"), pl.Datetime("us"), pl.Datetime("ns"), pl.Date):
    frame = pl.DataFrame({"x": [0.5], "when": [moment]}).with_columns(pl.col("when").cast(kind))
    found[str(kind)] = float(check_array(frame, dtype="numeric")[0, 1])
    print(f"{kind!s:45} {found[str(kind)]:.0f}")
alone = frame.select("when").to_numpy().dtype
print("alone, the last is", alone)
try:
    check_array(pd.DataFrame({"x": [0.5], "when": [moment]}), dtype="numeric")
    refused = False
except TypeError as error:
    refused = True
    print("of pandas:", type(error).__name__, str(error)[:60])
days = (moment - dt.datetime(1970, 1, 1)).days
expected = [days * 86_400e3, days * 86_400e6, days * 86_400e9, days]
same = list(found.values()) == expected and refused and alone.kind == "M"
print("as found" if same else "this has changed")
sys.exit(not same)
PYTHON
