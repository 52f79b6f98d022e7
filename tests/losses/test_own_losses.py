"""Results of a user's own loss that would train another loss, or none: refused at the first step."""

import pytest
import torch.nn.functional as F
from helpers.runs import fit, same, states, tiny_run
from helpers.strategies import prepared

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.losses import CatalogueLoss, LossOfNegatives
from recbole_mdcns.losses.pairwise import BCE, PairwiseLoss
from recbole_mdcns.negatives import strategy_names


class OverAll(CatalogueLoss):
    """The full softmax, with a result that a test spoils."""

    def __call__(self, scoring_model, encoding, target):
        return self.spoil(F.cross_entropy(scoring_model.score_all(encoding)[:, 1:], target - 1, reduction="none"))

    @staticmethod
    def spoil(losses):
        return losses.mean()


class OfNegatives(LossOfNegatives):
    """BPR, with a result that a test spoils."""

    def __call__(self, scores):
        return self.spoil(F.softplus(scores.negative - scores.positive[:, None]), scores.weights)

    @staticmethod
    def spoil(losses, weights):
        return losses.mean(0), weights


def train(loss, **keys):
    fit(tiny_run(ranking_loss=f"{__name__}:{loss.__name__}", epochs=1, **keys), saved=False)


class OfAllModels(BCE):
    """BCE of a self model and its peer."""

    needs_peer = True


@pytest.mark.parametrize("name", strategy_names())
def test_a_loss_brings_peers_to_any_strategy(name):
    """Without dropout the self model learns what it learns alone: the strategy chooses by its scores."""
    ends = []
    for loss in ("BCE", f"{__name__}:OfAllModels"):
        calm = dict.fromkeys(("hidden_dropout_prob", "attn_dropout_prob", "dropout_prob"), 0.0)
        run = prepared(name, ranking_loss=loss, peer_model="GRU4Rec", epochs=1, **calm)
        fit(run, saved=False)
        ends.append(run.trainer)
    alone, both = map(states, ends)
    assert len(both) == 2 and same(alone[:1], both[:1])
    roles = {part.partition("/")[0] for part in ends[1].epoch_log[0]["parts"]}
    assert roles == {"self", "peer"} and ends[1].strategy.teacher_mean
    first = states(prepared(name, ranking_loss=loss, peer_model="GRU4Rec", **calm).trainer)
    assert not same(first[1:], both[1:])  # the peer learns too


def of_negatives():
    train(OfNegatives, neg_sampler="rns", neg_num=3)


def test_a_constructor_that_leaves_ours_out_is_named(monkeypatch):
    for loss in (OverAll, OfNegatives):
        monkeypatch.setattr(loss, "__init__", lambda self, config, item_num, device: None, raising=False)
        with pytest.raises(ConfigError, match=f"{loss.__name__} cannot be used: its __init__ does not call super"):
            train(loss)


def test_right_results_train():
    train(OverAll)
    of_negatives()


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda losses: losses, r"of shape \[\d+\], expected the mean loss, a scalar tensor"),
        (lambda losses: losses.mean()[None], r"of shape \[1\], expected the mean loss"),
        (lambda losses: 1.0, "returned float"),
        (lambda losses: losses.mean().detach(), "loss of the self model SASRec has no gradient"),
    ],
)
def test_a_loss_over_the_catalogue_is_a_scalar_with_gradient(spoil, found, monkeypatch):
    monkeypatch.setattr(OverAll, "spoil", staticmethod(spoil))
    with pytest.raises(ConfigError, match=found):
        train(OverAll)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (
            lambda losses, weights: (losses, weights),
            r"of shape \[\d+, 3\] and .*\[3\], expected mean losses and weights",
        ),
        (lambda losses, weights: (losses.mean(1), weights), r"of shape \[\d+\] and .*, of shape \[3\] or \[1\] each"),
        (lambda losses, weights: (losses.mean(), weights), r"of shape \[\] and"),
        (lambda losses, weights: (losses.mean(0), weights[:1]), r"of shape \[3\] and .*\[1\], expected"),
        (lambda losses, weights: losses.mean(), r"returned torch.float32 of shape \[\]"),
        (lambda losses, weights: None, "returned NoneType"),
        (lambda losses, weights: (losses.mean(0).detach(), weights), "has no gradient, and the model would not learn"),
    ],
)
def test_a_loss_of_negatives_is_a_pair_of_losses_and_weights(spoil, found, monkeypatch):
    """A table [T, K] times weights [K] would train T times the loss."""
    monkeypatch.setattr(OfNegatives, "spoil", staticmethod(spoil))
    with pytest.raises(ConfigError, match=found):
        of_negatives()


class Margin(PairwiseLoss):
    """A margin, with a result that a test spoils."""

    def of_pairs(self, positive, negative):
        return self.spoil(positive, negative)

    @staticmethod
    def spoil(positive, negative):
        return F.relu(1 - positive[:, None] + negative)


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda positive, negative: None, "NoneType"),
        (lambda positive, negative: 1.0, "float"),
        (lambda positive, negative: negative > positive[:, None], r"torch.bool of shape \[\d+, 3\]"),
        (lambda positive, negative: negative.mean(0, keepdim=True), r"torch.float32 of shape \[1, 3\]"),
        (lambda positive, negative: (negative - positive[:, None]).sum(1), r"torch.float32 of shape \[\d+\]"),
    ],
)
def test_a_loss_of_pairs_has_a_value_for_each_pair(spoil, found, monkeypatch):
    train(Margin, neg_sampler="rns", neg_num=3)
    monkeypatch.setattr(Margin, "spoil", staticmethod(spoil))
    with pytest.raises(ConfigError, match=f"ranking_loss Margin: of_pairs returned {found}, expected a loss for each"):
        train(Margin, neg_sampler="rns", neg_num=3)
