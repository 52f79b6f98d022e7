"""Keys are data: their fields are checked, and the pages about them are made from them."""

import json
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.runs import tiny_config

from recbole_mdcns.config.key import Key
from recbole_mdcns.config.key_pages import pages, sections
from recbole_mdcns.config.keys import model_file_keys, own_keys
from recbole_mdcns.errors import ConfigError

GOOD = {"default": 1, "type": "int", "min": 1, "symbol": "M", "help": "How many."}


def test_fields_make_a_key():
    key = Key.from_fields("top", GOOD, "Section", "mine.yaml")
    assert (key.default, key.first_default, key.symbol, str(key.allowed)) == (1, 1, "M", "int, >= 1")
    assert key.check(3) == 3
    with pytest.raises(ConfigError, match="top = 0 is not allowed: it must be >= 1"):
        key.check(0)


def test_a_key_may_have_a_largest_value_and_no_least_one():
    key = Key.from_fields("shift", {"default": 0.0, "type": "float", "max": 1, "help": "How far."}, "S", "mine.yaml")
    assert (key.check(-5.0), str(key.allowed)) == (-5.0, "float, <= 1")
    with pytest.raises(ConfigError, match="shift = 2.0 is not allowed: it must be <= 1"):
        key.check(2.0)


@pytest.mark.parametrize(
    ("changes", "culprit"),
    [
        ({"default": 0}, "default = 0 is not allowed: it must be >= 1"),
        ({"type": "integer"}, "type = 'integer' is not allowed"),
        ({"min": "one"}, "min = 'one' is not allowed: expected a number"),
        ({"choices": ["a"]}, "choices"),
        ({"type": "choice", "default": "a"}, "choices"),
        ({"hlep": "x"}, "no field hlep .*did you mean help"),
        ({"help": None, "type": None}, "type"),
        ({"type": "choice", "default": "a", "choices": "abc"}, "choices = 'abc' is not allowed"),
        ({"type": "str", "default": "a"}, "min is not allowed with type = 'str': it limits numbers"),
    ],
)
def test_a_wrong_field_is_named_with_its_file_and_key(changes, culprit):
    with pytest.raises(ConfigError, match=f"mine.yaml, key top.*{culprit}"):
        Key.from_fields("top", {**GOOD, **changes}, "Section", "mine.yaml")
    with pytest.raises(ConfigError, match="mine.yaml, key top: expected the fields default, type and help, found 5"):
        Key.from_fields("top", 5, "Section", "mine.yaml")


def test_the_name_of_a_key_can_be_typed():
    with pytest.raises(ConfigError, match="mine.yaml, key my-key: the name of a key is letters, digits and _"):
        Key.from_fields("my-key", GOOD, "Section", "mine.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("keys:\n  size: {default: 8, type: int, help: S.}\n", "there is no key keys: the file of a model names its"),
        ("size: {default: 8, help: S.}\n", "key size: expected the fields default, type and help"),
    ],
)
def test_the_yaml_of_a_model_in_another_form_is_named(text, message):
    Path("Mine.yaml").write_text(text)
    with pytest.raises(ConfigError, match=rf"Mine\.yaml.* {message}"):
        model_file_keys(Path("Mine.yaml"))


OWN_SAMPLER = """from recbole_mdcns.negatives.rns import RNS


class Mine(RNS):
    pass
"""


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("keys:\n  neg_num: {default: 3, type: int, help: K.}\n", "key neg_num is one of ours, and keeps its default"),
        ("keys:\n  learning_rate: {default: 3.0, type: float, help: L.}\n", "key learning_rate is one of ours"),
        ("reads: [neg_nun]\n", r"reads names neg_nun, and no file defines such a key \(did you mean neg_num\?\)"),
    ],
)
def test_names_that_a_users_own_file_would_give_in_vain_are_refused(declaration, message, monkeypatch):
    Path("own_rns.py").write_text(OWN_SAMPLER)
    own = "keys:\n  own: {default: 3, type: int, help: O.}\n"
    Path("Mine.yaml").write_text("reads: [neg_num, exclude, hidden_size]\n" + own)
    monkeypatch.syspath_prepend(".")
    monkeypatch.delitem(sys.modules, "own_rns", raising=False)  # another folder's
    assert tiny_config(neg_sampler="own_rns:Mine")["own"] == 3
    Path("Mine.yaml").write_text(declaration)
    with pytest.raises(ConfigError, match=rf"Mine\.yaml: {message}"):
        tiny_config(neg_sampler="own_rns:Mine")


def test_pages_of_keys_are_those_in_docs():
    """``python -m recbole_mdcns.config.key_pages docs`` makes them."""
    for name, text in pages().items():
        assert (ROOT / "docs" / name).read_text() == text, name


def test_every_key_is_on_the_pages():
    listed = {key.name for _, keys in sections() for key in keys}
    assert own_keys().keys() <= listed and {"d_state", "compile_scan"} <= listed


def test_first_defaults_stay():
    """A run with a key's first default has the identity that it had before there was the key.

    So a first default never changes: whoever changes a default gives the old one as ``first_default``.
    """
    known = json.loads((ROOT / "tests/config/first_defaults.json").read_text())
    now = {key.name: key.first_default for key in own_keys().values()}
    assert {name: now[name] for name in known if name in now} == {n: v for n, v in known.items() if n in now}
    assert now.keys() <= known.keys(), "add the new keys to first_defaults.json"
