"""``item_init_range``: another deviation of the first item embeddings, and nothing else changes."""

import pytest
import torch
from helpers.runs import cycle_lines, same, states, tiny_config, tiny_run, write_inter
from recbole.utils import init_seed

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.config.identity import content_key, settings_id
from recbole_mdcns.encoder.build import build_model
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.recommend.saved_models import SavedModels


@pytest.fixture(autouse=True)
def many_items():
    write_inter(cycle_lines(user_num=100, item_num=400, length=6))


def weights(name, **keys):
    (found,) = states(tiny_run(name, ranking_loss="CE", **keys).trainer)
    return found


@pytest.mark.parametrize("name", ["SASRec", "GRU4Rec", "NARM"])
def test_only_the_item_table_changes(name):
    """400 items of 16 numbers: the deviation of 6,400 draws is right to 1 / sqrt(2 * 6,400) = 0.9 %."""
    own, again = weights(name), weights(name, item_init_range=0.7)
    table = again.pop("item_embedding.weight")
    assert table[1:401].std().item() == pytest.approx(0.7, rel=0.05)
    assert abs(table[1:401].mean().item()) < 0.05
    assert not table[0].any()
    assert own.pop("item_embedding.weight").std() < 0.5
    assert same([own], [again])


def test_without_the_key_a_model_has_the_weights_that_its_class_draws():
    config = tiny_config(ranking_loss="CE")
    run = tiny_run(ranking_loss="CE")
    init_seed(config["seed"], config["reproducibility"])
    plain = config.model_class(config, run.data).state_dict()
    init_seed(config["seed"], config["reproducibility"])
    after = build_model(config, run.data).state_dict()
    assert plain.keys() == after.keys() and same([plain], [after])
    assert torch.equal(torch.rand(3), rand_after(config, run.data))


def rand_after(config, data):
    init_seed(config["seed"], config["reproducibility"])
    config.model_class(config, data)
    return torch.rand(3)


def test_self_and_peer_start_apart_and_a_peer_can_have_its_own_deviation():
    run = tiny_run(peer_model="GRU4Rec", item_init_range=1, **{"peer.item_init_range": 0.1})
    own, peer = (model.item_table[1:] for model in run.trainer.scoring_models)
    assert own.std().item() == pytest.approx(1, rel=0.05) and peer.std().item() == pytest.approx(0.1, rel=0.05)
    together = torch.stack([own.flatten(), peer.flatten()])
    assert abs(together.corrcoef()[0, 1].item()) < 0.06  # of 6,400 independent pairs: 0.0125 on average
    alike = tiny_run(peer_model="GRU4Rec", item_init_range=1)
    assert alike.trainer.scoring_models[1].item_table[1:].std().item() == pytest.approx(1, rel=0.05)


def test_a_run_is_identified_by_it():
    usual = tiny_config().plain()
    without = {key: value for key, value in usual.items() if key != "item_init_range"}
    without["peer"] = {key: value for key, value in usual["peer"].items() if key != "item_init_range"}
    changed = [tiny_config(**{key: 1.0}).plain() for key in ("item_init_range", "peer.item_init_range")]
    for identity in (settings_id, content_key):
        assert identity(usual) == identity(without)
        assert len({identity(values) for values in (usual, *changed)}) == 3


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"model": "BERT4Rec"},
            "item_init_range = 1.0 is not allowed with model BERT4Rec, which does not rank by inner",
        ),
        ({"model": "SASRec", "peer_model": "CORE"}, "item_init_range = 1.0 is not allowed with model CORE"),
        ({"item_init_range": 0}, r"item_init_range = 0.* is not allowed: .*> 0"),
        (
            {"model": "S3Rec", "train_stage": "finetune", "neg_sampler": "rns", "pre_model_path": "w.pth"},
            "item_init_range = 1.0 is not allowed with pre_model_path = 'w.pth'",
        ),
    ],
)
def test_what_it_does_not_go_with_is_refused(keys, said):
    with pytest.raises(ConfigError, match=said):
        tiny_run(**{"item_init_range": 1.0, **keys})


def test_a_saved_model_is_loaded_with_its_trained_weights():
    keys = {"data_path": "data", "hidden_size": 16, "inner_size": 32, "epochs": 1, "ranking_loss": "CE"}
    run = run_recbole_mdcns("SASRec", "tiny", config_dict={**keys, "item_init_range": 1.0, "show_progress": False})
    saved = checkpoint.load(run["model_file"], "model", "cpu")["state_dict"]
    model = SavedModels(run["model_file"], False, None, torch.device("cpu"))["self"]
    assert same([saved], [model.model.model.state_dict()]) and model.config["item_init_range"] is None
