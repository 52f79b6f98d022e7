"""What setup.py declares: every package that the code imports, by pip's name, and what its metadata says."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.paths import ROOT

setuptools = pytest.importorskip("setuptools", reason="setup.py imports setuptools")

#: What pip calls a package that is imported by another name.
PIP_NAMES = {"yaml": "pyyaml", "mamba_ssm": "mamba-ssm", "faiss": "faiss-cpu"}
#: What comes with another package, so that setup.py names that one.
BROUGHT = {"triton": "torch", "pydantic": "fastapi", "PIL": "matplotlib"}
STANDARD = set(getattr(sys, "stdlib_module_names", ())) | {"recbole_mdcns"}

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 does not tell which modules are its own")


@pytest.fixture(scope="module")
def declared():
    """Return the arguments of setup()."""
    given = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **arguments: given.update(arguments))
        patch.chdir(ROOT)
        runpy.run_path(str(ROOT / "setup.py"))
    return given


def names_of(requirements):
    """Return the names of requirements, without bounds."""
    return {re.split(r"[^\w-]", requirement)[0].lower() for requirement in requirements}


def required(declared):
    """Return the names of what every Python needs."""
    return names_of(requirement for requirement in declared["install_requires"] if ";" not in requirement)


def imports(code: str) -> Iterator[tuple[str, bool]]:
    """Yield the packages that code imports by pip's name, and whether that is done when the module is imported.

    What only a type checker reads counts as done later.
    """
    waiting: list[tuple[ast.AST, bool]] = [(ast.parse(code), True)]
    while waiting:
        node, at_once = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [name.name for name in node.names]
            is_own = isinstance(node, ast.ImportFrom) and node.level
            for top in () if is_own else {module.split(".")[0] for module in modules} - STANDARD:
                yield PIP_NAMES.get(top, BROUGHT.get(top, top)), at_once
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            at_once = False
        inner: list[ast.AST] = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += [(child, False) for child in node.body]
            inner = [*node.orelse]
        waiting += [(child, at_once) for child in inner]


def undeclared(files, always, ever):
    """Return imports that no requirement covers, as file and name; those at once need one of ``always``."""
    found = {(path, name, at_once) for path in files for name, at_once in imports(path.read_text(encoding="utf-8"))}
    return sorted((str(path), name) for path, name, at_once in found if name not in (always if at_once else ever))


def test_imports_are_found_with_the_time_of_the_import():
    code = """
import os, numpy.linalg
from yaml import load
from . import onnx
from .records import plotly
if TYPE_CHECKING:
    import pandas
else:
    import scipy
try:
    import torch
except ImportError:
    import faiss
class A:
    import tqdm
    def f(self):
        from triton import language
        import pyarrow.parquet as parquet
"""
    later = {("pandas", False), ("torch", False), ("pyarrow", False)}
    at_once = {(name, True) for name in ("numpy", "pyyaml", "scipy", "torch", "faiss-cpu", "tqdm")}
    assert set(imports(code)) == later | at_once


def test_an_import_that_is_not_declared_is_found():
    Path("a.py").write_text("import torch\nimport wandb\ndef f():\n    import wandb, plotly\n")
    assert undeclared([Path("a.py")], {"torch"}, {"torch", "wandb"}) == [("a.py", "plotly"), ("a.py", "wandb")]


def test_every_import_of_the_package_is_declared(declared):
    always = required(declared)
    optional = names_of(name for extra in declared["extras_require"].values() for name in extra)
    files = list((ROOT / "recbole_mdcns").rglob("*.py"))
    assert len(files) > 100
    assert undeclared(files, always, always | optional) == []
    lazy = {name for path in files for name, _ in imports(path.read_text(encoding="utf-8"))} - always
    assert lazy == {"mamba-ssm", "matplotlib", "onnx", "onnxruntime", "pyarrow"} and lazy <= optional


def test_every_import_of_the_service_is_in_its_extra(declared):
    known = names_of([*declared["install_requires"], *declared["extras_require"]["serving"]])
    files = [path for path in (ROOT / "examples" / "serving").glob("*.py") if not path.name.startswith("test_")]
    own = {path.stem for path in files}
    assert files and undeclared(files, known | own, known | own) == []


def test_the_route_without_pins_installs_all_requirements(declared):
    lines = (ROOT / "requirements-newest.txt").read_text(encoding="utf-8").splitlines()
    newest = names_of(line for line in lines if line and not line.startswith("#"))
    assert required(declared) - {"recbole"} <= newest


def test_every_file_beside_the_code_is_data_of_a_package(declared):
    folders = {"recbole_mdcns": ROOT / "recbole_mdcns", "recbole_mdcns.properties": ROOT / "properties"}
    for package, folder in folders.items():
        patterns = declared["package_data"][package]
        packed = {path for pattern in patterns for path in folder.glob(pattern)}
        files = {path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
        assert files and files == packed
    assert (ROOT / "recbole_mdcns" / "py.typed").is_file()


def test_the_metadata_names_the_versions_of_python(declared):
    assert declared["python_requires"] == ">=3.9" and declared["author"] and declared["keywords"]
    minors = [re.search(r"Python :: 3\.(\d+)$", line) for line in declared["classifiers"]]
    assert min(int(minor[1]) for minor in minors if minor) == 9
    manifest = (ROOT / "MANIFEST.in").read_text(encoding="utf-8").split()
    assert {"CHANGELOG.md", "CITATION.cff", "requirements-newest.txt"} <= set(manifest)
