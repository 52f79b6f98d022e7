"""What stubs/ say of RecBole is so: each class has these methods, with these arguments."""

import ast
import importlib
import inspect

import pytest
from helpers.paths import ROOT

STUBS = ROOT / "stubs"
FILES = [path for path in sorted(STUBS.rglob("*.pyi")) if path.name != "__init__.pyi"]


def module_of(path):
    return importlib.import_module(".".join(path.relative_to(STUBS).with_suffix("").parts))


def arguments(function):
    """Return the names of the arguments of a function, and which of them may be left out."""
    if isinstance(function, ast.FunctionDef):
        names = [each.arg for each in function.args.args]
        return names, names[len(names) - len(function.args.defaults) :]
    parameters = inspect.signature(function).parameters.values()
    return [each.name for each in parameters], [each.name for each in parameters if each.default is not each.empty]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_stub_names_is_there(path):
    module = module_of(path)
    classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    assert classes
    for described in classes:
        real = getattr(module, described.name)
        assert [ast.unparse(base).partition("[")[0] for base in described.bases] in (
            [],
            [base.__name__ for base in real.__bases__],
        )
        for node in described.body:
            if not isinstance(node, ast.FunctionDef) or any(ast.unparse(d) == "overload" for d in node.decorator_list):
                continue
            found = inspect.getattr_static(real, node.name)
            if isinstance(found, property):
                assert [ast.unparse(each) for each in node.decorator_list] == ["property"]
            elif node.name != "collate_fn":  # RecBole's abstract one lacks the argument that all others have
                assert arguments(found) == arguments(node), node.name


def test_the_stubs_are_there_for_classes_that_take_any_attribute():
    for path in FILES:
        taking = [
            name
            for name, real in vars(module_of(path)).items()
            if inspect.isclass(real) and {"__getattr__", "__getattribute__"} & vars(real).keys()
        ]
        assert taking, path
