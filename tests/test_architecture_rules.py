"""The code base's own rules: layers, budgets, public names, nothing printed, nothing pickled."""

import ast
import statistics
from pathlib import Path

import isthmus

SOURCE = Path(isthmus.__file__).parent
LAYERS = [
    {"_spec", "activations", "convolution", "randomness"},
    {"step", "nets", "losses", "corruptions", "sparsity", "penalties", "architectures"},
    {"objective", "engine", "populations", "measures", "stacking"},
    {"runtime", "scaling", "_checks", "baselines", "fitting", "runs", "judging"}
    | {"incremental", "progress"},
    {"_composed", "_stored", "estimator", "presets", "persistence"} | {"_graphs", "exporting"},
    {"_options", "_terminal", "_arrays", "tables", "_imagefiles", "tiling", "images", "_folders"}
    | {"_facts", "_drawing", "_tiles", "plots"}
    | {"embedding", "comparison", "conformal", "_members", "outliers", "_detectorfile"}
    | {"tuning", "_candidates", "_criteria", "_scoring", "_searches"}
    | {"_pictures", "_features", "_sections", "_tour", "report", "demo"}
    | {"_numbers", "_embedding", "_chapters", "_focus", "_pages"},
    {
        "_outputs",
        "_inputs",
        "commands",
        "_run_fit",
        "_run_compare",
        "_run_denoise",
        "_run_detect",
        "_run_embed",
        "_run_export",
    }
    | {"_run_report", "_run_tune"},
    {"cli", "_cli_compare", "_cli_denoise", "_cli_detect", "_cli_embed", "_cli_export"}
    | {"_cli_report", "_cli_tune", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
ALLOWED = [
    {"jax", "numpy"},
    {"jax", "equinox", "numpy"},
    {"jax", "equinox", "numpy", "optax"},
]


def modules():
    return {path.stem: path for path in SOURCE.glob("*.py") if path.stem != "__init__"}


def imports(path):
    """Yield imported module names; those under TYPE_CHECKING are for the reader alone."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and getattr(branch.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "isthmus":
            yield from (f"isthmus.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def violations(name, path):
    import sys

    level = LEVEL[name]
    for module in imports(path):
        top, _, rest = module.partition(".")
        if top == "isthmus":
            if rest and rest in LEVEL and LEVEL[rest] > level:
                yield f"{name} (layer {level}) imports {rest} (layer {LEVEL[rest]})"
        elif level < len(ALLOWED) and top not in ALLOWED[level] | sys.stdlib_module_names:
            yield f"{name} (layer {level}) imports {top}"


def test_every_module_has_a_layer():
    assert set(modules()) <= set(LEVEL)


def test_imports_only_go_down():
    assert [v for name, path in modules().items() for v in violations(name, path)] == []


def test_the_import_rule_sees_a_violation(tmp_path):
    planted = tmp_path / "engine.py"
    planted.write_text("import sklearn\nfrom isthmus.estimator import Autoencoder\n")
    assert len(list(violations("engine", planted))) == 2


def strangers(path):
    """Yield private names of other modules that a module uses."""
    tree, ours = ast.parse(path.read_text()), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "isthmus":
            ours |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("isthmus."):
            yield from (alias.name for alias in node.names if alias.name.startswith("_"))
    for node in ast.walk(tree):
        known = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if known and node.value.id in ours and node.attr.startswith("_"):
            yield f"{node.value.id}.{node.attr}"


def test_modules_use_public_names_of_each_other(tmp_path):
    found = {name: list(strangers(path)) for name, path in modules().items()}
    assert {name: names for name, names in found.items() if names} == {}
    planted = tmp_path / "planted.py"
    planted.write_text("from isthmus import tables\nfrom isthmus.nets import _x\ntables._y()\n")
    assert list(strangers(planted)) == ["_x", "tables._y"]


def functions(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            body = node.body[1:] if documented else node.body
            if body:
                yield node.name, body[-1].end_lineno - body[0].lineno + 1


def test_size_budgets():
    lengths = []
    for name, path in modules().items():
        text = path.read_text()
        assert len(text.splitlines()) <= 500, name
        lengths += [length for _, length in functions(ast.parse(text))]
    assert statistics.median(lengths) <= 8
    assert sorted(lengths)[int(0.95 * len(lengths))] <= 40


def test_nothing_is_pickled_evaluated_or_printed():
    banned = {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
    for name, path in modules().items():
        assert not banned & {module.split(".")[0] for module in imports(path)}, name
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "print", "__import__"}, name


def test_constructor_has_at_most_24_parameters():
    assert len(isthmus.Autoencoder().get_params(deep=False)) <= 24


def test_public_names():
    assert len(isthmus.__all__) <= 40
    for name in isthmus.__all__:
        value = getattr(isthmus, name)
        assert value.__doc__, name
    assert set(isthmus.__all__) <= set(dir(isthmus))
