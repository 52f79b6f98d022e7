"""The flat history index against plain Python sets."""

import numpy as np
import torch
from helpers.device import on
from hypothesis import given
from hypothesis import strategies as st

from recbole_mdcns.data.history import HistoryIndex

SEQUENCES = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=12), min_size=1, max_size=6)


@given(SEQUENCES)
def test_membership_counts_and_pairs_of_every_prefix(sequences):
    items = np.array([item for sequence in sequences for item in sequence])
    begins = np.cumsum([0] + [len(sequence) for sequence in sequences])
    starts = np.repeat(begins[:-1], [len(sequence) for sequence in sequences])
    index = HistoryIndex(items, starts, item_num=10)
    prefixes = [(b, b + n) for b, s in zip(begins, sequences) for n in range(len(s) + 1)]
    start, end = (on(torch.tensor(column)) for column in zip(*prefixes))
    expected = [set(items[s:e].tolist()) for s, e in prefixes]
    queries = on(torch.arange(1, 10)).expand(len(prefixes), 9)
    found = index.contains(start, end, queries)
    assert [{int(i) for i in queries[0][row]} for row in found] == expected
    assert index.distinct_num(start, end).tolist() == [len(seen) for seen in expected]
    rows, seen = index.pairs(start, end)
    assert list(zip(rows.tolist(), seen.tolist())) == [
        (row, item) for row, (s, e) in enumerate(prefixes) for item in dict.fromkeys(items[s:e].tolist())
    ]
