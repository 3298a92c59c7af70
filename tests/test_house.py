"""The house: rooms and their floors, budgets, public names, nothing printed, nothing pickled."""

import ast
import statistics
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import isthmus

SOURCE = Path(isthmus.__file__).parent
# A room is a folder, or a module at the top; it imports from rooms on lower floors alone.
FLOORS = [
    {"words"},
    {"plots", "nets", "schema"},
    {"io", "parts"},
    {"training"},
    {"model"},
    {"fleet"},
    {"autoencoder"},
    {"presets", "comparison", "embedding", "images", "outliers", "search"},
    {"loading", "report", "streams"},
    {"audit", "demo", "mlflow", "scale"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
OUTSIDE = {  # what a room may import that is neither ours nor Python's own
    "words": set(),
    "io": {"numpy", "polars", "PIL", "safetensors"},
    "plots": {"numpy", "matplotlib"},
    "nets": {"jax", "numpy", "equinox"},
    "schema": {"numpy", "polars"},
    "parts": {"jax", "numpy", "equinox"},
    "training": {"jax", "numpy", "equinox", "optax", "rich"},
    "model": {"jax", "numpy", "scipy", "equinox", "sklearn"},
    "fleet": {"jax", "numpy"},
}
PUBLIC = {"_replace", "_asdict", "_fields", "_make", "_exit"}  # by their documentation


@cache
def modules(source=SOURCE):
    """Return the modules by dotted name, `model.file`; a room's `__init__` has the room's name."""
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


def imports(path):
    """Yield each import of a module, lazy ones too, but none for type checkers alone."""
    tree = parsed(path)
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and getattr(branch.test, "id", "") == "TYPE_CHECKING"
        for statement in branch.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in typing_only:
            yield node


def outside(path):
    """Yield the top names of what a module imports from elsewhere."""
    for node in imports(path):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
        yield from (name.partition(".")[0] for name in names)


@cache
def exports(path):
    """Return where the names come from that a room's `__init__` hands on."""
    return {
        alias.name: node.module.removeprefix("isthmus.")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("isthmus.")
        for alias in node.names
    }


def ours(path, source=SOURCE):
    """Yield what a module imports of ours as (where from, defined where)."""
    known = modules(source)
    for node in imports(path):
        if not isinstance(node, ast.ImportFrom) or room(node.module) != "isthmus":
            continue
        module = node.module.partition(".")[2]
        for alias in node.names:
            below = f"{module}.{alias.name}".strip(".")
            handed = known[module].name == "__init__.py" and module
            if handed and alias.name in exports(known[module]):
                yield module, exports(known[module])[alias.name]
            elif below in known:
                yield below, below
            elif module in known:
                yield module, module


def going_up(source=SOURCE):
    """Yield imports that do not go down: up, or across to another room on the same floor."""
    for name, path in modules(source).items():
        for _, home in ours(path, source):
            here, there = room(name), room(home)
            if name and here != there and there and FLOOR[there] >= FLOOR[here]:
                yield f"{name} imports {home}"


def through_the_wall(source=SOURCE):
    """Yield imports from another room's inside, and not through its `__init__`."""
    for name, path in modules(source).items():
        for module, _ in ours(path, source):
            if name and room(module) != room(name) and "." in module:
                yield f"{name} imports from {module}"


def test_every_room_has_a_floor_and_a_sentence():
    assert {room(name) for name in modules() if name} == set(FLOOR)
    for name, path in modules().items():
        if path.name == "__init__.py":
            sentence = (ast.get_docstring(parsed(path)) or "").partition("\n")[0]
            assert sentence.endswith("."), name
        assert not path.stem.startswith("_") or path.stem in ("__init__", "__main__"), name


def test_imports_between_rooms_go_down():
    assert sorted(going_up()) == []


def test_rooms_use_of_each_other_what_is_handed_out():
    assert sorted(through_the_wall()) == []


def test_what_is_handed_out_is_there():
    for name, path in modules().items():
        if path.name == "__init__.py" and name:
            there = import_module(f"isthmus.{name}")
            missing = [export for export in exports(path) if not hasattr(there, export)]
            assert missing == [], name
    with pytest.raises(AttributeError, match="'isthmus.io' has no attribute 'nothing'"):
        isthmus.io.nothing  # noqa: B018


def test_nothing_imports_in_a_circle_and_chains_are_short():
    longest = {}

    def chain(name, above=()):
        assert name not in above, " imports ".join([*above[above.index(name) :], name])
        if name not in longest:
            below = {home for _, home in ours(modules()[name]) if home not in ("", name)}
            chains = [chain(other, (*above, name)) for other in sorted(below)]
            longest[name] = (name, *max(chains, key=len, default=()))
        return longest[name]

    rooms = {name for name, path in modules().items() if path.name == "__init__.py"}
    assert max(map(chain, modules().keys() - rooms), key=len)[18:] == ()


def test_a_room_imports_from_outside_what_it_may():
    for name, path in modules().items():
        allowed = OUTSIDE.get(room(name))
        if allowed is not None:
            assert {*outside(path)} <= allowed | {"isthmus"} | sys.stdlib_module_names, name


def test_the_import_rules_see_violations(tmp_path):
    (tmp_path / "io").mkdir()
    (tmp_path / "io" / "__init__.py").write_text("from isthmus.io.a import f as f\n")
    (tmp_path / "io" / "a.py").write_text("def f():\n    from isthmus.training import g\n")
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").write_text("from isthmus.training.b import g as g\n")
    (tmp_path / "training" / "b.py").write_text(
        "from isthmus.io.a import f\nfrom isthmus.io import f\n"
    )
    assert list(going_up(tmp_path)) == ["io.a imports training.b"]
    assert list(through_the_wall(tmp_path)) == ["training.b imports from io.a"]


def private_uses(path):
    """Yield private names of other modules and private attributes of other objects."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("isthmus"):
            names = (alias.name for alias in node.names)
            yield from (name for name in names if name.startswith("_") and name[:2] != "__")
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            owner = node.value
            own = isinstance(owner, ast.Name) and owner.id in ("self", "cls")
            own |= isinstance(owner, ast.Call) and getattr(owner.func, "id", "") == "super"
            if not own and node.attr[:2] != "__" and node.attr not in PUBLIC:
                yield f"{ast.unparse(owner)}.{node.attr}"


def test_no_code_uses_what_is_private_to_another_object(tmp_path):
    found = {name: list(private_uses(path)) for name, path in modules().items()}
    assert {name: uses for name, uses in found.items() if uses} == {}
    planted = tmp_path / "planted.py"
    planted.write_text("from isthmus.nets import _x\nmodel._y = self._z\nsuper()._w()\n")
    assert list(private_uses(planted)) == ["_x", "model._y"]


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
    assert loose < 0.015 * lines, f"{1000 * loose / lines:.1f} uses of Any in 1,000 lines"


def test_nothing_is_pickled_evaluated_or_printed():
    banned = {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
    for name, path in modules().items():
        assert not banned & {*outside(path)}, name
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"eval", "exec", "print", "__import__"}, name


def test_constructor_has_at_most_24_parameters():
    assert len(isthmus.Autoencoder().get_params(deep=False)) <= 24


def test_public_names():
    assert len(isthmus.__all__) <= 44
    for name in isthmus.__all__:
        value = getattr(isthmus, name)
        assert value.__doc__, name
    assert set(isthmus.__all__) <= set(dir(isthmus))
