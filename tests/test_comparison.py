"""Classification on codes: against scikit-learn by hand, no leakage, errors, the command line."""

import json
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from isthmus import Autoencoder, compare
from isthmus.training.runtime import draw_seed

ROOT = Path(__file__).parents[1]
X, Y = load_iris(return_X_y=True)
KINDS = np.array(["setosa", "versicolor", "virginica"])[Y]


class Recorder(PCA):
    """A transformer that remembers how many rows, and which, it was fitted on."""

    seen = []  # noqa: RUF012

    def fit(self, X, y=None):
        Recorder.seen.append(np.asarray(X))
        return super().fit(X)


@pytest.fixture(autouse=True)
def _forget():
    Recorder.seen = []


def quick(n_components=2, **options):
    return Autoencoder(n_components, max_epochs=2, **options)


def test_accuracies_are_scikit_learns(rng):
    knn = KNeighborsClassifier()
    result = compare(Recorder(2), X, KINDS, classifiers={"knn": knn}, cv=3, random_state=0)
    folds = StratifiedKFold(3, shuffle=True, random_state=draw_seed(0) % 2**32)
    raw, pca, codes = result.table
    expected = cross_val_score(knn, X, Y, cv=folds)
    assert raw["mean"] == pytest.approx(expected.mean())
    assert raw["std"] == pytest.approx(expected.std())
    expected = cross_val_score(make_pipeline(PCA(2), knn), X, Y, cv=folds).mean()
    assert pca["mean"] == codes["mean"] == pytest.approx(expected)
    assert [row["width"] for row in result.table] == [4, 2, 2]


def test_pca_of_rows_far_from_0_is_that_of_rows_near_it(digits):
    labels = load_digits().target[:1400]
    model = quick(scaling=None, n_components=16, random_state=0)
    near, far = (
        compare(
            model, digits[:1400] + offset, labels, classifiers=["neighbours"], cv=2, random_state=0
        )
        for offset in (0, 1e5)
    )
    assert far.table[1]["mean"] == pytest.approx(near.table[1]["mean"], abs=0.02)
    assert near.table[1]["mean"] > 0.93


def test_raw_columns_are_scaled_as_the_model_scales_them():
    wide = X * [1, 1, 1, 1e-4]
    wide[:, 0] *= 1e4
    knn = KNeighborsClassifier()
    model = quick(scaling="standard", early_stopping=False)
    result = compare(model, wide, Y, classifiers={"knn": knn}, cv=3, random_state=0)
    folds = StratifiedKFold(3, shuffle=True, random_state=draw_seed(0) % 2**32)
    scaled = cross_val_score(make_pipeline(StandardScaler(), knn), wide, Y, cv=folds).mean()
    assert result.table[0]["mean"] == pytest.approx(scaled, abs=0.01)
    assert result.table[0]["mean"] > cross_val_score(knn, wide, Y, cv=folds).mean() + 0.1


def test_an_unfitted_model_sees_only_the_training_rows_of_each_fold():
    rows = X + 1e-6 * np.arange(150)[:, None]  # no two alike
    compare(Recorder(2), rows, Y, classifiers=["neighbours"], cv=3, random_state=0)
    assert [len(seen) for seen in Recorder.seen] == [100] * 3
    left = [{tuple(r) for r in rows} - {tuple(r) for r in seen} for seen in Recorder.seen]
    assert sum(map(len, left)) == len(set.union(*left)) == 150


def test_a_fitted_model_is_taken_as_it_is_and_reported():
    model = Recorder(2).fit(X)
    result = compare(model, X, Y, classifiers=["neighbours"], cv=3)
    assert len(Recorder.seen) == 1
    assert result.seen
    assert "it may have seen the rows" in str(result)
    assert not compare(Recorder(2), X, Y, classifiers=["neighbours"], cv=3).seen


def test_the_model_given_is_left_alone():
    model = quick()
    compare(model, X, Y, classifiers=["neighbours"], cv=2, random_state=0)
    assert not hasattr(model, "net_")
    assert model.random_state is None


def test_the_seed_decides_all():
    def run(seed):
        table = compare(quick(), X, Y, classifiers=["neighbours"], random_state=seed).table
        return [(row["mean"], row["std"]) for row in table]

    assert run(0) == run(0)
    assert run(0) != run(1)


def test_rows_to_test_on_take_the_place_of_folds():
    train, test = np.arange(150) % 3 > 0, np.arange(150) % 3 == 0
    result = compare(Recorder(2), X[train], KINDS[train], X[test], KINDS[test])
    knn = KNeighborsClassifier().fit(X[train], Y[train])
    by_name = {(row["classifier"], row["input"]): row for row in result.table}
    row = by_name["nearest neighbours", "raw columns"]
    assert row["mean"] == pytest.approx(knn.score(X[test], Y[test]))
    assert row["std"] is None
    assert result.folds == 0
    assert "tested on the rows given for it" in str(result)


@pytest.mark.parametrize(("choice", "trained"), [("drop", 60), ("use", 105)])
def test_rows_without_a_label(choice, trained):
    y = KINDS.astype(object)
    y[::2] = [None, np.nan, None] * 25
    train, test = np.arange(150) % 10 < 7, np.arange(150) % 10 >= 7
    result = compare(Recorder(2), X[train], y[train], X[test], KINDS[test], unlabelled=choice)
    labelled = sum(isinstance(v, str) for v in y[train])
    assert result.rows == labelled
    assert [len(seen) for seen in Recorder.seen] == [labelled if choice == "drop" else 105]
    assert result.unlabelled == (0 if choice == "drop" else trained - labelled)


def test_frames_keep_their_names_and_images_their_shape():
    y = KINDS.astype(object)
    y[:9] = None
    for frame in (
        pl.DataFrame(X, schema=list("abcd")),
        pytest.importorskip("pandas").DataFrame(X, columns=list("abcd")),
        X.reshape(150, 2, 2),
    ):
        result = compare(
            quick(), frame, y, classifiers=["neighbours"], cv=2, unlabelled="use", random_state=0
        )
        assert (result.rows, result.unlabelled) == (141, 9)


def test_the_share_of_the_most_frequent_class_is_known():
    y = np.array(["a"] * 100 + ["b"] * 50)
    result = compare(Recorder(2), X, y, classifiers={"none": DummyClassifier()}, cv=5)
    assert result.most_frequent == pytest.approx(2 / 3)
    assert result.table[0]["mean"] == pytest.approx(2 / 3)


def test_pca_is_never_wider_than_the_columns():
    model = Autoencoder(9, sparsity="kl", max_epochs=2)
    table = compare(model, X, Y, classifiers=["neighbours"], cv=2, random_state=0).table
    assert [row["width"] for row in table] == [4, 4, 9]


def test_text_facts_and_picture():
    result = compare(Recorder(2), X, KINDS, cv=3, random_state=0)
    lines = str(result).splitlines()
    assert len(lines) == 10
    assert len({len(line) for line in lines[:7]}) == 1
    assert "150 rows, 3 classes, 3 stratified folds." in lines
    assert json.loads(json.dumps(result.facts()))["table"] == result.table
    figure = result.plot()
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [
        "logistic regression",
        "nearest neighbours",
    ]
    drawn = [c.lines[0].get_xdata().tolist() for c in figure.axes[0].containers]
    assert drawn == [[row["mean"] for row in result.table[j::3]] for j in range(3)]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"y": ["a"] * 148 + ["b"] * 2}, "class 'b' has 2 rows, fewer than cv=5 folds"),
        ({"y": ["a"] * 150}, "y has 1 class; there must be two"),
        ({"y": [None] * 150, "unlabelled": "drop"}, "y has 0 classes"),
        ({"y": np.r_[np.nan, Y[1:]]}, "1 of 150 rows have no label, the first is row 0: give"),
        ({"y": X[:, 0]}, "y holds numbers such as 5.1, which are no classes"),
        ({"y": np.c_[Y, Y]}, r"y has shape \(150, 2\); give one label a row"),
        ({"y": Y[1:]}, "inconsistent numbers of samples"),
        ({"cv": 1}, "cv must be a whole number of at least 2; got 1"),
        ({"unlabelled": "guess"}, "unlabelled must be one of 'refuse', 'drop', 'use'"),
        ({"classifiers": ["tree"]}, "classifiers must be one of 'logistic', 'neighbours'"),
        ({"X_test": X}, "both X_test and y_test"),
        ({"X_test": X[:2], "y_test": [0, 7]}, "No training row has the class '7'"),
        ({"X_test": X[:2], "y_test": [0, np.nan]}, "1 of the 2 test rows have no label"),
    ],
)
def test_what_cannot_be_compared(change, text):
    with pytest.raises(ValueError, match=text):
        compare(**{"model": PCA(2), "X": X, "y": Y} | change)


def test_things_that_are_no_classifier_or_model():
    with pytest.raises(TypeError, match="'scaler' has no fit and predict"):
        compare(PCA(2), X, Y, classifiers={"scaler": StandardScaler()})
    with pytest.raises(TypeError, match="must be a dict of names"):
        compare(PCA(2), X, Y, classifiers=KNeighborsClassifier())
    with pytest.raises(TypeError, match="an Autoencoder or another transformer; got 3"):
        compare(3, X, Y)


# -- command line --------------------------------------------------------------------------------


@pytest.fixture
def cli(cli):
    frame = pl.DataFrame(X, schema=list("abcd")).with_columns(kind=pl.Series(KINDS))
    frame.write_csv("t.csv")
    frame.with_columns(pl.Series("kind", ["NA", *KINDS[1:]])).write_csv("gap.csv")
    np.save("t.npy", X)
    Path("photos").mkdir()

    return lambda words: cli("compare", *words.split())


LIGHT = "--n-components 2 --max-epochs 2 --random-state 0 --cv 2"


def test_the_command_prints_and_writes_a_table(cli):
    status, out, err = cli(f"t.csv --label kind {LIGHT} -o table.csv")
    assert status == 0
    assert err.count("2 of 2 epochs") == 2
    assert "epoch" not in cli(f"t.csv --label kind {LIGHT} --quiet")[2]
    assert out.startswith("classifier ")
    assert "150 rows, 3 classes, 2 stratified folds." in out
    table = pl.read_csv("table.csv")
    assert table["input"].to_list() == ["raw columns", "PCA", "codes"] * 2
    assert table["width"].to_list() == [4, 2, 2] * 2


def test_the_command_takes_a_model_as_it_is(cli):
    Autoencoder(3, max_epochs=2).fit(pl.DataFrame(X, schema=list("abcd"))).save("m.isthmus")
    status, out, _ = cli("t.csv --label kind --model m.isthmus --classifiers neighbours --json")
    facts = json.loads(out)
    assert status == 0
    assert facts["seen"]
    assert [row["width"] for row in facts["table"]] == [4, 3, 3]


def test_the_command_and_missing_labels(cli):
    assert "1 of 150 rows have no label" in cli(f"gap.csv --label kind {LIGHT}")[2]
    status, out, _ = cli(f"gap.csv --label kind {LIGHT} --unlabelled use --json")
    assert status == 0
    assert json.loads(out)["unlabelled"] == 1


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        ("t.csv --label nope", 1, "no column 'nope'"),
        ("t.npy --label kind", 2, "--label needs a CSV or Parquet file"),
        ("photos --label kind", 2, "is a folder of images: --label is for tables"),
        ("t.csv --label kind --cv 1", 2, "--cv must be at least 2; got 1"),
        ("t.csv --label kind --classifiers tree", 2, "got 'tree'"),
        ("t.csv --label kind --model t.csv --loss mae", 2, "--loss cannot be given"),
        ("t.csv --label kind --loss foo", 2, "foo"),
        ("t.csv --label kind -o t.csv", 1, "is also an input"),
    ],
)
def test_errors_of_the_command_are_one_line(cli, words, status, text):
    ended = cli(words)
    assert ended[:2] == (status, "")
    assert text in ended[2]
    assert ended[2].count("\n") == 1


# -- the guide -----------------------------------------------------------------------------------


def test_the_guide_runs(capsys):
    text = (ROOT / "docs" / "guides" / "classify.md").read_text()
    space = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "classify.md", "exec"), space)
    assert len(space["result"].table) == 6
    assert space["own"].table[0]["classifier"] == "forest"
    assert (space["few"].rows, space["few"].unlabelled) == (200, 1000)
    assert "1,000 without a label trained the model" in capsys.readouterr().out


# -- tables of mixed types -----------------------------------------------------------------------------


def mixed_table(n=60):
    rng = np.random.default_rng(0)
    town = rng.choice(["Ulm", "Kiel"], n)
    age = [None if i == 5 else float(v) for i, v in enumerate(rng.integers(1, 90, n))]
    return pl.DataFrame({"age": age, "town": town}), np.where(town == "Ulm", "yes", "no")


def test_mixed_tables_are_compared_with_one_hot_columns():
    table, y = mixed_table()
    result = compare(quick(1, random_state=0), table, y, cv=2, classifiers=["logistic"])
    assert [row["width"] for row in result.table] == [5, 1, 1]  # a number, its gap, three levels
    assert result.table[0]["mean"] == 1
    assert result.one_hot
    assert "a column for each level" in str(result)


def test_a_gap_in_one_fold_alone_is_a_gap_in_all():
    gappy = np.random.default_rng(0).normal(size=(40, 3))
    gappy[7, 1] = np.nan
    result = compare(quick(2, random_state=0), gappy, np.arange(40) % 2, cv=2)
    assert [row["width"] for row in result.table[:3]] == [4, 2, 2]


def test_rows_of_other_transformers_are_one_hot_as_well():
    table, y = mixed_table()
    words = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["town"]), remainder="drop"
    ).set_output(transform="polars")
    for rows in (table, table.to_pandas()):
        result = compare(make_pipeline(words, PCA(1)), rows, y, cv=2, classifiers=["logistic"])
        assert [row["width"] for row in result.table] == [5, 1, 1]
        assert result.table[2]["mean"] == 1
