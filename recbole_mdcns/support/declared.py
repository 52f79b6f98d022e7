"""Strategies, losses and metrics by name; one yaml file declares each of them.

``properties/negatives/rns.yaml`` declares the strategy ``rns``: its ``class``, its ``help``, the keys that it defines
(``keys``) and the keys of other files that it reads (``reads``). A user's own class is named by its import path, and
``<Class>.yaml`` next to its module declares its keys in the same form.
"""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import ConfigError, nearest
from recbole_mdcns.support.import_path import import_own
from recbole_mdcns.support.methods import check_methods
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml

_FIELDS = ("class", "help", "reads", "keys")
#: The folders of declarations: the key that names one of them, and the class that each is a subclass of.
KINDS = {
    "negatives": ("neg_sampler", "recbole_mdcns.negatives.base:NegativeStrategy"),
    "losses": ("ranking_loss", "recbole_mdcns.losses.base:RankingLoss"),
    "metrics": ("metrics", "recbole.evaluator.base_metric:AbstractMetric"),
}
#: The methods of each kind that the package calls.
CALLED = {
    "negatives": (
        "__init__", "check", "key_of_pool", "unused_by_pools", "prepare", "start_epoch", "propose", "choose",
        "log_mass", "log_q", "teacher", "state_dict", "load_state_dict",
    ),
    "losses": (
        "__init__", "check", "check_model", "start_epoch", "__call__", "of_models", "of_pairs", "state_dict",
        "load_state_dict",
    ),
    "metrics": ("__init__", "calculate_metric"),
}  # fmt: skip


@dataclass(frozen=True)
class Declaration:
    """The content of one yaml file.

    Attributes:
        name: The name of the strategy, loss or metric.
        path: The yaml file.
        class_path: ``package.module:Class``.
        help: One line.
        reads: Keys of other files that the class reads; None if the file does not list them.
        keys: The fields of its own keys, by name.
    """

    name: str
    path: Path
    class_path: str
    help: str = ""
    reads: tuple[str, ...] | None = None
    keys: Mapping[str, Any] = field(default_factory=dict)


def declared(kind: str) -> dict[str, Declaration]:
    """Return all declarations of a kind (a folder of ``properties/``) by name.

    Raises:
        ConfigError: A file is malformed; names the file and the field.
    """
    return _declared(kind, properties_dir())


@functools.lru_cache
def _declared(kind: str, properties: Path) -> dict[str, Declaration]:
    return {path.stem: read_declaration(path) for path in sorted((properties / kind).glob("*.yaml"))}


def read_declaration(path: Path, class_path: str = "") -> Declaration:
    """Read a yaml file of a declaration.

    Args:
        path: The file.
        class_path: The class, if the file need not name it.

    Raises:
        ConfigError: The file is malformed; names the file and the field.
    """
    fields = read_yaml(path)
    for name in fields:
        if name not in _FIELDS:
            raise ConfigError(f"{path}: there is no field {name}{nearest(name, _FIELDS)}; use {', '.join(_FIELDS)}")
    class_path = fields.get("class", class_path)
    reads, keys = fields.get("reads"), fields.get("keys") or {}
    if not isinstance(class_path, str) or ":" not in class_path:
        raise ConfigError(f"{path}: class = {class_path!r} is not allowed: write package.module:Class")
    if reads is not None and not (isinstance(reads, list) and all(isinstance(name, str) for name in reads)):
        raise ConfigError(f"{path}: reads = {reads!r} is not allowed: give a list of keys")
    if not isinstance(keys, dict):
        raise ConfigError(f"{path}: keys = {keys!r} is not allowed: give names of keys, and the fields of each")
    listed = None if reads is None else tuple(reads)
    return Declaration(path.stem, path, class_path, str(fields.get("help", "")), listed, keys)


def resolve(kind: str, name: Any) -> Any:
    """Return a class by its name or its import path.

    Args:
        kind: ``negatives``, ``losses`` or ``metrics``.
        name: A declared name, or ``package.module:Class``.

    Raises:
        ConfigError: There is no class of that name, or it is of another kind.
    """
    key, base_path = KINDS[kind]
    known = declared(kind)
    is_declared = isinstance(name, str) and name in known
    if not is_declared and (not isinstance(name, str) or ":" not in name):
        hint = nearest(name, known) if isinstance(name, str) else ""
        instead = _instead(kind, name) if isinstance(name, str) else ""
        raise ConfigError(
            f"{key} = {name!r} is not allowed{hint}: choose {', '.join(known)}, or package.module:Class{instead}"
        )
    own, base = import_own(known[name].class_path if is_declared else name, key), import_own(base_path, key)
    if not (isinstance(own, type) and issubclass(own, base)):
        raise ConfigError(f"{key} = {name!r} is not allowed: it is not a subclass of {base.__name__}")
    if not is_known(own):
        check_methods(f"{key} = {name!r}", own, base, CALLED[kind])
    return own


def methods() -> dict[str, dict[str, Any]]:
    """Return the keys of every method of ``properties/methods.yaml``, which sweeps know by name."""
    return read_yaml(properties_dir() / "methods.yaml")


def _instead(kind: str, name: str) -> str:
    """Return what to write for the name of a method, or of a strategy or loss of the other kind; mostly nothing."""
    others = {"negatives": "losses", "losses": "negatives"}
    if kind not in others:
        return ""
    other = others[kind]
    if name in declared(other):
        return f"; {name} is a value of another key: --{KINDS[other][0]}={name}"
    if name not in methods():
        return ""
    keys = " ".join(f"--{key}={shlex.quote(str(value))}" for key, value in methods()[name].items())
    return f"; {name} is a method, which sweeps take under methods: for one run write {keys} instead"


def is_known(cls: type) -> bool:
    """Tell whether a class is RecBole's or ours."""
    return cls.__module__.split(".")[0] in ("recbole", "recbole_mdcns")


def yaml_beside(cls: type) -> list[Path]:
    """Return ``<Class>.yaml`` next to the module of a user's own class, if it exists."""
    module_file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if not module_file or is_known(cls):
        return []
    path = Path(module_file).with_name(f"{cls.__name__}.yaml")
    return [path] if path.is_file() else []


def declarations_of(kind: str, cls: type) -> list[Declaration]:
    """Return the declarations of a class and of its bases, ours last.

    A class that inherits from one of ours also reads the keys of that one.
    """
    by_class = {declaration.class_path: declaration for declaration in declared(kind).values()}
    declarations: list[Declaration] = []
    for base in cls.__mro__:
        path = f"{base.__module__}:{base.__qualname__}"
        declarations += [read_declaration(file, path) for file in yaml_beside(base)]
        if path in by_class:
            return [*declarations, by_class[path]]
    return declarations
