"""Where the yaml files of ``properties/`` are, and how they are read."""

from __future__ import annotations

import copy
import functools
import os
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

from recbole_mdcns.errors import ConfigError, closest, did_you_mean
from recbole_mdcns.support.path_names import expanded

_INT_TAG, _FLOAT_TAG = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float"
_INT = re.compile(r"^[-+]?(0|[1-9][\d_]*)$")
_FLOAT = re.compile(
    r"^[-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|\.\d[\d_]*([eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.inf|\.nan)$"
)


#: What a value may be: text, number, True or False, nothing, a list, or keys and values.
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map")}
_MERGE = "tag:yaml.org,2002:merge"
#: Values that a file may hold with its aliases written out; a few lines of aliases can stand for billions.
_MOST_VALUES = 1_000_000
_DEEPEST = 50


class YamlLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader, which makes no Python objects, and reads numbers as one writes them.

    ``1e-3`` is a number, as in RecBole's loader. ``010`` and ``12:30`` are text: YAML 1.1 makes 8 and 750 of them.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML's own form)
        first: [(tag, form) for tag, form in forms if tag not in (_INT_TAG, _FLOAT_TAG)]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


YamlLoader.add_implicit_resolver(_FLOAT_TAG, _FLOAT, list("-+0123456789."))
YamlLoader.add_implicit_resolver(_INT_TAG, _INT, list("-+0123456789"))


@functools.cache  # a configuration asks for it often
def properties_dir() -> Path:
    """Return the folder of our yaml files: inside the installed package, or beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "properties", package.parent / "properties"):
        if (folder / "overall.yaml").is_file():
            return folder
    raise ConfigError(f"the yaml files of recbole_mdcns are neither in {package} nor beside it: install it again")


@functools.cache
def recbole_properties_dir() -> Path:
    """Return the folder of RecBole's own yaml files, without importing it."""
    spec = find_spec("recbole")
    assert spec is not None and spec.origin, "setup.py requires recbole"
    return Path(spec.origin).resolve().parent / "properties"


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read one yaml file of ``key: value`` lines.

    Args:
        path: The file.

    Returns:
        Its keys and values; an empty file gives an empty dict.

    Raises:
        ConfigError: The file is missing, is not yaml of plain values in UTF-8, has a key twice, or holds no keys; names
            the line.
    """
    file = expanded(path)
    try:
        text = file.read_bytes().decode("utf-8")
    except OSError as error:
        near = nearest_file(file, file.parent.glob("*.y*ml")) if isinstance(error, FileNotFoundError) else ""
        raise ConfigError(f"config file {path} cannot be read: {error.strerror or error}{near}") from None
    except ValueError as error:
        raise ConfigError(f"config file {path} cannot be read: {_not_text(error)}") from None
    try:
        loader = YamlLoader(text)
        node = loader.get_single_node()
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"config file {path}{_problem(error)}") from None
    if node is None:
        return {}
    _check_node(node, str(path), {}, [])
    if not isinstance(node, yaml.MappingNode):
        content = "a list" if isinstance(node, yaml.SequenceNode) else repr(node.value[:50])
        raise ConfigError(f"config file {path} must hold lines 'key: value', found {content}")
    try:
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ConfigError(f"config file {path}{_problem(error)}") from None
    except (ValueError, KeyError, IndexError) as error:  # PyYAML's, of !!int with a text, or of thousands of digits
        raise ConfigError(f"config file {path} has a value that its type does not allow: {error}") from None


def read_shipped(path: str | Path) -> dict[str, Any]:
    """Read a yaml file as :func:`read_yaml` does, and those of this package and of RecBole only once."""
    named = os.path.normpath(path)  # RecBole names its own as config/../properties/overall.yaml
    if named.startswith((f"{properties_dir()}{os.sep}", f"{recbole_properties_dir()}{os.sep}")):
        return copy.deepcopy(_read_once(named))
    return read_yaml(path)


_read_once = functools.cache(read_yaml)


def place_of(path: str | Path, key: str) -> str:
    """Return where a file that was read sets one of its keys: ``'mine.yaml, line 3'``."""
    lines = expanded(path).read_text(encoding="utf-8").splitlines()
    begin = re.compile(rf"(['\"]?){re.escape(key)}\1\s*:")
    numbers = [number for number, line in enumerate(lines, start=1) if begin.match(line)]
    return f"{path}, line {numbers[0]}" if numbers else str(path)


def nearest_file(path: Path, files: Iterable[Path]) -> str:
    """Return ``' (did you mean mine.yaml?)'`` for the file of the closest name, by what comes before the endings."""
    names = {file.stem: file.name for file in files}
    close = closest(path.stem, names)
    return did_you_mean([names[close]] if close else [])


def _not_text(error: ValueError) -> str:
    """Say why a file cannot be opened or is not text: a name with NUL, or bytes that are not UTF-8."""
    if not isinstance(error, UnicodeDecodeError):
        return str(error)
    line = error.object[: error.start].count(b"\n") + 1
    return f"line {line} is not UTF-8 (byte {error.object[error.start]:#04x}): save the file as UTF-8"


def _problem(error: Exception) -> str:
    """Return ``', line 3 is not yaml: ...'``, in one line."""
    mark = getattr(error, "problem_mark", None)
    said = [getattr(error, name, None) for name in ("context", "problem")]
    reason = " ".join(", ".join(filter(None, said)).split() or str(error).split())
    reason += " (a tab, @, % or `)" if reason.endswith("cannot start any token") else ""
    return f"{f', line {mark.line + 1}' if mark else ''} is not yaml: {reason}"


def _check_node(node: yaml.Node, path: str, sizes: dict[int, int], inside: list[yaml.Node]) -> int:
    """Refuse what yaml allows and no key can mean; return the number of values, those of aliases each time.

    Args:
        node: A part of the file.
        path: The file.
        sizes: Numbers of values of the parts seen so far, by their identity.
        inside: The parts that this one lies in.

    Raises:
        ConfigError: A key twice in one place or no text, a value that is not plain, parts that hold themselves, or too
            many values; names the line.
    """
    if id(node) in sizes:
        return sizes[id(node)]
    where = f"config file {path}, line {node.start_mark.line + 1}"
    if any(node is each for each in inside):
        raise ConfigError(f"{where}: a value contains itself through an alias")
    if len(inside) > _DEEPEST:
        raise ConfigError(f"{where}: lists and keys are nested more than {_DEEPEST} deep")
    if node.tag not in _TAGS:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise ConfigError(
            f"{where}: a value of kind {tag} is not allowed: give text, numbers, True, False, ~, lists, or keys and "
            "values; dates need quotes"
        )
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            parts.append(value)
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                continue
            if key.tag != "tag:yaml.org,2002:str" or not isinstance(key, yaml.ScalarNode):
                shown = repr(key.value) if isinstance(key, yaml.ScalarNode) else "a list or a dict"
                raise ConfigError(f"config file {path}, line {line}: key {shown} is not text: put quotes around it")
            if key.value in lines:
                raise ConfigError(
                    f"config file {path}: {key.value} is given twice, in lines {lines[key.value]} and {line}"
                )
            lines[key.value] = line
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    sizes_of_parts = [_check_node(part, path, sizes, [*inside, node]) for part in parts]
    sizes[id(node)] = 1 + sum(sizes_of_parts)
    if sizes[id(node)] > _MOST_VALUES:
        raise ConfigError(f"{where}: its aliases stand for more than {_MOST_VALUES} values")
    return sizes[id(node)]
