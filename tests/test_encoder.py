"""What training sees of a model equals what the model itself scores; others are refused in a sentence."""

import pytest
import torch
from conftest import tiny_run
from recbole.data.interaction import Interaction

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.model.encoder import Encoder
from recbole_mdcns.model.registry import resolve_model


@pytest.mark.parametrize("model", ["SASRec", "GRU4Rec"])
def test_encoding_times_table_is_the_models_own_full_ranking(model):
    run = tiny_run(model, neg_sampler="rns")
    encoder = run.trainer.encoders[0]
    encoder.model.eval()
    rows = next(iter(run.train))
    encoding = encoder.encode(rows["item_id_list"], rows["item_length"])
    expected = encoder.model.full_sort_predict(rows)
    torch.testing.assert_close(encoding @ encoder.item_table.T, expected)


def test_a_model_whose_score_is_no_inner_product_is_refused():
    run = tiny_run(neg_sampler="rns")
    model = run.trainer.model

    class Biased(type(model)):
        def full_sort_predict(self, interaction: Interaction):
            return super().full_sort_predict(interaction) + 1.0

    model.__class__ = Biased
    with pytest.raises(ConfigError, match="Biased cannot be the peer model: its scores are no inner products"):
        Encoder(model, run.config, role="peer")


def test_the_check_leaves_mode_and_random_numbers_alone():
    run = tiny_run(neg_sampler="rns")
    run.trainer.model.train()
    before = torch.get_rng_state()
    Encoder(run.trainer.model, run.config)
    assert run.trainer.model.training
    assert torch.equal(before, torch.get_rng_state())


def test_a_class_by_import_path():
    path = "recbole.model.sequential_recommender.sasrec:SASRec"
    assert resolve_model(path) is resolve_model("SASRec")
