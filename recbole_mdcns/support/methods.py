"""Methods of a user's own class: each must exist, and take the arguments that the package calls it with."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from recbole_mdcns.errors import ConfigError


def check_methods(where: str, own: type, base: type, called: Sequence[str]) -> None:
    """Refuse a class that lacks a method, or whose method cannot be called as that of its base.

    Args:
        where: The key and its value, for the message.
        own: The user's class.
        base: The class that it is a subclass of.
        called: The methods that the package calls.

    Raises:
        ConfigError: Names the method, and the arguments that it must take.
    """
    missing = sorted(getattr(own, "__abstractmethods__", ()))
    if missing:
        raise ConfigError(f"{where} is not allowed: {own.__name__} does not define {' and '.join(missing)}")
    if "state_dict" in called and _place(own, "state_dict") < _place(own, "load_state_dict"):
        raise ConfigError(
            f"{where} is not allowed: {own.__name__} defines state_dict without load_state_dict, and --resume would "
            "not restore what it keeps: define both, each of which calls that of super()"
        )
    for name in called:
        theirs, expected = (inspect.getattr_static(cls, name, None) for cls in (own, _definer(own, base, name)))
        if theirs is not expected and expected is not None:
            _check_method(f"{where} is not allowed: {own.__name__}.{name}", theirs, expected)


def _place(own: type, name: str) -> int:
    """Return how far up among the bases of a class a method is defined; 0 is the class itself."""
    return next(place for place, cls in enumerate(own.__mro__) if name in vars(cls))


def _definer(own: type, base: type, name: str) -> type:
    """Return the class nearest to a user's own that is in the package of the base and defines a method."""
    package = base.__module__.partition(".")[0]
    known = (cls for cls in own.__mro__ if cls.__module__.partition(".")[0] in (package, "recbole_mdcns"))
    return next((cls for cls in known if name in vars(cls)), base)


def _check_method(where: str, own: Any, expected: Any) -> None:
    if isinstance(expected, classmethod) and not isinstance(own, (classmethod, staticmethod)):
        raise ConfigError(f"{where} is no classmethod: write @classmethod above it")
    names = _positional(expected)
    if isinstance(own, staticmethod):
        names = names[1:]
    function = own.__func__ if isinstance(own, (classmethod, staticmethod)) else own
    if not inspect.isfunction(function):  # whatever it is, it says itself what it takes
        return
    try:
        inspect.signature(function).bind(*names)
    except TypeError:
        raise ConfigError(f"{where} takes {inspect.signature(function)}, expected ({', '.join(names)})") from None


def _positional(method: Any) -> list[str]:
    """Return the names of a method's positional arguments; two stand for any number of them."""
    parameters = inspect.signature(getattr(method, "__func__", method)).parameters.values()
    named = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD and each.default is each.empty]
    return named + [each.name for each in parameters if each.kind is each.VAR_POSITIONAL for _ in range(2)]
