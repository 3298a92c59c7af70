"""What is refused is refused before anything is trained, scored, laid out or drawn."""

from pathlib import Path

import pytest

WORK = (
    "isthmus.autoencoder.estimator.Autoencoder.fit",
    "isthmus.autoencoder.estimator.Autoencoder.encode",
    "isthmus.autoencoder.estimator.Autoencoder.transform",
    "isthmus.autoencoder.estimator.Autoencoder.reconstruct",
    "isthmus.autoencoder.estimator.Autoencoder.score_samples",
    "isthmus.autoencoder.estimator.Autoencoder.export",
    "isthmus.outliers.detector.OutlierDetector.fit",
    "isthmus.cli.commands.detect._fit_and_score",
    "isthmus.outliers.detector.OutlierDetector.score_samples",
    "isthmus.outliers.detector.OutlierDetector.explain",
    "isthmus.outliers.detector.OutlierDetector.predict",
    "isthmus.search.race.Scorer.fill",
    "isthmus.comparison._Fold.__init__",
    "isthmus.report.report.Report.__init__",
    "isthmus.demo.run",
)


@pytest.fixture
def idle(ready, monkeypatch):
    """Run a command line that must not begin to work."""
    done = []

    def worked(name):
        def work(*_, **__):
            done.append(name)
            raise KeyboardInterrupt

        return work

    for name in WORK:
        monkeypatch.setattr(name, worked(name))

    def run(words):
        before = sorted(Path().rglob("*"))
        ended = ready(words)
        assert done == []
        assert [p for p in sorted(Path().rglob("*")) if "cache" not in p.parts] == before
        return ended

    return run


@pytest.mark.parametrize(
    ("words", "text", "status"),
    [
        ("fit t.csv --columns a,b --test bad.npy", "bad.npy has rows of 4 columns, but", 1),
        ("fit x.npy --test bad.npy", "bad.npy: Input X contains NaN in column", 1),
        ("fit x.npy --loss bce --scaling none --test x.npy", "needs data in [0, 1]", 1),
        ("fit x.npy --loss poisson --test x.npy", "needs data of at least 0", 1),
        ("fit x.npy --id name", "--id needs a CSV or Parquet file: x.npy is an array", 2),
        ("fit x.npy --decimal comma", "--decimal is for text files, .csv and .tsv: x.npy is", 2),
        ("score m.isthmus x.npy --no-header", "--no-header is for text files, .csv", 2),
        ("fit x.npy --weight a", "--weight needs a CSV or Parquet file: x.npy is an", 2),
        ("fit t.csv --resume m.isthmus --dtype float64", "--dtype cannot be changed", 2),
        ("fit t.csv --init enc.isthmus -o o.isthmus", "enc.isthmus is an encoder alone", 2),
        ("fit t.csv -o no/o.isthmus", "the folder no does not exist", 1),
        ("encode m.isthmus t.csv -o o.npy --id name", "Identifiers do not fit into o.npy", 2),
        ("encode m.isthmus t.csv -o o.npy --raw", "--raw is for CSV, and o.npy is none", 2),
        ("encode m.isthmus t.csv -o o.csv --layer 2", "The layer must be from 1 to 1", 1),
        ("encode m.isthmus autoencoder0.csv -o o.csv --id autoencoder0", "The identifier", 2),
        ("encode m.isthmus t.csv -o no/o.csv", "the folder no does not exist", 1),
        ("reconstruct m.isthmus t.csv -o o.csv --id a", "The identifier 'a' has the name of a", 2),
        ("reconstruct p.isthmus photos.npy -o o.csv", "Images of shape (8, 8) do not fit into", 1),
        ("reconstruct p.isthmus photos -o out --raw", "--raw is for CSV, and out is a folder", 2),
        ("reconstruct p.isthmus photos -o no/out", "the folder no does not exist", 1),
        ("reconstruct enc.isthmus t.csv -o o.csv", "enc.isthmus is an encoder alone", 2),
        ("denoise enc.isthmus t.csv -o o.csv", "enc.isthmus is an encoder alone", 2),
        ("denoise m.isthmus t.csv -o o.parquet --raw", "--raw is for CSV, and o.parquet is", 2),
        ("denoise p.isthmus photos -o out --overlap 8", "must be a whole number from 0 to 7", 2),
        ("denoise p.isthmus photos -o o.csv", "Images do not fit into o.csv", 1),
        ("score m.isthmus t.csv -o o.parquet --raw", "--raw is for CSV, and o.parquet is", 2),
        ("score m.isthmus t.csv --json --raw", "--raw is for CSV, and --json is none", 2),
        ("score enc.isthmus t.csv", "enc.isthmus is an encoder alone and can only encode", 2),
        ("score m.isthmus score.csv --id score", "The identifier 'score' has the name of a", 2),
        ("info t.csv", "t.csv is no isthmus model", 1),
        ("report enc.isthmus t.csv", "enc.isthmus is an encoder alone", 2),
        ("report m.isthmus t.csv -o o.pdf", "must end in .html, .md or .json", 1),
        ("report m.isthmus t.csv -o no/o.md", "the folder no does not exist", 1),
        ("report m.isthmus t.csv --search t.csv", "t.csv is not what a search found", 1),
        ("report p.isthmus photos --label kind", "photos is a folder of images: --label is", 2),
        (
            "report m.isthmus t.csv --label a,b",
            "t.csv has no column 'a,b'. Give one column that",
            1,
        ),
        ("embed m.isthmus t.csv -o o.csv --id x", "The identifier 'x' has the name of a col", 2),
        ("embed m.isthmus t.csv -o o.csv --colour x", "The colour 'x' has the name of a col", 2),
        ("embed m.isthmus row.csv -o o.csv --colour row", "The colour 'row' has the name of", 2),
        ("embed m.isthmus t.csv -o o.png --id name", "Identifiers do not fit into o.png", 2),
        ("embed m.isthmus t.csv -o o.svg --raw", "--raw is for CSV, and o.svg is none", 2),
        ("embed m.isthmus t.csv -o no/o.png", "the folder no does not exist", 1),
        ("embed enc.isthmus t.csv -o o.csv --colour score", "enc.isthmus is an encoder alone", 2),
        ("embed m.isthmus x.npy -o o.png --colour kind", "--colour needs a CSV or Parquet", 2),
        ("embed p.isthmus photos -o o.png --colour kind", "of images: --colour is for tables", 2),
        ("compare x.npy --label kind", "--label needs a CSV or Parquet file: x.npy is an", 2),
        ("compare t.csv --label kind -o no/o.csv", "the folder no does not exist", 1),
        ("compare t.csv --label kind -o o.json", "must end in .csv, .csv.gz, .parquet", 1),
        ("compare t.csv --label name --id kind,x", "has 1 row, fewer than --cv 5 folds", 1),
        ("tune x.npy --grid n_components=1 --label a", "--label needs a CSV or Parquet file", 2),
        ("tune x.npy --grid n_components=1 --table o.txt", "must end in .csv, .csv.gz", 1),
        ("tune x.npy --grid n_components=1 --table no/o.csv", "the folder no does not", 1),
        ("tune x.npy --grid n_components=1 --picture o.gif", "must end in .png or .svg", 1),
        ("tune x.npy --grid n_components=1,many", "n_components must be a whole number", 1),
        ("export m.isthmus -o o.pb", "must end in .onnx", 1),
        ("export m.isthmus -o no/o.onnx", "the folder no does not exist", 1),
        ("detect photos --explain 3", "photos holds images: --explain is for columns", 2),
        ("detect x.npy --new photos --explain 1", "photos holds images: --explain is for", 2),
        ("detect photos.npy --explain 3", "photos.npy holds images: --explain is for", 2),
        ("detect photos.npy --model dp.isthmus --explain 3", "photos.npy holds images", 2),
        ("detect x.npy --loss cosine --explain 3", "The loss cosine is no sum over columns", 2),
        (
            "detect x.npy --new bad.npy --bad-rows fail",
            "bad.npy: Input X contains NaN in column",
            1,
        ),
        ("detect x.npy -o o.parquet --raw", "--raw is for CSV, and o.parquet is none", 2),
        (
            "detect score.csv --id score --ignore kind,x",
            "The identifier 'score' has the name of a column",
            2,
        ),
        ("detect x.npy --save o.csv", "must end in .isthmus", 1),
        ("detect x.npy --save no/o.isthmus", "the folder no does not exist", 1),
        ("detect x.npy --model m.isthmus", "m.isthmus holds a single autoencoder", 2),
        (
            "detect t.csv --contamination many",
            "must be auto, none or a share, such as 0.05; got 'many'",
            2,
        ),
        ("explain d.isthmus column.csv --id column", "The identifier 'column' has the name", 2),
        ("explain d.isthmus t.csv -o o.parquet --raw", "--raw is for CSV, and o.parquet is", 2),
        ("explain dp.isthmus t.csv", "dp.isthmus was fitted on images", 2),
        ("explain cosine.isthmus t.csv", "The loss cosine is no sum over columns", 2),
        ("explain enc.isthmus t.csv", "enc.isthmus is an encoder alone", 2),
        ("explain d.isthmus photos", "photos is a folder of images: explanations are for", 2),
        ("demo -o t.csv", "Cannot write t.csv: it is a file, and a folder is needed", 1),
    ],
)
def test_refused_before_work(idle, words, text, status):
    for name in ("score", "row", "column", "autoencoder0"):
        Path(f"{name}.csv").write_text(Path("t.csv").read_text().replace("name", name, 1))
    ended = idle(words)
    assert ended.status == status, ended
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert text in ended.err


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        ("export m.isthmus -o o.onnx", "onnxruntime", "onnx onnxruntime"),
        ("embed m.isthmus t.csv -o o.csv --method umap", "umap", "umap-learn"),
        ("tune x.npy --grid n_components=1 --picture o.png", "matplotlib", "matplotlib"),
    ],
)
def test_packages_that_are_missing(idle, monkeypatch, words, package, extra):
    monkeypatch.setattr("isthmus.cli.outputs.find_spec", lambda name: name != package or None)
    ended = idle(words)
    assert ended.status == 2
    assert f"needs {package}: pip install {extra}." in ended.err


def test_a_model_is_read_once(ready, monkeypatch):
    read, seen = Path.read_bytes, []
    monkeypatch.setattr(Path, "read_bytes", lambda path: seen.append(path.suffix) or read(path))
    for words in (
        "denoise p.isthmus photos -o out",
        "denoise p.isthmus photos.npy -o o.npy",
        "denoise m.isthmus t.csv -o o.csv",
    ):
        seen.clear()
        assert ready(words).status == 0
        assert seen.count(".isthmus") == 1
