"""Our metrics equal RecBole's to the last digit, which get numpy's removed names back here."""

import numpy as np
import pytest
from helpers.runs import tiny_config
from recbole.evaluator import metrics as theirs

from recbole_mdcns.metrics import ranking as ours


@pytest.fixture
def old_names(monkeypatch):
    monkeypatch.setattr(np, "float", np.float64, raising=False)
    monkeypatch.setattr(np, "bool", np.bool_, raising=False)


@pytest.mark.parametrize("positives", [1, 4])
def test_ranking_metrics_equal_recboles(old_names, positives):
    rng = np.random.default_rng(0)
    config = tiny_config()
    hits = np.zeros((200, 20), dtype=np.int64)
    length = rng.integers(1, positives + 1, 200)
    for row in range(200):
        hits[row, rng.permutation(40)[: length[row]] % 20] = rng.integers(0, 2)
    length = np.maximum(length, hits.sum(1))
    assert (ours.MRR(config).metric_info(hits) == theirs.MRR(config).metric_info(hits)).all()
    assert (ours.NDCG(config).metric_info(hits, length) == theirs.NDCG(config).metric_info(hits, length)).all()
    np.testing.assert_allclose(
        ours.MAP(config).metric_info(hits, length), theirs.MAP(config).metric_info(hits, length), rtol=1e-15
    )


def test_gauc_equals_recboles(old_names):
    rng = np.random.default_rng(1)
    config = tiny_config()
    users, positives = rng.integers(5, 30, 50), rng.integers(0, 4, 50)
    users[:3] = positives[:3]
    ranks = np.array([rng.permutation(max(u, 1))[:p].sum() + p for u, p in zip(users, positives)], dtype=float)
    arguments = (ranks.reshape(-1, 1), users, positives)
    expected = theirs.GAUC(config).metric_info(*arguments)
    assert ours.GAUC(config).metric_info(*arguments) == pytest.approx(expected, rel=1e-14)


def test_one_target_by_hand():
    hits = np.array([[0, 0, 1, 0], [0, 0, 0, 0]])
    one = np.array([1, 1])
    config = tiny_config()
    assert ours.NDCG(config).metric_info(hits, one)[0].tolist() == [0, 0, 0.5, 0.5]  # 1 / log2(4)
    assert ours.MRR(config).metric_info(hits)[0].tolist() == [0, 0, 1 / 3, 1 / 3]
    assert ours.NDCG(config).metric_info(hits, one)[1].sum() == 0
