"""Data where users take items again: a row's own target is ranked, the rest of its history is not."""

import logging

import pytest
import torch
from helpers.runs import TINY, tiny_config, tiny_run, write_inter

from recbole_mdcns.data.load import load_splits
from recbole_mdcns.errors import DataError
from recbole_mdcns.evaluation.collector import RankCollector
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.trainer import NegativeSamplingTrainer

#: Plays by listener, oldest first; under leave-one-out the last is the test target, the one before the valid target.
PLAYS = {"a": "mnopmn", "b": "qrsqrt", "c": "mmmm", "d": "tuvwxyz", "e": "zyxwvz"}
#: By hand, from PLAYS: targets that their history holds.
VALID_AGAIN, TEST_AGAIN = {"a", "b", "c"}, {"a", "c", "e"}

KEYS = {"dataset": "plays", "topk": [1, 3, 5], "valid_metric": "Recall@5", "neg_candidate_num": 3}


def write_plays(name="plays"):
    write_inter([f"{user}\t{song}\t{t}\n" for user, songs in PLAYS.items() for t, song in enumerate(songs)], name)


def scores_by_name(run):
    """Give every song the same score in every row: later in the alphabet is better; y = 13 + 12 and so on."""
    tokens = run.data.field2id_token["item_id"]
    return torch.tensor([0.0] + [float(ord(token) - ord("a")) for token in tokens[1:]])


def rank_by_hand(history, target, masked):
    """Return the place of a target among the songs m to z that the row may rank, best first, from 1."""
    songs = {song for songs in PLAYS.values() for song in songs}
    ranked = songs - (set(history) - {target} if masked else set())
    return sorted(ranked, reverse=True).index(target) + 1


@pytest.fixture
def run():
    write_plays()
    run = tiny_run(**KEYS, peer_model="GRU4Rec")
    for encoder in run.trainer.scoring_models:
        scores = scores_by_name(run)
        encoder.model.full_sort_predict = lambda rows, s=scores: s.repeat(len(rows), 1)
    return run


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("part", "last"), [("valid", -2), ("test", -1)])
def test_recall_and_ndcg_equal_those_by_hand_for_self_peer_and_teacher(run, masked, part, last):
    run.config["mask_history"] = masked
    run.trainer.prepare(run.train)
    results = run.trainer.evaluate_all(getattr(run, part)).metrics
    places = [rank_by_hand(songs[:last], songs[last], masked) for songs in PLAYS.values()]
    assert set(results) == {"self", "peer", "teacher"}
    for metrics in results.values():
        for k in (1, 3, 5):
            assert metrics[f"recall@{k}"] == pytest.approx(sum(place <= k for place in places) / 5, abs=1e-6)


def test_a_strategy_without_peer_ranks_repeated_targets_too(run):
    trainer = NegativeSamplingTrainer(tiny_config(**KEYS, neg_sampler="rns"), run.trainer.model)
    metrics = trainer.evaluate(run.test, load_best_model=False)
    places = [rank_by_hand(songs[:-1], songs[-1], True) for songs in PLAYS.values()]
    assert metrics["recall@1"] == pytest.approx(sum(place <= 1 for place in places) / 5, abs=1e-6)


def test_hidden_are_the_history_without_the_target_and_the_padding(run, monkeypatch):
    collected, collect = {}, RankCollector.eval_batch_collect

    def keep(collector, scores, *rest):
        collected[collector.role] = scores.clone()
        collect(collector, scores, *rest)

    monkeypatch.setattr(RankCollector, "eval_batch_collect", keep)
    run.trainer.evaluate_all(run.test)
    rows, *_ = next(iter(run.test))
    tokens = run.data.field2id_token
    for scores in (collected["self"], collected["peer"], collected["teacher"]):
        for row in range(len(rows)):
            songs = PLAYS[tokens["user_id"][rows["user_id"][row]]]
            hidden = {tokens["item_id"][item] for item in (scores[row] == -torch.inf).nonzero().flatten()}
            assert hidden == (set(songs[:-1]) - {songs[-1]}) | {"[PAD]"}


def test_the_count_is_told_at_the_start_and_refused_by_strict_data(caplog):
    write_plays()
    keys = {**TINY, "neg_candidate_num": 3, "topk": [5], "valid_metric": "Recall@5", "epochs": 1}
    with caplog.at_level(logging.WARNING):
        run_recbole_mdcns("SASRec", "plays", config_dict={**keys, "neg_sampler": "rns"}, saved=False)
    told = [r.getMessage() for r in caplog.records if "own history" in r.getMessage()]
    assert len(told) == 1
    assert f"{len(VALID_AGAIN)} of 5 valid and {len(TEST_AGAIN)} of 5 test targets" in told[0]
    assert "if repeat purchases count, set mask_history = False" in told[0]
    with pytest.raises(DataError, match=r"3 of 5 valid and 3 of 5 test targets are in their own history.*strict_data"):
        load_splits(tiny_config(dataset="plays", strict_data=True))
    load_splits(tiny_config(dataset="plays", strict_data=True, mask_history=False))  # they are as any other


def test_data_without_repeats_are_not_counted(caplog):
    with caplog.at_level(logging.WARNING):
        load_splits(tiny_run().config)
    assert "own history" not in caplog.text


def test_under_paper_every_prefix_counts(caplog):
    write_plays()
    with caplog.at_level(logging.WARNING):
        config = tiny_config(dataset="plays", protocol="paper", split_ratio=[0.4, 0.2, 0.4], eval_prefixes="all")
        whole, _ = load_splits(config)
    of_user = {user: sum(s in songs[:t] for t, s in enumerate(songs) if t) for user, songs in PLAYS.items()}
    users = whole.user_split
    again = {part: sum(of_user[user] for user in users[part]) for part in ("valid", "test")}
    rows = {part: sum(len(PLAYS[user]) - 1 for user in users[part]) for part in ("valid", "test")}
    expected = " and ".join(f"{again[part]} of {rows[part]} {part}" for part in ("valid", "test"))
    assert f"{expected} targets are in their own history" in caplog.text
