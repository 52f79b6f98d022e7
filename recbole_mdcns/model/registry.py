"""From the name of a model to its class: RecBole's, ours, or the user's own by import path."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from importlib.util import find_spec

from recbole.model.abstract_recommender import AbstractRecommender, SequentialRecommender

from recbole_mdcns.errors import ConfigError, nearest
from recbole_mdcns.support.declared import is_known
from recbole_mdcns.support.import_path import import_own

_PACKAGES = ("recbole_mdcns.model", "recbole.model.sequential_recommender")
DEFAULT_PEER = "Mamba4Rec"
DEFAULT_PEER_OF_DEFAULT = "SASRec"


def default_peer(model_name: str) -> str:
    """Return the default peer of a self model: Mamba4Rec, and SASRec for Mamba4Rec (paper, 4.1)."""
    return DEFAULT_PEER_OF_DEFAULT if model_name == DEFAULT_PEER else DEFAULT_PEER


def model_names() -> list[str]:
    """Return the names of RecBole's and our sequential models: a class ``Name`` in a module ``name``."""
    names = []
    for package_name in _PACKAGES:
        package = importlib.import_module(package_name)
        for module in pkgutil.iter_modules(package.__path__):
            classes = vars(importlib.import_module(f"{package_name}.{module.name}"))
            names += [name for name, value in classes.items() if name.lower() == module.name and _is_sequential(value)]
    return sorted(names, key=str.lower)


def resolve_model(model: str | type, key: str = "model") -> type:
    """Return the class of a sequential model.

    Args:
        model: A class, a name such as ``SASRec``, or an import path ``package.module:Class``.
        key: The config key it was given under, for the error.

    Raises:
        ConfigError: There is no such model, or it is not a sequential recommender, or it cannot rank all items.
    """
    if isinstance(model, type):
        cls = model
    elif not isinstance(model, str) or not model:
        raise ConfigError(f"{key} = {model!r} is not allowed: give a model name or package.module:Class")
    elif ":" in model:
        cls = import_own(model, key)
        if not inspect.isclass(cls):
            raise ConfigError(f"{key} = {model!r} is not allowed: it is not a class")
    else:
        cls = _by_name(model, key)
    if not _is_sequential(cls):
        raise ConfigError(
            f"{key} = {cls.__name__} is not a sequential recommender; allowed are subclasses of "
            "recbole.model.abstract_recommender.SequentialRecommender"
        )
    if getattr(cls, "full_sort_predict", None) is SequentialRecommender.full_sort_predict:
        raise ConfigError(f"{key} = {cls.__name__} cannot be used: it has no full_sort_predict")
    return cls


def spec_of(model_class: type) -> str:
    """Return the name by which :func:`resolve_model` finds a class."""
    return model_class.__name__ if is_known(model_class) else f"{model_class.__module__}:{model_class.__qualname__}"


def _is_sequential(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, SequentialRecommender) and value is not SequentialRecommender


def _by_name(name: str, key: str) -> type:
    for package in _PACKAGES:
        module = f"{package}.{name.lower()}"
        if name.isidentifier() and find_spec(module):
            cls = getattr(importlib.import_module(module), name, None)
            if inspect.isclass(cls):
                return cls
    from recbole.utils import get_model

    try:
        cls = get_model(name)
    except (ValueError, AttributeError, ImportError):
        cls = None
    if not (inspect.isclass(cls) and issubclass(cls, AbstractRecommender)):
        names = model_names()
        raise ConfigError(
            f"{key} = {name!r} is not a model{nearest(name, names)}. Allowed are {', '.join(names)}, "
            "or your own class as package.module:Class"
        )
    return cls
