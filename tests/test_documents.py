"""The documents say what the code does: every block of the README runs."""

import re
import runpy
import shlex
import subprocess
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from isthmus import Autoencoder, OutlierDetector
from isthmus.training import trainer as engine

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def brief(monkeypatch):
    """Let every fit end after three epochs: that the blocks run is what is tested."""
    begin = engine.Trainer.__init__

    def short(self, objective, data, settings, *others):
        settings = settings._replace(max_epochs=min(settings.max_epochs, 3))
        begin(self, objective, data, settings, *others)

    monkeypatch.setattr(engine.Trainer, "__init__", short)


@pytest.mark.usefixtures("brief")
def test_every_python_block_of_the_readme_runs(capsys):
    space = {}
    assert len(blocks("python")) >= 4
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), space)
    assert space["codes"].shape == (1797, 16)
    assert "PCA" in capsys.readouterr().out


@pytest.mark.usefixtures("brief")
def test_every_command_of_the_readme_runs(tmp_path, monkeypatch):
    from isthmus.__main__ import main

    rng = np.random.default_rng(0)
    rows = [f"row{i},{','.join(f'{v:.3f}' for v in rng.normal(size=6))}" for i in range(150)]
    (tmp_path / "data.csv").write_text("name,a,b,c,d,e,f\n" + "\n".join(rows) + "\n")
    (tmp_path / "photos").mkdir()
    for i in range(120):
        picture = Image.fromarray(rng.integers(0, 255, (20, 24), np.uint8))
        picture.save(tmp_path / "photos" / f"{i:03}.png")
    monkeypatch.chdir(tmp_path)
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    ours = [shlex.split(line)[1:] for line in commands if line.startswith("isthmus")]
    assert len(ours) == 6
    for command in ours:
        assert main(command) == 0, command
    assert len(list((tmp_path / "clean").iterdir())) == 120
    assert (tmp_path / "scores.csv").read_text().startswith("name,score\nrow0,")
    makes = [line.split("#")[0].strip() for line in commands if line.startswith("make")]
    assert makes == ["make demo", "make test"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with what the commands of the README's table begin with."""
    folder, rng = tmp_path_factory.mktemp("table"), np.random.default_rng(0)
    names = [f"x{i}" for i in range(10)]
    X = pl.DataFrame(rng.normal(size=(90, 4)) @ rng.normal(size=(4, 10)), schema=names)
    X.with_columns(kind=pl.Series(np.arange(90) % 3)).write_csv(folder / "data.csv")
    Autoencoder(4, max_epochs=3, random_state=0).fit(X).save(folder / "model.isthmus")
    detector = OutlierDetector(Autoencoder(2, max_epochs=3), n_estimators=2, random_state=0).fit(X)
    detector.save(folder / "detector.isthmus")
    (folder / "images" / "photos").mkdir(parents=True)
    pictures = rng.integers(0, 255, (30, 12, 12), np.uint8)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / "images" / "photos" / f"{i:03}.png")
    ae = Autoencoder(4, corruption="gaussian:std=0.3", max_epochs=3, random_state=0)
    ae.fit(pictures).save(folder / "images" / "model.isthmus")
    return folder


TABLE = [shlex.split(line)[1:] for line in re.findall(r"^\|.*\| `(isthmus .*?)` \|", README, re.M)]


def test_the_readme_shows_every_command():
    from isthmus.cli.app import app

    shown = [shlex.split(line) for block in blocks("sh") for line in block.splitlines() if line]
    verbs = {words[1] for words in shown if words[0] == "isthmus"} | {words[0] for words in TABLE}
    assert verbs == {name for name in app if not name.startswith("-")} - {"demo"}  # a make target


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("words", TABLE, ids=lambda words: words[0])
def test_every_command_of_the_readmes_table_runs(words, folder, monkeypatch, capsys):
    from isthmus.__main__ import main

    if words[0] == "export":
        pytest.importorskip("onnxruntime")
    monkeypatch.setattr("isthmus.training.runtime.enable_compilation_cache", lambda: None)
    monkeypatch.setenv("ISTHMUS_CACHE", str(folder / "cache"))
    monkeypatch.chdir(folder / "images" if "photos" in words else folder)
    assert main(words) == 0, capsys.readouterr().err
    output = words[words.index("-o") + 1] if "-o" in words else None
    if output is not None:
        assert Path(output).stat().st_size > 0
    else:
        assert capsys.readouterr().out


@pytest.mark.usefixtures("brief")
def test_the_guide_to_layers_runs(capsys):
    text = (ROOT / "docs" / "guides" / "layers.md").read_text()
    space = {}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(compile(block, "layers.md", "exec"), space)
    assert space["again"].shape == (1797, 8, 8)
    assert space["first"].shape == (1797, 4, 4, 16)
    assert list(space["phases"]) == ["layer 1", "layer 2", "layer 3", "fit"]
    assert space["hidden"].shape == (1797, 128)
    source, tuned = (space[name].net_.encoder[0].weight for name in ("source", "tuned"))
    assert np.array_equal(source, tuned)
    assert "8x8x1 -> 4x4x16" in capsys.readouterr().out


def test_links_of_the_documents_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), (page.name, link)


def test_the_slots_page_is_the_codes():
    page = runpy.run_path(str(ROOT / "docs" / "make_slots.py"))["page"]()
    assert (ROOT / "docs" / "slots.md").read_text() == page


def test_the_architecture_page_names_every_room():
    import isthmus

    text = (ROOT / "docs" / "architecture.md").read_text()
    for path in Path(isthmus.__file__).parent.iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert f"`{path.stem}`" in text, path.stem


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_nothing_of_this_machine_is_in_the_repository():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in (".png", ".isthmus", ".npz") or not path.exists():
            continue
        text = path.read_text()
        for word in ("/" + "work/", "/" + "root/", "pypi" + ".org", "files.python" + "hosted"):
            assert word not in text, (name, word)
