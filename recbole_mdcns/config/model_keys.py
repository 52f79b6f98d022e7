"""The yaml files that declare the keys of a model: RecBole's, ours, and those next to the user's own classes."""

from __future__ import annotations

import functools
from pathlib import Path

from recbole_mdcns.config.key import Key
from recbole_mdcns.config.keys import UNLISTED_OF_MODEL, model_file_keys
from recbole_mdcns.support.declared import is_known, yaml_beside
from recbole_mdcns.support.yaml_files import properties_dir, read_shipped, recbole_properties_dir

#: Entries of RecBole's model files that serve RecBole's own training.
_OF_RECBOLES_TRAINING = {"loss_type", "train_neg_sample_args"}


def keyed_class(model_class: type) -> type:
    """Return the class whose keys a model has: its nearest base (or itself) with a yaml file of RecBole or of ours.

    A subclass therefore needs no yaml file. If there is one next to its module, its keys are added.
    """
    folders = (recbole_properties_dir(), properties_dir())
    named = (cls for cls in model_class.__mro__ if any(_of_name(folder, cls) for folder in folders))
    return next(named, model_class)


def model_yamls(model_class: type) -> list[Path]:
    """Return our yaml files of a model: in properties/, and next to the user's own module."""
    return [*_of_name(properties_dir(), keyed_class(model_class)), *yaml_beside(model_class)]


def model_keys(*classes: type) -> set[str]:
    """Return the keys that belong to models: those of their yaml files, and further keys that RecBole's models read."""
    bases = [keyed_class(cls) for cls in classes]
    files = [path for cls in bases for path in _of_name(recbole_properties_dir(), cls)]
    files += [path for cls in classes for path in model_yamls(cls)]
    listed = {key for path in files for key in read_shipped(path)} - _OF_RECBOLES_TRAINING
    return listed.union(*(UNLISTED_OF_MODEL.get(cls.__name__, ()) for cls in bases))


def keys_of_own_loss(model_class: type) -> frozenset[str]:
    """Return the keys of a model of RecBole that only its own ``calculate_loss`` or RecBole's training read.

    A user's own model may read any key: it has none of these.
    """
    return _keys_of_losses().get(model_class.__name__, frozenset()) if is_known(model_class) else frozenset()


@functools.lru_cache(maxsize=1)
def _keys_of_losses() -> dict[str, frozenset[str]]:
    table = read_shipped(properties_dir() / "recbole_losses.yaml")
    return {model: frozenset(keys) for model, keys in table.items()}


def declared_model_keys(model_class: type) -> dict[str, Key]:
    """Return the keys of a model with fields in its yaml file."""
    files = model_yamls(model_class)
    return {name: key for path in files for name, key in model_file_keys(path).items() if name != "loss_type"}


def _of_name(properties: Path, model_class: type) -> list[Path]:
    path = properties / "model" / f"{model_class.__name__}.yaml"
    return [path] if path.is_file() else []
