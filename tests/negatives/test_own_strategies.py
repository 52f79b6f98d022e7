"""Results of a user's own strategy that do not fit each other: refused at the first step."""

from dataclasses import replace

import pytest
import torch
from helpers.device import on
from helpers.runs import fit, same, states, tiny_run

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives import Negatives, NegativeStrategy


class Hardest(NegativeStrategy):
    """The hardest candidate, with a result that a test spoils."""

    views = ("hardest",)
    needs_peer = True
    knows_proposal = True

    def choose(self, pool):
        columns = pool.scores[0].detach().topk(1).indices
        return self.spoil(Negatives(self.pick(pool, columns), [on(torch.ones(1))] * 2))

    @staticmethod
    def spoil(chosen):
        return chosen


def train(**keys):
    return fit(tiny_run(neg_sampler=f"{__name__}:Hardest", epochs=1, **keys), saved=False)


def test_a_constructor_that_leaves_ours_out_is_named(monkeypatch):
    monkeypatch.setattr(Hardest, "__init__", lambda self, config, device: None)
    with pytest.raises(
        ConfigError, match=r"Hardest cannot be used: its __init__ does not call super\(\).__init__ with"
    ):
        train()


def test_right_results_train():
    train()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"scores": None}, "scores = NoneType, expected a tensor for each of 2 models"),
        ({"weights": [on(torch.ones(1))]}, "weights = a list of 1, expected a tensor for each of 2 models"),
        ({"weights": [torch.ones(2)] * 2}, r"weights torch.float32 of shape \[2\], expected"),
        ({"factors": [1.0]}, "factors a list of 1, expected"),
        ({"log_mass": torch.zeros(3)}, r"log_mass torch.float32 of shape \[3\], expected \[\d+, K\] or \[\d+, 1\]"),
        ({"log_q": (torch.zeros(1), torch.zeros(1))}, r"log_q = a tuple of 2, expected tensors \[\d+\] and \[\d+, 1\]"),
        ({"log_q": torch.zeros(3)}, r"log_q = torch.float32 of shape \[3\], expected tensors"),
        ({"extra": [{"term": torch.ones(())}]}, "extra = a list of 1, expected a dict .* for each of 2 models"),
        ({"extra": {"term": torch.ones(())}}, "extra = dict, expected a dict"),
        ({"extra": [{"term": 0.5}] * 2}, "the further term 'term' as float, expected a scalar tensor"),
        ({"extra": [{"term": torch.ones(3)}] * 2}, r"'term' as torch.float32 of shape \[3\], expected a scalar"),
        ({"extra": [{"hardest": torch.ones(())}] * 2}, "'hardest', which is also the name of a view"),
    ],
)
def test_parts_that_do_not_fit_are_named(changes, found, monkeypatch):
    monkeypatch.setattr(Hardest, "spoil", staticmethod(lambda chosen: replace(chosen, **changes)))
    with pytest.raises(ConfigError, match=found):
        train()


class ByTeacher(NegativeStrategy):
    """The candidates that both models together score highest, with the weights as they are made."""

    needs_peer = True

    def choose(self, pool):
        joint = self.teacher(*(scores.detach() for scores in pool.scores))
        return Negatives(self.pick(pool, joint.topk(self.negative_num).indices), list(self.weights))


def test_every_model_has_a_row_of_equal_weights():
    run = tiny_run(neg_sampler=f"{__name__}:ByTeacher", neg_num=4, peer_model="GRU4Rec,SASRec", epochs=1)
    assert run.trainer.strategy.weights.tolist() == [[0.25] * 4] * 3
    fit(run, saved=False)
    assert {"self/negative", "peer1/negative", "peer2/negative"} == set(run.trainer.epoch_log[0]["parts"])


SCALED = {"ranking_loss": "SSM", "ssm_scale": True, "pool_scope": "batch"}


def test_a_part_of_the_candidates_says_how_many_items_it_stands_for(monkeypatch):
    train(ranking_loss="SSM", pool_scope="batch")  # which takes no masses
    with pytest.raises(ConfigError, match=r"log_mass = None, expected \[\d+, 1\]: its negatives are not all 10 cand"):
        train(**SCALED)
    log_mass = on(torch.tensor([[2.0]])).log()
    monkeypatch.setattr(
        Hardest, "spoil", staticmethod(lambda of: replace(of, log_mass=log_mass.expand(len(of.scores[0]), 1)))
    )
    train(**SCALED)


class Whole(NegativeStrategy):
    """The whole pool, with its proposal."""

    knows_proposal = True

    def choose(self, pool):
        number = pool.scores[0].size(1)
        return Negatives(pool.scores, [on(torch.full((number,), 1 / number))], log_q=pool.proposal())


@pytest.mark.parametrize("keys", [{}, SCALED, {**SCALED, "pool_in_batch_share": 0.5, "exclude": "user_train"}])
def test_pools_shared_or_not_reach_a_users_own_strategy_as_ours(keys):
    ends = []
    for own in ({"neg_sampler": f"{__name__}:Whole"}, {"neg_sampler": "rns", "neg_num": 10}):
        run = tiny_run(epochs=1, **{"ranking_loss": "SSM", **keys, **own})
        fit(run, saved=False)
        ends.append(states(run.trainer))
    assert same(*ends)


@pytest.mark.parametrize("views", [(), "hardest"])
def test_views_are_names(views, monkeypatch):
    monkeypatch.setattr(Hardest, "views", views)
    with pytest.raises(ConfigError, match="is not allowed: give a tuple of one or more names"):
        train()


def test_scores_without_gradient_are_refused(monkeypatch):
    detached = staticmethod(lambda chosen: replace(chosen, scores=[each.detach() for each in chosen.scores]))
    monkeypatch.setattr(Hardest, "spoil", detached)
    with pytest.raises(ConfigError, match="choose returned scores without gradient, expected those of the pool"):
        train()


def test_a_preparation_that_leaves_ours_out_is_named(monkeypatch):
    monkeypatch.setattr(Hardest, "prepare", lambda self, dataset: None, raising=False)
    with pytest.raises(ConfigError, match=r"its prepare does not call super\(\).prepare\(dataset\)"):
        train()


def test_a_state_that_no_resume_could_restore_is_refused_before_the_first_epoch(monkeypatch):
    monkeypatch.setattr(Hardest, "state_dict", lambda self: None, raising=False)
    monkeypatch.setattr(Hardest, "load_state_dict", lambda self, state: None, raising=False)
    with pytest.raises(ConfigError, match="Hardest': its state is a NoneType, expected the dict that load_state_dict"):
        fit(tiny_run(neg_sampler=f"{__name__}:Hardest", epochs=1))


class OfOne(NegativeStrategy):
    """The item 1, and no sampler: it needs none."""

    def prepare(self, dataset):
        pass

    def propose(self, batch):
        return torch.ones_like(batch.target)[:, None]

    def choose(self, pool):
        return Negatives(pool.scores, list(self.weights))

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


def test_a_strategy_that_needs_no_sampler_need_not_make_it():
    fit(tiny_run(neg_sampler=f"{__name__}:OfOne", epochs=1), saved=False)


def test_no_candidates_are_none(monkeypatch):
    monkeypatch.setattr(Hardest, "propose", lambda self, batch: self.sampler.sample(batch)[:, :0])
    with pytest.raises(ConfigError, match="propose returned no candidates"):
        train()
