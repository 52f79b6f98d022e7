"""The yaml files that declare the keys of a model: RecBole's, ours, and those beside the user's own classes."""

from __future__ import annotations

from pathlib import Path

from recbole_mdcns.config.key import Key
from recbole_mdcns.config.keys import UNLISTED_OF_MODEL, model_file_keys
from recbole_mdcns.support.declared import yaml_beside
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml, recbole_properties_dir

#: Entries of RecBole's model files that serve RecBole's own training.
_OF_RECBOLES_TRAINING = {"loss_type", "train_neg_sample_args"}


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
    listed = {key for path in files for key in read_yaml(path)} - _OF_RECBOLES_TRAINING
    return listed.union(*(UNLISTED_OF_MODEL.get(cls.__name__, ()) for cls in bases))


def declared_model_keys(model_class: type) -> dict[str, Key]:
    """Return those keys of a model whose yaml file says what they may be."""
    files = (path for path in model_yamls(model_class))
    return {name: key for path in files for name, key in model_file_keys(path).items() if name != "loss_type"}


def _of_name(properties: Path, model_class: type) -> list[Path]:
    path = properties / "model" / f"{model_class.__name__}.yaml"
    return [path] if path.is_file() else []
