"""Hand-worked numbers of the softmax losses that scale their negatives, their common gradient, and their refusals."""

import math

import pytest
import torch
from helpers.device import DEVICE, on
from helpers.runs import tiny_config, tiny_run

from recbole_mdcns.equations import FORBIDDEN_SCORE
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.losses import ModelScores
from recbole_mdcns.losses.full_softmax import cross_entropy
from recbole_mdcns.losses.listwise import (
    SampledSoftmax,
    log_mass_of,
    refined_softmax,
    sampled_softmax,
    scaled_softmax,
)

#: exp s+ = 2; exp s = 1, 3 and nothing.
POSITIVE = on(torch.tensor([math.log(2.0)]))
NEGATIVE = on(torch.tensor([[0.0, math.log(3.0), FORBIDDEN_SCORE]]))
#: Each stands for 5 items; or for 2, 4 and 9.
ONE_MASS, MASSES = on(torch.tensor([[5.0]]).log()), on(torch.tensor([[2.0, 4.0, 9.0]]).log())


def test_scaled_softmax_by_hand():
    assert scaled_softmax(POSITIVE, NEGATIVE, ONE_MASS).tolist() == pytest.approx([math.log(22 / 2)])  # 2 + 5 (1 + 3)
    assert scaled_softmax(POSITIVE, NEGATIVE, MASSES).tolist() == pytest.approx([math.log(16 / 2)])  # 2 + 2 + 12
    no_mass = scaled_softmax(POSITIVE, NEGATIVE, 0 * ONE_MASS)
    torch.testing.assert_close(no_mass, sampled_softmax(POSITIVE, NEGATIVE))


def test_refined_softmax_by_hand():
    # 1 - p = 14 / 16, log(14 / 2)
    assert refined_softmax(POSITIVE, NEGATIVE, MASSES).tolist() == pytest.approx([14 / 16 * math.log(7)])


def test_log_mass_of_by_hand():
    """Two draws from q = 1/2, 1/4; the target has q = 1/5, and without it q' = 5/8, 5/16: masses 4/5 and 8/5."""
    log_q = (on(torch.tensor([0.2])).log(), on(torch.tensor([[0.5, 0.25]])).log())
    assert log_mass_of(log_q).exp().tolist()[0] == pytest.approx([0.8, 1.6])
    assert log_mass_of((on(torch.zeros(1)), log_q[1])).isfinite().all()  # all draws are the target


def test_refined_and_scaled_softmax_have_one_gradient():
    torch.manual_seed(0)
    positive, negative = (on(3 * torch.randn(*shape, dtype=torch.float64)).requires_grad_() for shape in ((5,), (5, 7)))
    log_mass = on(torch.randn(5, 7, dtype=torch.float64))
    scaled, refined = (loss(positive, negative, log_mass) for loss in (scaled_softmax, refined_softmax))
    assert (refined - scaled).abs().min() > 1e-3
    for one, other in zip(*(torch.autograd.grad(loss.sum(), (positive, negative)) for loss in (scaled, refined))):
        torch.testing.assert_close(one, other)


def test_scaled_draws_of_all_items_are_cross_entropy_and_fewer_estimate_it():
    torch.manual_seed(0)
    scores = on(torch.randn(1, 301, dtype=torch.float64))
    own, others, exact = scores[:, 1], scores[:, 2:], cross_entropy(scores, on(torch.ones(1, dtype=torch.int64)))
    torch.testing.assert_close(scaled_softmax(own, others, others.new_zeros(1, 1)), exact)
    drawn = others[0, torch.rand(2000, 299, device=DEVICE).topk(60).indices]  # [2000, 60]
    log_mass = drawn.new_full((1, 1), math.log(299 / 60))
    estimate = scaled_softmax(own.expand(2000), drawn, log_mass)
    assert estimate.exp().mean().item() == pytest.approx(exact.exp().item(), rel=0.01)
    assert sampled_softmax(own.expand(2000), drawn).mean() < exact - 1


@pytest.mark.parametrize(
    ("keys", "plain"),
    [({}, lambda p, n, m: sampled_softmax(p, n)), ({"ssm_scale": True}, scaled_softmax),
     ({"logq_refined": True}, refined_softmax)],
)  # fmt: skip
def test_keys_choose_the_equation(keys, plain):
    loss = SampledSoftmax(tiny_config(ranking_loss="SSM", neg_sampler="rns", neg_num=3, **keys), 30, DEVICE)
    assert loss.takes_mass == bool(keys)
    value, weights = loss(ModelScores(POSITIVE, NEGATIVE, on(torch.ones(3)), log_mass=MASSES))
    torch.testing.assert_close(value, plain(POSITIVE, NEGATIVE, MASSES))
    assert weights.tolist() == [1]


SSM = {"ranking_loss": "SSM"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {**SSM, "neg_top_num": 3},
            "neg_top_num = 3 is not used with ranking_loss = 'SSM', which takes all candidates of mdcns: leave it out",
        ),
        ({**SSM, "self_neg_weight": 2.0}, "self_neg_weight = 2.0 is not used with ranking_loss = 'SSM'"),
        ({**SSM, "peer_neg_weight": 0.5}, "peer_neg_weight = 0.5 is not used with ranking_loss = 'SSM'"),
        ({"ranking_loss": "gBCE", "teacher_neg_weight": 0.0}, "teacher_neg_weight = 0.0 is not used with .* 'gBCE'"),
        (
            {**SSM, "divergence_weight": 0.0},
            "divergence_weight = 0.0 is not used with ranking_loss = 'SSM', which takes",
        ),
        ({"ranking_loss": "gBCE", "divergence_weight": 2}, "divergence_weight = 2.0 is not used with .* = 'gBCE'"),
        (
            {"pop_power": 0.5},
            "pop_power = 0.5 is not used with pool_popular_share = 0: set pool_popular_share, or leave",
        ),
        ({**SSM, "pool_hard_num": 3}, "pool_hard_num = 3 is not allowed without ranking_loss = SSM and ssm_scale"),
        ({"pool_hard_num": 3, "ssm_scale": True}, "pool_hard_num = 3 is not allowed without ranking_loss = SSM"),
        (
            {"ranking_loss": "gBCE", "pool_hard_num": 3, "ssm_scale": True},
            "pool_hard_num = 3 is not allowed without ranking_loss = SSM",
        ),
        (
            {"ranking_loss": "gBCE", "pool_scope": "batch", "pool_popular_share": 0.2},
            "pool_popular_share = 0.2 is not allowed with ranking_loss = 'gBCE', .* uniform draws: set it to 0",
        ),
        (
            {"ranking_loss": "gBCE", "pool_scope": "batch", "pool_in_batch_share": 0.2, "batching": "row"},
            "pool_in_batch_share = 0.2 is not allowed with ranking_loss = 'gBCE'",
        ),
        ({**SSM, "ssm_scale": True, "logq_refined": True}, "logq_refined = True is not allowed with ssm_scale = True"),
        (
            {**SSM, "ssm_scale": True, "logq_correction": False},
            "logq_correction = False is not allowed with ssm_scale = True, which is a correction",
        ),
        (
            {**SSM, "logq_refined": True, "logq_correction": False},
            "logq_correction = False is not allowed with logq_refined = True",
        ),
        *(
            (
                {"neg_sampler": name, "pool_popular_share": 0.5},
                "pool_popular_share = 0.5 is not allowed with pool_scope = 'target': set pool_scope = batch",
            )
            for name in ("mdcns", "rns", "dns", "dns_plus")
        ),
        (
            {"pool_scope": "batch", "pool_in_batch_share": 0.2},
            "pool_in_batch_share = 0.2 is not allowed with exclude = 'history' and batching = 'auto': a batch",
        ),
        (
            {**SSM, "neg_sampler": "pns", "ssm_scale": True},
            "ssm_scale = True is not allowed with neg_sampler = 'pns' and exclude = 'history': .* set exclude = target",
        ),
        (
            {**SSM, "neg_sampler": "in_batch", "logq_refined": True, "exclude": "user_train"},
            "logq_refined = True is not allowed with neg_sampler = 'in_batch' and exclude = 'user_train'",
        ),
        (
            {"pool_scope": "batch", "pool_popular_share": 0.6, "pool_in_batch_share": 0.5, "batching": "row"},
            "pool_popular_share = 0.6 and pool_in_batch_share = 0.5 are not allowed together: .* sum to at most 1",
        ),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        tiny_config(**keys)


def test_two_passes_need_draws_that_both_can_have():
    for name in ("dns", "mdcns"):
        message = (
            rf"rdrop_weight = 1.0 is not allowed with neg_sampler = '{name}' and ranking_loss = 'BCE', which choose"
        )
        with pytest.raises(ConfigError, match=message):
            tiny_run(neg_sampler=name, rdrop_weight=1.0)
    tiny_run(neg_sampler="rns", rdrop_weight=1.0)
    tiny_run(neg_sampler="mdcns", rdrop_weight=1.0, ranking_loss="SSM")
