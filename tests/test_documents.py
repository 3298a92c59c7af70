"""The documents say what the code does: every block of the README and for contributors runs."""

import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from isthmus import Autoencoder, OutlierDetector
from isthmus.embedding import PACKAGES
from isthmus.training import trainer as engine
from isthmus.words import install

ROOT = Path(__file__).parents[1]
README, GUIDE = ((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))


def blocks(kind, text=README):
    return re.findall(rf"```{kind}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture
def brief(monkeypatch):
    """Let every fit end after three epochs: that the blocks run is what is tested."""
    begin = engine.Trainer.__init__

    def short(self, objective, data, settings, *others):
        settings = settings._replace(max_epochs=min(settings.max_epochs, 3))
        begin(self, objective, data, settings, *others)

    monkeypatch.setattr(engine.Trainer, "__init__", short)


def installed_alone(name="isthmus", extras=("",)):
    """Yield the distributions that come with an install without extras."""
    yield canonicalize_name(name)
    for line in requires(name) or ():
        need = Requirement(line)
        if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras):
            yield from installed_alone(need.name, ("", *need.extras))


BARE = """
import sys
import warnings
from pathlib import Path

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {others!r}:
            raise ModuleNotFoundError(f"README's own install brings no {{name}}", name=name)

sys.meta_path.insert(0, Missing())
warnings.simplefilter("error", RuntimeWarning)
import isthmus
for name in isthmus.__all__:
    getattr(isthmus, name)
isthmus.enable_compilation_cache({cache!r}, max_bytes=-1)
from isthmus.training import trainer

begin = trainer.Trainer.__init__
def short(self, objective, data, settings, *others):
    settings = settings._replace(max_epochs=min(settings.max_epochs, 3))
    begin(self, objective, data, settings, *others)

trainer.Trainer.__init__ = short
for block in {blocks!r}:
    exec(compile(block, "README.md", "exec"), globals())
assert codes.shape == (1797, 16)
assert maps.shape == (1797, 4, 4, 16)
assert why["column"][0] in data.feature_names
"""


def test_every_python_block_of_the_readme_runs_after_its_own_install(tmp_path):
    assert len(blocks("python")) >= 4
    core = set(installed_alone())
    others = {
        module
        for module, homes in packages_distributions().items()
        if not {canonicalize_name(home) for home in homes} & core
    }
    assert "pytest" in others
    assert not {"isthmus", "jax", "polars", "PIL"} & others
    cache = str(ROOT / ".pytest_cache" / "jax")
    code = BARE.format(others=others, cache=cache, blocks=blocks("python"))
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "PCA" in done.stdout


def test_what_a_message_says_to_install_is_an_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    known = {Requirement(line).name for lines in extras.values() for line in lines}
    named = [*PACKAGES.values(), "onnx", "onnxruntime", "optuna"]
    named += ["fastexcel", "xlsxwriter", "duckdb", "zstandard", "pyarrow"]
    assert {install(name).split()[-1] for name in named} <= known
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.py")]:
        assert "isthmus[" not in page.read_text(), page  # the index does not have it


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
    assert makes == ["make demo", "make test", "make help"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with what the commands of the README's table begin with."""
    folder, rng = tmp_path_factory.mktemp("table"), np.random.default_rng(0)
    names = [f"x{i}" for i in range(10)]
    X = pl.DataFrame(rng.normal(size=(120, 4)) @ rng.normal(size=(4, 10)), schema=names)
    X.with_columns(kind=pl.Series(np.arange(120) % 3)).write_csv(folder / "data.csv")
    Autoencoder(4, max_epochs=3, random_state=0).fit(X).save(folder / "model.isthmus")
    detector = OutlierDetector(Autoencoder(2, max_epochs=3), n_estimators=2, random_state=0).fit(X)
    detector.save(folder / "detector.isthmus")
    held = OutlierDetector(
        {"max_epochs": 3}, n_estimators=2, contamination="none", calibration_fraction=0.5
    )
    held.fit(X).save(folder / "clean.isthmus")
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
    for block in blocks("python", text):
        exec(compile(block, "layers.md", "exec"), space)
    assert space["again"].shape == (1797, 8, 8)
    assert space["first"].shape == (1797, 4, 4, 16)
    assert list(space["phases"]) == ["layer 1", "layer 2", "layer 3", "fit"]
    assert space["hidden"].shape == (1797, 128)
    source, tuned = (space[name].net_.encoder[0].weight for name in ("source", "tuned"))
    assert np.array_equal(source, tuned)
    assert "8x8x1 -> 4x4x16" in capsys.readouterr().out


@pytest.mark.usefixtures("brief")
def test_the_guide_to_your_table_runs(capsys):
    text = (ROOT / "docs" / "guides" / "your-table.md").read_text()
    space = {}
    for block in blocks("python", text):
        exec(compile(block, "your-table.md", "exec"), space)
    wine, again, filled = (space[name] for name in ("wine", "again", "filled"))
    left = wine.drop("sample")
    assert again.schema == left.schema
    assert space["codes"].shape == (178, 4)
    assert wine["malic_acid"].null_count() == 20
    assert filled.null_count().sum_horizontal().item() == 0
    same = wine["malic_acid"].is_not_null()
    assert filled.filter(same).equals(wine.filter(same))
    assert "grower      category   text with 3 levels" in capsys.readouterr().out


@pytest.mark.usefixtures("brief")
def test_the_page_for_those_who_come_from_elsewhere_runs_and_names_what_there_is():
    text = (ROOT / "docs" / "guides" / "coming-from.md").read_text()
    space = {}
    for block in blocks("python", text):
        exec(compile(block, "coming-from.md", "exec"), space)
    assert space["sure"].mean() < 0.1
    assert space["power"] > 0.2
    named = {*re.findall(r"[`.](\w+)", text)}
    shared = {name for name in dir(IsolationForest) if name in dir(OutlierDetector)}
    unused = {"get_metadata_routing", "set_fit_request"}  # of scikit-learn's base
    assert {name for name in shared if name[0] != "_"} - unused <= named
    parameters = {*IsolationForest().get_params(), *LocalOutlierFactor().get_params()}
    assert parameters & {*OutlierDetector().get_params()} - {"random_state", "verbose"} <= named


# -- for contributors ----------------------------------------------------------------------------

COMMAND = "# src/isthmus/cli/commands/"
MAKEFILE = (ROOT / "Makefile").read_text().splitlines()


def run(code, folder):
    """Run code in a process of its own, so that parts it defines are unknown here."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_parts_and_readers_of_the_guide_for_contributors_work(tmp_path):
    pytest.importorskip("onnxruntime")
    examples = [b for b in blocks("python", GUIDE) if not b.startswith(COMMAND)]
    assert len(examples) == 7
    use = """
import isthmus
from isthmus.io import choose_columns, read_table

again = isthmus.load("gained.isthmus").transform(X)
np.testing.assert_array_equal(again, ae.transform(X))
ae.export("gained.onnx")
Path("rows.dat").write_text("a b\\n1 2\\n2.5 3\\n")
print(choose_columns(read_table(Path("rows.dat"))).X.rows())
"""
    code = ["import warnings; warnings.simplefilter('ignore'); from pathlib import Path", *examples]
    assert run("\n".join([*code, use]), tmp_path) == "[(1.0, 2.0), (2.5, 3.0)]\n"
    assert (tmp_path / "charbonnier.onnx").exists()


def test_the_command_of_the_guide_for_contributors_works(tmp_path):
    (block,) = (b for b in blocks("python", GUIDE) if b.startswith(COMMAND))
    name = block.splitlines()[0].removeprefix(COMMAND)
    (tmp_path / name).write_text(block)
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 1500)
    code = f"""
from isthmus.cli import commands
commands.__path__.append({str(tmp_path)!r})
from isthmus.__main__ import main
for words in (["shape", "t.csv"], ["shape", "t.csv", "--json"], ["shape", "t.csv", "--quiet"]):
    assert main(words) == 0
assert main(["shape", "no.csv"]) == 1
"""
    lines = run(code, tmp_path).splitlines()
    assert [line.split() for line in lines[:2]] == [["rows", "1,500"], ["columns", "2"]]
    assert lines[2].startswith('{"rows": 1500, "columns": 2')
    assert len(lines) == 3


def test_the_commands_for_contributors_are_there():
    lines = [line.split("#")[0].split() for b in blocks("sh", GUIDE) for line in b.splitlines()]
    targets = {line.split(":")[0] for line in MAKEFILE if re.match(r"[a-z-]+:", line)}
    assert {words[1] for words in lines if words[0] == "make"} <= targets
    ((_, *words),) = (words for words in lines if "pytest" in words)
    command = [sys.executable, *words, "--collect-only"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert re.search(r"(?im)^tests/parts/\S+::\S*huber", done.stdout)
    assert len(lines) == 4


def test_make_help_names_every_target():
    (phony,) = (line for line in MAKEFILE if line.startswith(".PHONY:"))
    helped = [line.split(":")[0] for line in MAKEFILE if re.match(r"[a-z-]+:.*## \w", line)]
    assert sorted(phony.split()[1:]) == sorted(helped)
    command = ["make", "--no-print-directory"]  # the tests may run within a make of their own
    shown = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert [line.split()[1] for line in shown.splitlines()] == helped


def test_hooks_are_the_environments_own_tools():
    config = (ROOT / ".pre-commit-config.yaml").read_text()
    entries = re.findall(r"entry: (.*)", config)
    assert re.findall(r"repo: (.*)", config) == ["local"]
    assert re.findall(r"language: (.*)", config) == ["system"] * len(entries)
    lint = [line.split() for line in MAKEFILE if line.startswith("\t$(BIN)/")]
    for entry in entries:  # what `make lint` runs, in its environment, whose versions are pinned
        tool, *words = entry.split()
        assert tool.startswith(".venv/bin/")
        assert any(ran[0] == f"$(BIN)/{Path(tool).name}" and ran[1:2] == words[:1] for ran in lint)
    pins = (ROOT / "constraints.txt").read_text()
    for tool in {Path(entry.split()[0]).name for entry in entries}:
        assert re.search(rf"^{tool}==[\d.]+$", pins, re.MULTILINE), tool


def test_the_changelog_is_by_kind():
    text = (ROOT / "CHANGELOG.md").read_text()
    kinds = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
    for version in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        assert re.match(r"\d+\.\d+\.\d+ \((unreleased|\d{4}-\d\d-\d\d)\)\n", version)
        found = re.findall(r"^### (.*)$", version, re.MULTILINE)
        assert found == [kind for kind in kinds if kind in found]


# -- all pages -----------------------------------------------------------------------------------


def test_links_of_the_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
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
