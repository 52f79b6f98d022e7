"""Errors of RecBole's or the user's code become one sentence; our own bugs stay tracebacks."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType

from recbole_mdcns.errors import UserError

_OURS = __name__.partition(".")[0]
_RECBOLE = "recbole"
#: Folders of installed packages. The cause of an error in them is the code that called them.
INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


class ForeignCall:
    """Guards one call of RecBole's or the user's code: its errors become mistakes of the user.

    Nothing else is caught: no error of our own code, no ``UserError``, and nothing outside of ``Exception``.

        with ForeignCall(lambda error: ConfigError(f"model {name} cannot be built: {error}")):
            model = model_class(config, dataset)

    The block contains only the call, and its arguments are plain names. An error without any further frame, for example
    from a wrong number of arguments, counts as an error of the called code.

    Args:
        refuse: Makes the user's error from the caught one.
        *modules: Further modules and packages whose errors count, such as ``torch``.
    """

    def __init__(self, refuse: Callable[[Exception], UserError], *modules: str):
        self._refuse = refuse
        self._modules = modules

    def __enter__(self) -> ForeignCall:
        return self

    def __exit__(self, _: type | None, error: BaseException | None, __: TracebackType | None) -> None:
        if isinstance(error, Exception) and is_foreign(error, *self._modules):
            raise self._refuse(error) from error


def is_foreign(error: BaseException, *modules: str, tools: tuple[str, ...] = ()) -> bool:
    """Tell whether an error came out of RecBole's code or the user's, as seen from the function that caught it.

    The innermost frames decide. An error is ours if our code raises it, or if our code calls the library that raises
    it. The function that caught the error does not count, because the call that it guards is not ours.

    Args:
        error: The caught error with its traceback.
        *modules: See :class:`ForeignCall`.
        tools: Modules of ours that raise for the code that calls them, as a library does.
    """
    if isinstance(error, UserError):
        return False
    called = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][1:]
    for frame in reversed(called):
        name = frame.f_globals.get("__name__", "")
        if _is_below(name, (_RECBOLE, *modules)):
            return True
        if _is_below(name, (_OURS,)):  # before the next question: it may be installed itself
            if not _is_below(name, tools):
                return False
        elif not _is_installed(frame):
            return True
    return True


def _is_below(name: str, modules: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{module}.") for module in modules)


def _is_installed(frame: FrameType) -> bool:
    """Tell whether a frame runs an installed package, or code without a file, such as that of a dataclass."""
    return frame.f_code.co_filename.startswith(("<", *INSTALLED))
