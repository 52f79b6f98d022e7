"""Iterated count filters against plain Python."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recbole_mdcns.data.kcore import filter_by_counts, k_core

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40)


def test_a_chain_falls_apart_link_by_link():
    """u0 has two items; dropping i2 (one user) leaves it one, and so on until the square of u1, u2 is left."""
    users = np.array([0, 0, 1, 1, 2, 2])
    items = np.array([2, 0, 0, 1, 0, 1])
    assert k_core(users, items, 2, 2).tolist() == [False, False, True, True, True, True]
    assert k_core(users, items, 1, 1).all()
    assert not k_core(users, items, 3, 1).any()


@given(PAIRS, st.integers(1, 4), st.integers(1, 4))
def test_what_stays_is_the_largest_part_that_has_enough(pairs, user_min, item_min):
    left = list(pairs)
    while True:
        users, items = [u for u, _ in left], [i for _, i in left]
        enough = [(u, i) for u, i in left if users.count(u) >= user_min and items.count(i) >= item_min]
        if enough == left:
            break
        left = enough
    by, what = (np.array([pair[k] for pair in pairs], dtype=np.int64) for k in (0, 1))
    kept = k_core(by, what, user_min, item_min)
    assert [pair for pair, keeps in zip(pairs, kept) if keeps] == left


def test_an_upper_bound_drops_the_busiest():
    users, items = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0])
    kept = filter_by_counts(users, items, lambda counts: counts <= 2, lambda counts: counts > 0)
    assert kept.tolist() == [False, False, False, True]
