"""Scores of items that all targets share are those of the same items for each target, with the same gradients."""

import pytest
import torch
from helpers.device import on
from helpers.runs import tiny_run
from helpers.strategies import batches_of

from recbole_mdcns.encoder.scoring_model import FullRankingModel, InnerProductModel

#: An item that is drawn twice counts twice.
ITEMS = on(torch.tensor([1, 4, 4, 9, 30]))


@pytest.mark.parametrize(
    ("model", "kind", "lazy"),
    [("SASRec", InnerProductModel, False), ("SASRec", InnerProductModel, True), ("TransRec", FullRankingModel, False)],
)
def test_shared_items_have_the_scores_and_gradients_of_a_table_of_items(model, kind, lazy):
    run = tiny_run(model, neg_sampler="rns", lazy_items=lazy)
    (scoring_model,), batch = run.trainer.scoring_models, batches_of(run)[0]
    assert type(scoring_model) is kind
    scoring_model.model.eval()
    assert not lazy or scoring_model.make_lazy()
    factor = on(torch.randn(len(batch), 1 + len(ITEMS)))
    found = []
    for shared in (True, False):
        encoding = scoring_model.encode(batch).detach().requires_grad_()
        own = on(torch.arange(len(batch)) % 2 + 7)  # items 7 and 8
        if shared:
            scores = torch.cat(
                [each.view(len(batch), -1) for each in scoring_model.score_shared(encoding, own, ITEMS)], 1
            )
        else:
            items = torch.cat([own[:, None], ITEMS.repeat(len(batch), 1)], 1)
            scores = scoring_model.score(encoding, items)
        scoring_model.model.zero_grad()
        (factor * scores).sum().backward()
        assert scores.shape == factor.shape and scores.dtype == torch.float32
        gradients = [encoding.grad]
        if kind is InnerProductModel:
            of_table = scoring_model.item_table.grad
            assert of_table.is_sparse == lazy
            dense = of_table.to_dense()
            rows = dense.abs().sum(1).nonzero().squeeze(1).tolist()
            assert rows == [1, 4, 7, 8, 9, 30]
            gradients.append(dense)
        found.append([scores.detach(), *gradients])
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_half_encodings_are_scored_in_full_width():
    run = tiny_run("SASRec", neg_sampler="rns")
    (scoring_model,) = run.trainer.scoring_models
    encoding = on(torch.randn(3, 16)).bfloat16()
    own, scores = scoring_model.score_shared(encoding, ITEMS[:3], ITEMS)
    assert own.dtype == scores.dtype == torch.float32
    torch.testing.assert_close(scores, scoring_model.score(encoding, ITEMS.expand(3, -1)))
    torch.testing.assert_close(own, scores.diagonal()[:3])
