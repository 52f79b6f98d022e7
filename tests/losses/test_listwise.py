"""Hand-worked numbers and the limits that tie the softmax family, gBCE and BCE together."""

import math

import pytest
import torch
import torch.nn.functional as F
from helpers.device import DEVICE, on

from recbole_mdcns.losses.full_softmax import cross_entropy
from recbole_mdcns.losses.listwise import gbce, sampled_softmax
from recbole_mdcns.losses.pairwise import bce
from recbole_mdcns.losses.sce import sce


def test_cross_entropy_by_hand_leaves_the_padding_out():
    scores = on(torch.tensor([[100.0, 0.0, math.log(3.0)], [100.0, 1.0, 1.0]]))
    # 1 of 1 + 3; 1 of 2
    assert cross_entropy(scores, on(torch.tensor([2, 1]))).tolist() == pytest.approx([math.log(4 / 3), math.log(2)])


def test_sampled_softmax_by_hand():
    positive, negative = on(torch.tensor([math.log(2.0)])), on(torch.tensor([[0.0, math.log(3.0)]]))
    assert sampled_softmax(positive, negative).tolist() == pytest.approx([math.log(3)])  # 2 of 2 + 1 + 3
    log_q = (on(torch.tensor([0.5])).log(), on(torch.tensor([[0.25, 0.5]])).log())
    # 2 / .5 = 4 of 4 + 1 / .25 + 3 / .5 = 14
    assert sampled_softmax(positive, negative, log_q).tolist() == pytest.approx([math.log(14 / 4)])


def test_sampled_softmax_over_all_other_items_is_cross_entropy():
    torch.manual_seed(0)
    scores, target = on(torch.randn(5, 9)), on(torch.randint(1, 9, (5,)))
    others = on(torch.stack([torch.tensor([v for v in range(1, 9) if v != t]) for t in target.tolist()]))
    sampled = sampled_softmax(scores.gather(1, target[:, None])[:, 0], scores.gather(1, others))
    torch.testing.assert_close(sampled, cross_entropy(scores, target))
    uniform = (on(torch.full((5,), -math.log(8))), on(torch.full((5, 7), -math.log(8))))
    torch.testing.assert_close(
        sampled_softmax(scores.gather(1, target[:, None])[:, 0], scores.gather(1, others), uniform), sampled
    )


def test_the_correction_makes_the_partition_function_right_on_average():
    """exp(s) / q summed over draws from q estimates the sum over all items."""
    torch.manual_seed(0)
    scores, q = on(torch.randn(20)), on(torch.rand(20))
    q = q / q.sum()
    drawn = torch.multinomial(q, 200_000, replacement=True)
    estimate = (scores[drawn] - q[drawn].log()).exp().mean()
    assert estimate.item() == pytest.approx(scores.exp().sum().item(), rel=0.02)


def test_gbce_by_hand():
    zero, two = on(torch.zeros(1)), on(torch.zeros(1, 2))
    ln2 = math.log(2)
    # a = 2 / 4 = .5, t = .5: b = .75; (.75 + 2) ln 2 / 3
    assert gbce(zero, two, item_num=5, calibration=0.5).item() == pytest.approx(2.75 * ln2 / 3)
    # a shared pool of all items has one more than there are negatives: a = 1, b = 1
    assert gbce(zero, two, item_num=2, calibration=1.0).item() == pytest.approx(ln2)


def test_gbce_without_calibration_is_bce():
    torch.manual_seed(0)
    positive, negative = on(torch.randn(6)), on(torch.randn(6, 1))
    torch.testing.assert_close(2 * gbce(positive, negative, 100, 0.0), bce(positive, negative)[:, 0])
    many = on(torch.randn(6, 4))
    plain = (F.softplus(-positive) + F.softplus(many).sum(1)) / 5
    torch.testing.assert_close(gbce(positive, many, 100, 0.0), plain)
    # at t = 1 the positive's share is the sampling rate
    calibrated = (4 / 99 * F.softplus(-positive) + F.softplus(many).sum(1)) / 5
    torch.testing.assert_close(gbce(positive, many, 100, 1.0), calibrated)


def test_sce_with_one_bucket_of_everything_is_cross_entropy():
    torch.manual_seed(0)
    encoding = on(torch.randn(7, 4, dtype=torch.float64, requires_grad=True))
    table = on(torch.randn(12, 4, dtype=torch.float64, requires_grad=True))
    target = on(torch.randint(1, 12, (7,)))
    ours = sce(encoding, table, target, 1, 7, 11)
    plain = cross_entropy(encoding @ table.T, target)
    torch.testing.assert_close(ours, plain)
    for a, b in zip(*(torch.autograd.grad(loss.sum(), (encoding, table)) for loss in (ours, plain))):
        torch.testing.assert_close(a, b)


def test_sce_buckets_hold_the_nearest_states_and_items_by_hand():
    """States -2, -1, 1, 2 and items -3, -1, 1, 3: whichever way a direction points, 2 meets 3, or -2 meets -3."""
    encoding, target = on(torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])), on(torch.tensor([2, 2, 3, 3]))
    table = on(torch.tensor([[9.0], [-3.0], [-1.0], [1.0], [3.0]]))
    # log(e^6 + e^2) - 2, where the target is 1 for state 2, or -1 for state -2
    one = sce(encoding, table, target, 1, 1, 1)
    assert one.tolist() == pytest.approx([math.log1p(math.exp(4))])
    # all states in buckets of both directions: e^-6 and e^-3 are there too, in other buckets, and smaller
    both = sce(encoding, table, target, 20, 4, 1, torch.Generator(DEVICE).manual_seed(0))
    far, near = math.log1p(math.exp(4)), math.log1p(math.exp(2))
    assert both.tolist() == pytest.approx([far, near, near, far])


def test_sce_takes_the_largest_loss_of_a_state_and_never_more_than_cross_entropy():
    torch.manual_seed(0)
    encoding, table, target = on(torch.randn(50, 8)), on(torch.randn(201, 8)), on(torch.randint(1, 201, (50,)))
    losses = sce(encoding, table, target, 10, 20, 40, torch.Generator(DEVICE).manual_seed(1))
    again = sce(encoding, table, target, 10, 20, 40, torch.Generator(DEVICE).manual_seed(1))
    assert torch.equal(losses, again) and 20 <= len(losses) <= 50
    assert (losses >= 0).all() and losses.mean() <= cross_entropy(encoding @ table.T, target).mean()
    fewer = sce(encoding, table, target, 1, 20, 40, torch.Generator(DEVICE).manual_seed(1))
    assert len(fewer) == 20
