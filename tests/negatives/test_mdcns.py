"""MDCNS: hand-worked choices, and the gradients of the plain formula."""

import math

import pytest
import torch
import torch.nn.functional as F
from helpers.device import DEVICE, on
from helpers.runs import tiny_config
from helpers.strategies import scored_pool, uniformly

from recbole_mdcns.equations import multi_view
from recbole_mdcns.kernels.pool_scores import pool_scores
from recbole_mdcns.losses.pairwise import bce, bpr
from recbole_mdcns.negatives import ScoredPool
from recbole_mdcns.negatives.mdcns import MDCNS


def test_the_three_views_by_hand():
    """s_self (5 4 0 1), s_peer (5 .5 4.5 1): d (0 3.5 4.5 0)."""
    mine, other = on(torch.tensor([[5.0, 4.0, 0.0, 1.0]])), on(torch.tensor([[5.0, 0.5, 4.5, 1.0]]))

    def views(**keys):
        return MDCNS(tiny_config(neg_candidate_num=4, neg_top_num=1, **keys), DEVICE).view_columns(mine, other).tolist()

    # self + d = 5 7.5 4.5 1; peer + d = 5 4 9 1; mean teacher 5 2.25 2.25 1, + d = 5 5.75 6.75 1
    assert views() == [[1, 2, 2]]
    # sum teacher 10 4.5 4.5 2, + d = 10 8 9 2
    assert views(teacher_mean=False) == [[1, 2, 0]]
    # mean teacher + d / 2 = 5 4 4.5 1
    assert views(divergence_weight=0.5) == [[1, 2, 0]]
    # without d all agree on the first
    assert views(divergence_weight=0) == [[0, 0, 0]]


def test_mean_and_sum_teacher_can_differ():
    """The sum halves the weight of d beside the mean: at weight 1/2 it no longer picks the disputed item."""
    mine, other = on(torch.tensor([[2.5, 2.4]])), on(torch.tensor([[1.5, 2.4]]))

    def teacher_view(weight, mean):
        config = tiny_config(neg_candidate_num=2, neg_top_num=1, divergence_weight=weight, teacher_mean=mean)
        return int(MDCNS(config, DEVICE).view_columns(mine, other)[0, 2])

    assert teacher_view(0.5, mean=True) == 0  # 2 + .5 against 2.4
    assert teacher_view(0.5, mean=False) == 1  # 4 + .5 against 4.8


def test_peer_and_self_exchange_roles():
    keys = dict(self_neg_weight=2.0, peer_neg_weight=3.0, teacher_neg_weight=5.0)
    chosen = MDCNS(tiny_config(**keys), DEVICE).choose(scored_pool())
    assert [weights.tolist() for weights in chosen.weights] == [[2.0, 3.0, 5.0], [3.0, 2.0, 5.0]]


@pytest.mark.parametrize("ranking", ["BCE", "BPR"])
@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("with_positive", [True, False])
def test_step_gradients_equal_autograd_of_the_plain_formula(ranking, mean, with_positive):
    """The whole step written again from the paper: broadcast products, sigmoids, explicit sums; float64."""
    alpha, beta, gamma, tau, mu = 0.5, 1.5, 2.0, 0.7, 3.0
    config = tiny_config(
        neg_candidate_num=8, neg_top_num=1, ranking_loss=ranking, teacher_mean=mean, distill_positive=with_positive,
        self_neg_weight=alpha, peer_neg_weight=beta, teacher_neg_weight=gamma, distill_temperature=tau,
        distill_weight=mu,
    )  # fmt: skip
    torch.manual_seed(1)
    leaves = [
        on(torch.randn(*shape, dtype=torch.float64, requires_grad=True)) for shape in [(5, 4), (5, 6), (31, 4), (31, 6)]
    ]
    items = on(torch.stack([torch.randperm(30)[:9] + 1 for _ in range(5)]))

    def ours():
        h, e = leaves[:2], leaves[2:]
        scores = [pool_scores(h[m], e[m], items) for m in (0, 1)]
        pool = ScoredPool(None, items[:, 1:], h, [s[:, 0] for s in scores], [s[:, 1:] for s in scores])
        strategy = MDCNS(config, DEVICE)
        strategy.weights = strategy.weights.double()
        chosen = strategy.choose(pool)
        loss = on(torch.zeros((), dtype=torch.float64))
        for m in (0, 1):
            views = {"BCE": bce, "BPR": bpr}[ranking](pool.positive[m], chosen.scores[m]).mean(0)
            loss = loss + multi_view(views, chosen.weights[m]) + chosen.extra[m]["distill"]
        return loss

    def plain():
        s = [(leaves[m][:, None] * leaves[2 + m][items]).sum(-1) for m in (0, 1)]
        loss = on(torch.zeros((), dtype=torch.float64))
        for t in range(5):
            a, b = s[0][t], s[1][t]
            teacher = (a + b) / 2 if mean else a + b
            d = (a[1:] - b[1:]).abs()
            pick = [1 + int((view[1:] + d).argmax()) for view in (a, b, teacher)]
            for x, order in ((a, (0, 1, 2)), (b, (1, 0, 2))):
                for weight, view in zip((alpha, beta, gamma), order):
                    negative = x[pick[view]]
                    if ranking == "BCE":
                        one = -torch.log(torch.sigmoid(x[0])) - torch.log(1 - torch.sigmoid(negative))
                    else:
                        one = -torch.log(torch.sigmoid(x[0] - negative))
                    loss = loss + weight * one / 5
                first = 0 if with_positive else 1
                q = torch.softmax(teacher[first:].detach() / tau, 0)
                p = torch.softmax(x[first:] / tau, 0)
                loss = loss + mu * tau**2 * (q * (q / p).log()).sum() / 5
        return loss

    left, right = ours(), plain()
    torch.testing.assert_close(left, right, rtol=1e-6, atol=1e-8)
    for a, b in zip(torch.autograd.grad(left, leaves), torch.autograd.grad(right, leaves)):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


def test_a_copy_as_peer_gives_no_divergence_and_no_distillation():
    pool = scored_pool(1)
    twice = ScoredPool(pool.batch, pool.candidates, pool.encodings * 2, pool.positive * 2, pool.scores * 2)
    strategy = MDCNS(tiny_config(), DEVICE)
    columns = strategy.view_columns(*(s.detach() for s in twice.scores))
    assert torch.equal(columns, pool.scores[0].argmax(1)[:, None].expand(-1, 3))
    for extra in strategy.choose(twice).extra:
        assert extra["distill"].item() == pytest.approx(0.0, abs=1e-6)
    by_sum = MDCNS(tiny_config(teacher_mean=False), DEVICE).choose(twice)
    assert by_sum.extra[0]["distill"].item() > 0.01


def test_distill_weight_zero_is_no_term_at_all_and_sum_reduction_is_released_form():
    pool = scored_pool()
    assert MDCNS(tiny_config(distill_weight=0), DEVICE).choose(pool).extra == []
    mean = MDCNS(tiny_config(distill_weight=0.06), DEVICE).choose(pool).extra[0]["distill"]
    total = MDCNS(tiny_config(distill_weight=0.01, distill_reduction="sum"), DEVICE).choose(pool).extra[0]["distill"]
    torch.testing.assert_close(mean, total)  # six targets
    with_positive = torch.cat([pool.positive[0][:, None], pool.scores[0]], 1)
    teacher = (with_positive + torch.cat([pool.positive[1][:, None], pool.scores[1]], 1)) / 2
    expected = F.kl_div(with_positive.log_softmax(1), teacher.log_softmax(1), log_target=True, reduction="sum") * 0.01
    torch.testing.assert_close(total, expected)


def test_the_weight_of_the_distillation_grows_from_the_first_epoch():
    pool, strategy = scored_pool(), MDCNS(tiny_config(distill_weight=2.0, distill_warmup_epochs=4), DEVICE)
    found = []
    for epoch in (0, 1, 4, 9):
        strategy.start_epoch(epoch)
        found.append(strategy.choose(pool).extra[1]["distill"].item())
    assert found[0] == 0 and found[2] == found[3] > 0.01
    assert found[1] == pytest.approx(found[2] / 4)


def test_hard_draws_of_a_pool_follow_teacher_and_divergence(monkeypatch):
    """Self (0, 1) and peer (0, -1): teacher (0, 0), d (0, 2). With weight log 3 and temperature 2 the odds are 1 to 3.

    Of 20,000 draws, one of the first stands for 4 / 20,000 of the candidates, and one of the second for 4 / 60,000.
    """
    keys = {"ranking_loss": "SSM", "ssm_scale": True, "pool_hard_num": 20_000, "divergence_weight": math.log(3.0)}
    strategy = MDCNS(tiny_config(pool_hard_temperature=2.0, distill_weight=0, **keys), DEVICE)
    monkeypatch.setattr(strategy, "log_mass", lambda pool: on(torch.zeros(1, 1)))
    mine, other = on(torch.tensor([[0.0, 1.0]])).requires_grad_(), on(torch.tensor([[0.0, -1.0]])).requires_grad_()
    one = on(torch.zeros(1))
    pool = ScoredPool(None, on(torch.tensor([[5, 6]])), [], [one, one], [mine, other], takes_all=True)
    chosen = strategy.choose(pool)
    is_second = chosen.scores[0][0] == 1
    assert uniformly([(~is_second).sum(), is_second.sum()], [1, 3])
    assert torch.equal(chosen.scores[1], -chosen.scores[0])
    torch.testing.assert_close(chosen.log_mass[0].exp() * 20_000, torch.where(is_second, 4 / 3, 4.0))


def test_m_equal_n_draws_uniformly_whatever_the_scores():
    pool = scored_pool(target_num=6000, scale=10.0)
    strategy = MDCNS(tiny_config(neg_top_num=10), DEVICE)
    columns = strategy.view_columns(*(s.detach() for s in pool.scores))
    rank = pool.scores[0].detach().argsort(1).argsort(1).gather(1, columns)
    for view in rank.T:
        counts = torch.bincount(view, minlength=10).double()
        assert ((counts - 600) ** 2 / 600).sum() < 27.9  # chi-square, 9 degrees of freedom, p = 0.001


def test_several_peers_share_one_teacher_and_the_divergence_is_the_widest_distance():
    """s_self (5 4 0), s_1 (5 1 3), s_2 (2 1 9)."""
    config = tiny_config(peer_model="GRU4Rec,Mamba4Rec", neg_candidate_num=3, neg_top_num=1, peer_neg_weight=2.0)
    strategy = MDCNS(config, DEVICE)
    assert strategy.views == ("self", "peer1", "peer2", "teacher")
    assert strategy.weights.tolist() == [[1, 2, 2, 1], [2, 1, 2, 1], [2, 2, 1, 1]]
    scores = [on(torch.tensor([row])) for row in ([5.0, 4.0, 0.0], [5.0, 1.0, 3.0], [2.0, 1.0, 9.0])]
    # d = 3 3 9; self + d = 8 7 9, peer1 + d = 8 4 12, peer2 + d = 5 4 18, mean teacher 4 2 4, + d = 7 5 13
    assert strategy.view_columns(*scores).tolist() == [[2, 2, 2, 2]]
    strategy.divergence_weight = 0
    assert strategy.view_columns(scores[0], scores[1], scores[0]).tolist() == [[0, 0, 0, 0]]
    pool = scored_pool(3, candidate_num=3)
    chosen = strategy.choose(pool)
    assert len(chosen.scores) == len(chosen.extra) == 3 and chosen.scores[0].shape == (6, 4)
