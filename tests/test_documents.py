"""The documents say what the code does: every block of the README runs."""

import re
import runpy
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from isthmus import engine

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


def test_the_architecture_page_names_every_module():
    import isthmus

    text = (ROOT / "docs" / "architecture.md").read_text()
    for path in Path(isthmus.__file__).parent.glob("*.py"):
        if not path.stem.startswith("_") and path.stem not in ("cli", "commands"):
            assert f"`{path.stem}`" in text, path.stem


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_nothing_of_this_machine_is_in_the_repository():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    for name in listed.stdout.split():
        path = ROOT / name
        if path.suffix in (".png", ".isthmus") or not path.exists():
            continue
        text = path.read_text()
        for word in ("/" + "work/", "/" + "root/", "pypi" + ".org", "files.python" + "hosted"):
            assert word not in text, (name, word)
