"""A next item that follows from the last one is learned through the one call: by every model, strategy and loss."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.models import SUPPORTED
from helpers.runs import TINY, cycle_lines, write_inter
from helpers.strategies import SMALL, write_exposures

from recbole_mdcns import run_recbole_mdcns
from recbole_mdcns.config.checks import LEFT_PADDED
from recbole_mdcns.losses import resolve_loss
from recbole_mdcns.negatives import strategy_names
from recbole_mdcns.support.declared import declared

KEYS = {
    **TINY, "epochs": 15, "eval_step": 0, "learning_rate": 0.02, "topk": [5], "metrics": ["NDCG"],
    "valid_metric": "NDCG@5", "hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "dropout_prob": 0.0,
    "log_dir": "~", "tensorboard_dir": "~",
}  # fmt: skip
#: Keys of models that learn late or need another window; all others learn by cross-entropy.
OF_MODEL: dict[str, dict[str, Any]] = {
    "BERT4Rec": {
        "ranking_loss": "BCE", "neg_sampler": "dns", "pad_side": "left", "learning_rate": 0.005, "epochs": 40,
    },
    "SINE": {"ranking_loss": "BCE", "neg_sampler": "dns"}, "NPE": {"epochs": 25},
    **{name: {"pad_side": "left"} for name in LEFT_PADDED},
}  # fmt: skip
#: NPE sums its history without its order.
LEAST = {"NPE": 0.65}
OF_LOSS = {"SSM": {"neg_sampler": "rns", "neg_num": 2}, "gBCE": {"neg_sampler": "rns", "neg_num": 2}}


def ndcg(model: str, **keys: Any) -> dict[str, float]:
    """Return NDCG@5 on test of every model of a run; of 20 items at random it is about 0.15."""
    record = run_recbole_mdcns(model, "tiny", config_dict={**KEYS, **keys}, saved=False)["record"]
    return {role: metrics["ndcg@5"] for role, metrics in record["test"].items()}


@pytest.mark.parametrize("name", SUPPORTED)
def test_every_model_learns_it(name):
    if "CPR" in name:  # which picks a hundred items out of all
        write_inter(cycle_lines(user_num=120, item_num=105))
    keys = {"ranking_loss": "CE", **OF_MODEL.get(name, {})}
    untrained, trained = (ndcg(name, **{**keys, **more})["self"] for more in ({"epochs": 0}, {}))
    assert untrained < 0.35 and trained > LEAST.get(name, 0.8), (untrained, trained)


@pytest.mark.parametrize("name", strategy_names())
def test_every_strategy_teaches_it(name):
    write_exposures()
    found = ndcg("SASRec", neg_sampler=name, peer_model="GRU4Rec", **SMALL.get(name, {}))
    assert min(found.values()) > 0.9 and len(found) == (3 if name == "mdcns" else 1), found


@pytest.mark.parametrize("name", declared("losses"))
def test_every_loss_teaches_it(name):
    sampler = {} if name in OF_LOSS or not resolve_loss(name).needs_negatives else {"neg_sampler": "dns"}
    found = ndcg("SASRec", ranking_loss=name, **sampler, **OF_LOSS.get(name, {}))
    assert found["self"] > 0.9, found
