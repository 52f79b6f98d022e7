"""``only_with``: a key that another key switches off is told, has its default, and leaves the run's identity alone."""

import logging

import pytest
from helpers.runs import tiny_config

from recbole_mdcns.config import key_pages
from recbole_mdcns.config.identity import content_key
from recbole_mdcns.config.key import Key
from recbole_mdcns.config.keys import own_keys
from recbole_mdcns.config.reads import switched_off
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.quick_start import run_recbole_mdcns

#: For each key that another one switches off, a value that is not its default, and the rest of a run that reads it.
VALUES = {
    "distill_temperature": (2.0, {}),
    "distill_positive": (False, {}),
    "distill_reduction": ("sum", {}),
    "distill_warmup_epochs": (3, {}),
    "pool_hard_temperature": (2.0, {"ranking_loss": "SSM", "ssm_scale": True, "pool_scope": "batch"}),
    "srns_warm_up": (3, {"neg_sampler": "srns", "srns_memory_num": 3, "srns_fresh_num": 3}),
    "gnno_start_epoch": (3, {"neg_sampler": "gnno", "gnno_hard_num": 2}),
    "gnno_max": (0.7, {"neg_sampler": "gnno", "gnno_hard_num": 2}),
}


def test_all_such_keys_are_tried_here():
    assert {name for name, key in own_keys().items() if key.only_with} == VALUES.keys()


@pytest.mark.parametrize("name", VALUES)
def test_a_key_counts_only_where_it_is_used(name):
    (value, keys), switch = VALUES[name], own_keys()[name].only_with
    off = {**keys, switch: 0}
    config = tiny_config(**off, **{name: value})
    assert config.switched_off() == [f"{name} = {value!r} is given and not used: {switch} is {config[switch]!r}"]
    assert config[name] == own_keys()[name].default and not config[switch]
    assert content_key(config.plain()) == content_key(tiny_config(**off).plain())
    on = {**keys, switch: 1}
    used = tiny_config(**on, **{name: value})
    assert used.switched_off() == [] and used[name] == value
    assert content_key(used.plain()) != content_key(tiny_config(**on).plain())


def test_the_loss_over_the_catalogue_has_the_same_switch():
    keys = {"ranking_loss": "MutualCE", "peer_model": "GRU4Rec", "distill_temperature": 2.0}
    assert tiny_config(**keys, distill_weight=1).switched_off() == []
    assert len(tiny_config(**keys, distill_weight=0).switched_off()) == 1


def test_the_switch_must_be_there_to_switch():
    keys = {
        "tau": Key.from_fields("tau", {"default": 1, "type": "int", "help": "T.", "only_with": "mu"}, "S", "x.yaml")
    }
    assert switched_off({"tau": 2, "mu": 0}, keys) == {"tau": "mu"}
    for values in ({"tau": 2, "mu": 0.1}, {"tau": 2}, {"mu": 0}):
        assert switched_off(values, keys) == {}


def test_the_log_and_the_help_tell(caplog, monkeypatch):
    def stop(config):
        raise KeyboardInterrupt

    monkeypatch.setattr("recbole_mdcns.quick_start.load_splits", stop)
    monkeypatch.setattr("recbole_mdcns.quick_start.start_log", lambda config: None)
    keys = {"data_path": "data", "distill_weight": 0, "distill_temperature": 2, "use_gpu": False}
    with caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt):
        run_recbole_mdcns("SASRec", "tiny", config_dict=keys)
    assert "distill_temperature = 2 is given and not used: distill_weight is 0.0" in caplog.text
    assert "Unused without distill_weight." in "\n".join(key_pages.help_lines({"distill_temperature"}))


def test_a_switch_that_is_no_key_is_an_error(monkeypatch):
    fields = {"default": 1.0, "type": "float", "help": "T.", "only_with": "distil_weight"}
    mine = {"heat": Key.from_fields("heat", fields, "negatives: mine", "mine.yaml")}
    monkeypatch.setattr("recbole_mdcns.config.model_config.plugin_keys", lambda parts: mine)
    with pytest.raises(ConfigError, match="negatives: mine, key heat: only_with names distil_weight, which is no key"):
        tiny_config()
