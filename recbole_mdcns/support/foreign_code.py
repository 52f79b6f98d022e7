"""Whose error it is: what RecBole or the user's own code refuses becomes a sentence, our own bugs stay tracebacks."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType

from recbole_mdcns.errors import UserError

_OURS = __name__.partition(".")[0]
_RECBOLE = "recbole"
#: Folders of installed packages: what is raised there is the matter of the code that called it.
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class ForeignCall:
    """One call of RecBole's code or of the user's, whose refusals become mistakes of the user.

    Everything else passes as it is: an error of our own code, a ``UserError``, and what is no ``Exception``.

        with ForeignCall(lambda error: ConfigError(f"model {name} cannot be built: {error}")):
            model = model_class(config, dataset)

    The block holds the call alone, and its arguments are names: an error without any further frame, such as that of a
    wrong number of arguments, is taken as the refusal of what was called.

    Args:
        refuse: Makes the mistake of the user out of the refusal.
        *modules: Modules and packages, with all that is below them, whose errors are refusals too, such as ``torch``.
    """

    def __init__(self, refuse: Callable[[Exception], UserError], *modules: str):
        self._refuse = refuse
        self._modules = modules

    def __enter__(self) -> ForeignCall:
        return self

    def __exit__(self, _: type | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, Exception) and is_foreign(error, *self._modules):
            raise self._refuse(error) from error


def is_foreign(error: Exception, *modules: str) -> bool:
    """Tell whether an error came out of RecBole's code or the user's, as seen from the function that caught it.

    The innermost frames decide. Ours is an error that our code raises, or that a library raises when our code calls it;
    the function that caught the error does not count, because the call that it guards is not ours.

    Args:
        error: As it was caught, with its traceback.
        *modules: See :class:`ForeignCall`.
    """
    if isinstance(error, UserError):
        return False
    called = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][1:]
    for frame in reversed(called):
        name = frame.f_globals.get("__name__", "")
        if _is_below(name, (_RECBOLE, *modules)):
            return True
        if _is_below(name, (_OURS,)):
            return False
        if not _is_installed(frame):
            return True
    return True


def _is_below(name: str, modules: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{module}.") for module in modules)


def _is_installed(frame: FrameType) -> bool:
    """Tell whether a frame runs an installed package, or code that is in no file, as that of a dataclass."""
    return frame.f_code.co_filename.startswith(("<", *_INSTALLED))
