"""The statistics of the paper's tables, by hand."""

import numpy as np
import pytest

from recbole_mdcns.evaluation.significance import bootstrap, holm, is_per_user, paired_t, values_of_users

PLACES = np.array([1, 0, 3, 11])


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("recall@10", [1, 0, 1, 0]),
        ("hit@20", [1, 0, 1, 1]),
        ("ndcg@10", [1, 0, 0.5, 0]),
        ("mrr@10", [1, 0, 1 / 3, 0]),
        ("map@2", [1, 0, 0, 0]),
        ("precision@5", [0.2, 0, 0.2, 0]),
    ],
)
def test_metrics_of_one_target_by_hand(metric, values):
    assert values_of_users(PLACES, metric).tolist() == pytest.approx(values)


def test_rows_of_one_user_are_added_by_hand():
    assert values_of_users(PLACES, "ndcg@10", np.array([7, 7, 2, 2])).tolist() == [0.25, 0.5]  # users 2 and 7
    uneven = values_of_users(PLACES, "ndcg@10", np.array([7, 7, 7, 2]))
    assert uneven.tolist() == [0.0, 0.75] and uneven.mean() == 1.5 / 4  # the mean over rows


def test_what_no_single_user_has_is_refused():
    assert is_per_user("ndcg@10") and not is_per_user("itemcoverage@10") and not is_per_user("gauc")
    with pytest.raises(ValueError, match="itemcoverage@10 per user is not known"):
        values_of_users(PLACES, "itemcoverage@10")


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0]) and holm([]) == []


def test_paired_t_by_hand():
    # differences 1, 2, 3: mean 2, sd 1, t = 2 sqrt(3), two degrees of freedom
    assert paired_t([2, 4, 6], [1, 2, 3]) == pytest.approx(0.0742, abs=1e-4)
    assert paired_t([1.0], [0.0]) is None and paired_t([1, 2], [1, 2]) == 1.0 and paired_t([2, 3], [1, 2]) == 0.0


def test_bootstrap_covers_the_mean_as_often_as_it_says():
    source = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        low, high = bootstrap(source.choice([-1.0, 0.0, 0.0, 1.0, 1.0], 300), draws=400)
        inside += low <= 0.2 <= high
    assert 178 <= inside <= 199  # 190 expected, sd 3


def test_bootstrap_by_hand():
    """Half of 100 rows differ by 1: the mean of a sample is Binomial(100, 1/2) / 100, with its quantiles at 40 and 60.

    Those of a 90 % interval are at 42 and 58.
    """
    assert bootstrap(np.repeat([0.0, 1.0], 50)) == pytest.approx((0.40, 0.60), abs=0.011)
    assert bootstrap(np.full(7, 0.25)) == (0.25, 0.25)
