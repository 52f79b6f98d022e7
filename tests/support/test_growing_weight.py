"""A weight that grows over the first epochs."""

from helpers.device import DEVICE

from recbole_mdcns.support.growing_weight import GrowingWeight


def weights(full, warm_up, epochs):
    weight = GrowingWeight(full, warm_up, DEVICE)
    found, before = [], weight.now
    for epoch in epochs:
        weight.start_epoch(epoch)
        assert weight.now is before  # a captured step reads this tensor
        found.append(weight.now.item())
    return found


def test_a_weight_grows_in_equal_steps_from_zero():
    assert weights(2.0, 4, range(6)) == [0, 0.5, 1, 1.5, 2, 2]


def test_without_a_warm_up_it_is_full_at_once():
    assert weights(3.0, 0, range(2)) == [3, 3]
    assert GrowingWeight(3.0, 4, DEVICE).now == 3
