"""Keys that only a model's own loss reads change nothing here, and a run says so."""

import logging
from typing import Any

import pytest
from helpers.paths import ROOT
from helpers.runs import cycle_lines, fit, same, states, tiny_config, tiny_run, write_inter

from recbole_mdcns.config.identity import content_key
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml

TABLE = read_yaml(properties_dir() / "recbole_losses.yaml")
#: Values other than RecBole's defaults; S3Rec is left out, which needs attributes of the items.
OTHERS: dict[str, dict[str, Any]] = {
    "BERT4Rec": {"mask_ratio": 0.9, "ft_ratio": 0.1},
    "Caser": {"reg_weight": 9.0},
    "CORE": {"item_dropout": 0.9},
    "FEARec": {
        "contrast": "un", "fredom": True, "fredom_type": "us", "lmd": 9.0, "lmd_sem": 9.0, "sim": "cos", "tau": 0.1
    },
    "FOSSIL": {"reg_weight": 9.0},
    "GCSAN": {"reg_weight": 9.0},
    "HGN": {"reg_weight": [9.0, 9.0]},
    "HRM": {"reg_weight": 9.0},
    "NextItNet": {"reg_weight": 9.0},
    "RepeatNet": {"joint_train": True},
    "SHAN": {"reg_weight": [9.0, 9.0]},
    "SINE": {"reg_loss_ratio": 9.0},
}  # fmt: skip


@pytest.mark.parametrize("model", sorted(TABLE.keys() - {"S3Rec"}))
def test_they_train_the_same_model_and_are_told(model):
    assert OTHERS[model].keys() == set(TABLE[model])
    write_inter(cycle_lines(user_num=8, length=6))
    keys = {"neg_sampler": "rns", "epochs": 1, "pad_side": "left" if model == "SHAN" else "right"}
    ends, told = [], []
    for changes in ({}, OTHERS[model]):
        run = tiny_run(model, **{**keys, **changes})
        fit(run, saved=False)
        ends.append(states(run.trainer))
        told.append(run.config.keys_of_own_losses())
    assert same(*ends) and told == [[], sorted(TABLE[model])]


def test_a_key_that_another_model_reads_is_not_told():
    """mask_ratio and reg_weight belong to losses; FOSSIL's alpha and CORE's sess_dropout to the models themselves."""
    assert tiny_config(neg_sampler="rns", reg_weight=1.0).keys_of_own_losses() == []
    peers = {"peer_model": "Caser,CORE", "reg_weight": 1.0, "sess_dropout": 0.1, "peer.item_dropout": 0.1}
    assert tiny_config(**peers).keys_of_own_losses() == ["reg_weight", "peer.item_dropout"]
    assert tiny_config("FOSSIL", peer_model="GRU4Rec", alpha=0.5).keys_of_own_losses() == []


def test_they_stay_in_a_runs_identity():
    usual, changed = (tiny_config("Caser", neg_sampler="rns", reg_weight=value).plain() for value in (1e-4, 1.0))
    assert usual["reg_weight"] == 1e-4 and content_key(usual) != content_key(changed)


def test_the_log_and_the_page_of_models_name_them(caplog, monkeypatch):
    def stop(config):
        raise KeyboardInterrupt

    monkeypatch.setattr("recbole_mdcns.quick_start.load_splits", stop)
    monkeypatch.setattr("recbole_mdcns.quick_start.start_log", lambda config: None)
    write_inter(cycle_lines())
    keys = {"data_path": "data", "neg_sampler": "rns", "reg_weight": 1.0, "use_gpu": False}
    with caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt):
        run_recbole_mdcns("Caser", "tiny", config_dict=keys)
    assert "reg_weight is given and not read: only the model's own loss has it" in caplog.text
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for model, names in TABLE.items():
        assert f"* {model}: {', '.join(f'`{name}`' for name in names)}\n" in page
