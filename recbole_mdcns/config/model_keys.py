"""The yaml files that go with a model or a strategy: RecBole's, ours, and those beside the user's own classes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from recbole_mdcns.config.keys import UNLISTED_OF_MODEL, keys_of_models, own_keys
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml, recbole_properties_dir


def is_known(cls: type) -> bool:
    """Tell whether a class is RecBole's or ours."""
    return cls.__module__.split(".")[0] in ("recbole", "recbole_mdcns")


def yaml_beside(cls: type) -> list[Path]:
    """Return ``<Class>.yaml`` beside the module of a class of the user's own, where there is one."""
    module_file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    if not module_file or is_known(cls):
        return []
    path = Path(module_file).with_name(f"{cls.__name__}.yaml")
    return [path] if path.is_file() else []


def keyed_class(model_class: type) -> type:
    """Return the class whose keys a model has: itself, or its nearest base that RecBole or we have a yaml file of.

    A subclass so needs no yaml file of its own; one that it has beside its module comes on top.
    """
    folders = (recbole_properties_dir(), properties_dir())
    named = (cls for cls in model_class.__mro__ if any(_of_name(folder, cls) for folder in folders))
    return next(named, model_class)


def model_yamls(model_class: type) -> list[Path]:
    """Return our yaml files of a model: in properties/, and beside the user's own module."""
    return [*_of_name(properties_dir(), keyed_class(model_class)), *yaml_beside(model_class)]


def model_keys(*classes: type) -> set[str]:
    """Return the keys that models have of their own: those of their yaml files, and what RecBole's read beside them."""
    bases = [keyed_class(cls) for cls in classes]
    files = [path for cls in bases for path in _of_name(recbole_properties_dir(), cls)]
    files += [path for cls in classes for path in model_yamls(cls)]
    listed = {key for path in files for key in read_yaml(path)} - {"loss_type", "train_neg_sample_args"}
    return listed.union(*(UNLISTED_OF_MODEL.get(cls.__name__, ()) for cls in bases))


def unread_keys(keys: Iterable[str], classes: Sequence[type]) -> list[str]:
    """Return those of some keys that only other models than these have; none where one is the user's own."""
    if not all(map(is_known, classes)):
        return []
    return sorted((set(keys) & keys_of_models()) - own_keys().keys() - model_keys(*classes))


def _of_name(properties: Path, model_class: type) -> list[Path]:
    path = properties / "model" / f"{model_class.__name__}.yaml"
    return [path] if path.is_file() else []
