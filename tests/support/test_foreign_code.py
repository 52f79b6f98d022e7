"""An error is told to the user where RecBole's code or the user's raises it; where ours does, it stays as it is."""

import json

import pytest
from helpers.planted_bugs import ours, recboles

from recbole_mdcns.errors import ConfigError, DataError
from recbole_mdcns.support.foreign_code import ForeignCall, is_foreign


def users_own(error):
    raise error


def library_called_by_ours():
    ours("json.loads('{', **{})", json=json)()


def ours_calling(call):
    return ours("call()", call=call)


def caught(call, *modules):
    """Tell whether the error of a call is foreign."""
    try:
        call()
    except Exception as error:
        return is_foreign(error, *modules)
    pytest.fail("it raises nothing")


ERRORS = [AttributeError, TypeError, KeyError, IndexError, AssertionError, ValueError, RuntimeError]


@pytest.mark.parametrize("error", ERRORS)
def test_the_innermost_code_decides(error):
    assert caught(lambda: users_own(error("it")))
    assert caught(recboles("raise error", error=error))
    assert not caught(ours("raise error", error=error))
    assert caught(ours_calling(lambda: users_own(error("it"))))
    assert caught(ours_calling(recboles("raise error", error=error)))
    assert not caught(recboles("call()", call=ours("raise error", error=error)))


def test_an_error_of_a_library_is_the_matter_of_who_called_it():
    def users_own_call():
        json.loads("{")

    assert not caught(library_called_by_ours)
    assert caught(library_called_by_ours, "json")
    assert caught(users_own_call)
    assert caught(ours_calling(users_own_call))


def test_a_name_that_only_begins_like_ours_is_the_users():
    assert caught(ours("raise KeyError", module="recbole_mdcns_of_mine"))
    assert not caught(ours("raise KeyError", module="recbole_mdcns"))
    assert caught(ours("raise KeyError", module="recbole_mdcns.model.x"), "recbole_mdcns.model")
    assert not caught(ours("raise KeyError", module="recbole_mdcns.models"), "recbole_mdcns.model")


def test_a_tool_of_ours_raises_for_who_calls_it():
    tool = ours("raise IndexError", module="recbole_mdcns.encoder.measuring")
    tools = ("recbole_mdcns.encoder.measuring",)

    def is_told(call):
        with pytest.raises(IndexError) as raised:
            call()
        return is_foreign(raised.value, tools=tools)

    assert is_told(recboles("call()", call=tool)) and is_told(lambda: tool())
    assert not is_told(ours("call()", call=tool)) and not caught(recboles("call()", call=tool))


def test_our_package_may_be_installed(monkeypatch):
    bug = ours("raise KeyError")
    monkeypatch.setattr("recbole_mdcns.support.foreign_code.INSTALLED", (bug.__code__.co_filename, __file__))
    assert not caught(recboles("call()", call=bug))


def test_a_call_that_does_not_fit_is_refused_by_what_was_called():
    class Mine:
        def __init__(self, config):
            pass

    with pytest.raises(ConfigError, match="Mine: .* 3 were given") as refused, ForeignCall(refusal):
        Mine(*[1, 2])
    assert isinstance(refused.value.__cause__, TypeError)


def refusal(error):
    return ConfigError(f"Mine: {error}")


def test_everything_else_passes():
    for error in (DataError("it is"), KeyboardInterrupt(), SystemExit(3)):
        with pytest.raises(type(error)) as passed, ForeignCall(refusal):
            users_own(error)
        assert passed.value is error
    with pytest.raises(KeyError), ForeignCall(refusal):
        ours("raise KeyError('a bug')")()
    with ForeignCall(refusal):
        pass
