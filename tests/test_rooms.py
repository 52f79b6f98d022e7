"""The plan of the package: rooms import downwards only, and nothing goes round in a circle."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from helpers.paths import ROOT

NAME = "recbole_mdcns"
#: From the top floor to the ground. A room imports rooms of lower floors, and of the same floor if there is no circle.
#: A room is a folder, or a module at the root of the package. ``__init__`` is the root itself, the public face: it
#: offers names of the rooms below, so no room imports it, though Python runs it first. ``version`` is below all.
FLOORS = [
    {"__init__"},
    {"cli", "__main__"},
    {"report", "tuning", "recommend"},
    {"quick_start"},
    {"records"},
    {"trainer"},
    {"checkpoints", "evaluation"},
    {"losses", "negatives"},
    {"encoder"},
    {"run_log"},
    {"config"},
    {"metrics", "model", "parallel"},
    {"data"},
    {"kernels", "equations"},
    {"support"},
    {"program"},
    {"compat", "errors"},
    {"version"},
]


def sources(package: Path) -> dict[str, Path]:
    """Return the files of a package by the names of their modules; a folder's name is its ``__init__.py``."""
    names = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


def imports(files: dict[str, Path]) -> dict[str, set[str]]:
    """Return which of the modules each module imports, wherever in its code: in functions and for types too."""
    arrows: dict[str, set[str]] = {module: set() for module in files}
    for module, file in files.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0 and node.module, f"{file}:{node.lineno} has a relative import"
                submodules = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in files else node.module for name in submodules]
            else:
                continue
            arrows[module].update(name for name in names if name in files and name != module)
    return arrows


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def between_rooms(arrows: dict[str, set[str]]) -> dict[str, set[str]]:
    rooms: dict[str, set[str]] = {room(module): set() for module in arrows}
    for module, targets in arrows.items():
        rooms[room(module)].update(room(target) for target in targets if room(target) != room(module))
    return rooms


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """Return the nodes of one circle in their order, the first one again at the end; an empty list if there is none."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for target in sorted(arrows[node]):
            if circle_below := walk(target, [*path, node]):
                return circle_below
        done.add(node)
        return []

    return next((nodes for node in sorted(arrows) if (nodes := walk(node, []))), [])


def upward(arrows: dict[str, set[str]], floors: list[set[str]]) -> list[str]:
    """Return the imports that go up, as ``importer -> imported``."""
    floor = {name: number for number, names in enumerate(floors) for name in names}
    return [
        f"{module} -> {target}"
        for module in sorted(arrows)
        for target in sorted(arrows[module])
        if room(module) != room(target) and floor[room(module)] > floor[room(target)]
    ]


def standard_names(files: Iterable[Path]) -> list[str]:
    """Return the files that are named like a module of the standard library; ``__init__`` and ``__main__`` are not."""
    return [str(file) for file in files if file.stem in STANDARD and not file.stem.startswith("__")]


#: Python 3.9 has no such list; the names that would hurt most are there.
STANDARD = getattr(sys, "stdlib_module_names", {"statistics", "select", "types", "random", "logging", "queue", "ast"})


def test_every_room_has_a_floor():
    rooms = set(between_rooms(imports(sources(ROOT / NAME))))
    assert rooms <= set().union(*FLOORS)


def test_rooms_import_downwards():
    assert upward(imports(sources(ROOT / NAME)), FLOORS) == []


@pytest.mark.parametrize("of", ["rooms", "modules"])
def test_no_circle(of):
    arrows = imports(sources(ROOT / NAME))
    assert circle(between_rooms(arrows) if of == "rooms" else arrows) == []


def test_no_file_is_named_like_a_standard_module():
    assert standard_names(sources(ROOT / NAME).values()) == []


def test_an_import_that_goes_up_and_a_circle_are_seen(tmp_path):
    """A package of three files: top/a imports low/b, which imports low/c inside a function, which imports top/a."""
    package = tmp_path / NAME
    for name, text in {
        "top/a.py": f"from {NAME}.low import b",
        "low/b.py": f"def later():\n    import {NAME}.low.c",
        "low/c.py": f"from {NAME}.top.a import something",
        "low/select.py": "",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    files = sources(package)
    arrows = imports(files)
    top, b, c = (f"{NAME}.{name}" for name in ("top.a", "low.b", "low.c"))
    assert arrows == {top: {b}, b: {c}, c: {top}, f"{NAME}.low.select": set()}
    assert upward(arrows, [{"top"}, {"low"}]) == [f"{c} -> {top}"]
    assert circle(between_rooms(arrows)) == ["low", "top", "low"]
    assert circle(arrows) == [b, c, top, b]
    assert standard_names(files.values()) == [str(package / "low" / "select.py")]
