"""The house: rooms and their floors, budgets, public names, nothing printed, nothing pickled."""

import ast
import statistics
from functools import cache
from pathlib import Path

import isthmus

SOURCE = Path(isthmus.__file__).parent
# A room is a folder or a module at the top; it imports from rooms on lower floors alone.
FLOORS = [
    {"words"},
    {"io", "plots", "nets"},
    {"parts"},
    {"training"},
    {"model"},
    {"autoencoder"},
    {"presets", "comparison", "embedding", "images", "outliers", "search"},
    {"loading", "report"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
OUTSIDE = {  # what a room may import that is neither ours nor Python's own
    "words": set(),
    "io": {"numpy", "polars", "PIL", "safetensors"},
    "plots": {"numpy", "matplotlib"},
    "nets": {"jax", "numpy", "equinox", "onnx"},
    "parts": {"jax", "numpy", "equinox"},
    "training": {"jax", "numpy", "equinox", "optax", "rich"},
    "model": {"jax", "numpy", "scipy", "equinox", "sklearn", "onnxruntime"},
}
NAMED_TUPLES = {"_replace", "_asdict", "_fields", "_make"}


@cache
def modules(source=SOURCE):
    """Return the modules by dotted name, `model.file`; a package's name is the folder's."""
    found = {}
    for path in source.rglob("*.py"):
        parts = path.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module):
    return module.partition(".")[0]


@cache
def parsed(path):
    return ast.parse(path.read_text())


def imports(path, known):
    """Yield what a module imports, lazily too; imports for type checkers alone are left out."""
    tree = parsed(path)
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
        elif isinstance(node, ast.ImportFrom):
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            inside = [name for name in below if name.removeprefix("isthmus.") in known]
            yield from inside or [node.module]


def ours(path, known):
    """Yield the modules of our own that a module imports; isthmus itself is the empty name."""
    for name in imports(path, known):
        if name == "isthmus" or name.startswith("isthmus."):
            yield name[8:]


def graph(known):
    """Return by module those that it imports, and for a module of a room the room's `__init__`."""
    return {name: {m for m in ours(path, known) if m and m != name} for name, path in known.items()}


def going_up(known):
    """Yield imports that do not go down: up, or across to another room on the same floor."""
    for name, used in graph(known).items():
        for other in used:
            here, there = room(name), room(other)
            if name and here != there and FLOOR[there] >= FLOOR[here]:
                yield f"{name} imports {other}"


def test_the_import_rules_see_violations(tmp_path):
    (tmp_path / "io").mkdir()
    (tmp_path / "io" / "a.py").write_text("def f():\n    from isthmus.model import Model\n")
    (tmp_path / "model.py").write_text("from isthmus.io.a import f\n")
    assert list(going_up(modules(tmp_path))) == ["io.a imports model"]


def private_uses(path):
    """Yield private names of other modules and private attributes of other objects."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("isthmus"):
            yield from (alias.name for alias in node.names if alias.name.startswith("_"))
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            owner = node.value
            own = isinstance(owner, ast.Name) and owner.id in ("self", "cls")
            own |= isinstance(owner, ast.Call) and getattr(owner.func, "id", "") == "super"
            dunder = node.attr.startswith("__") and node.attr.endswith("__")
            if not own and not dunder and node.attr not in NAMED_TUPLES:
                yield f"{ast.unparse(owner)}.{node.attr}"


def functions(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            first = node.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            body = node.body[1:] if documented else node.body
            if body:
                yield node.name, body[-1].end_lineno - body[0].lineno + 1


def test_size_budgets():
    lengths, lines, loose = [], 0, 0
    for name, path in modules().items():
        text = path.read_text().splitlines()
        assert len(text) <= 700, name
        lines += len(text)
        loose += sum(isinstance(n, ast.Name) and n.id == "Any" for n in ast.walk(parsed(path)))
        lengths += [length for _, length in functions(parsed(path))]
    assert statistics.median(lengths) <= 8
    assert sorted(lengths)[int(0.95 * len(lengths))] <= 40


def test_nothing_is_pickled_evaluated_or_printed():
    banned = {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
    for name, path in modules().items():
        assert not banned & {module.split(".")[0] for module in imports(path, modules())}, name
        for node in ast.walk(parsed(path)):
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
