"""Classes that a user extends: an instance whose base constructor was not called is refused at once."""

from __future__ import annotations

from abc import ABCMeta
from typing import Any

from recbole_mdcns.errors import ConfigError


class Built(ABCMeta):
    """The class of an abstract class whose constructor a subclass must call.

    An attribute ``built`` of the class names what the constructor sets.
    """

    built: str

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an instance.

        Raises:
            ConfigError: The constructor of the abstract class did not run.
        """
        made = super().__call__(*args, **kwargs)
        if cls.built not in vars(made):
            raise ConfigError(
                f"{cls.__module__}:{cls.__name__} cannot be used: its __init__ does not call super().__init__ with its "
                "own arguments"
            )
        return made
