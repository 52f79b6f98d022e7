"""What a loaded model gives for odd sequences, and that its ways to recommend agree with each other."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.device import DEVICE
from helpers.paths import python_path
from helpers.runs import TINY, cycle_lines, fit, tiny_run, write_inter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

from recbole_mdcns.data.load import dataset_of
from recbole_mdcns.errors import CheckpointError, ConfigError, DataError
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.recommend import load, top_items

HISTORIES = {"p": ["i3", "i4", "i5"], "q": ["i20"], "r": [f"i{n}" for n in range(12)]}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return the file of a model that knows what comes next on the circle of 30 items, with its peer beside it."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("trained"))
    try:
        write_inter(cycle_lines())
        run = tiny_run("GRU4Rec", peer_model="SASRec", epochs=6)
        fit(run)
        return Path(run.trainer.files.best).resolve()
    finally:
        os.chdir(before)


@pytest.fixture
def recommender(trained):
    return load(trained, DEVICE)


def fitted(model, **keys):
    run = tiny_run(model, epochs=1, neg_sampler="rns", **keys)
    fit(run)
    return load(run.trainer.files.best, DEVICE)


def test_no_model_is_logged_which_would_be_once_whole_and_once_small(trained, caplog):
    with caplog.at_level(logging.INFO):
        load(trained, DEVICE)
    assert "Trainable parameters" not in caplog.text


# Odd sequences


def test_seen_items_are_left_out_or_kept_and_all_of_a_long_sequence_are_seen(recommender):
    assert recommender.window == 8
    found = recommender.recommend(HISTORIES, k=30)
    for user, items in HISTORIES.items():
        got = found[found["user"] == user]
        assert got["rank"].tolist() == list(range(1, 31 - len(items)))  # k is larger than what is left
        assert set(got["item"]) == {f"i{n}" for n in range(30)} - set(items)
        assert (got["score"].diff().dropna() <= 0).all()
    kept = recommender.recommend(HISTORIES, k=30, exclude_seen=False)
    assert kept.groupby("user").size().tolist() == [30, 30, 30]


def test_of_a_long_sequence_the_newest_items_are_read(recommender):
    long, newest = [f"i{n}" for n in range(12)], [f"i{n}" for n in range(4, 12)]
    scores = recommender.score([long, newest], recommender.item_ids)
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)


def test_allowed_items_only(recommender):
    found = recommender.recommend({"u": ["i1", "i2"]}, allowed=["i9", "i2", "i5", "i9"])
    assert sorted(found["item"]) == ["i5", "i9"]  # i2 is seen
    assert recommender.recommend({"u": ["i1"]}, allowed=["i1"]).empty
    every = recommender.recommend(HISTORIES, k=3)
    assert recommender.recommend(HISTORIES, k=3, allowed=reversed(recommender.item_ids)).equals(every)


def test_skipped_sequences_change_no_others(recommender, caplog):
    odd = {"a": ["nothing"], **HISTORIES, "z": []}
    assert recommender.recommend(odd, on_unknown="skip").equals(recommender.recommend(HISTORIES))
    assert "1 of 17 items" in caplog.text and "2 of 5 sequences have no item" in caplog.text
    assert recommender.recommend({"a": ["nothing"]}, on_unknown="skip").empty  # alone as in company
    assert recommender.recommend([]).empty and list(recommender.recommend([])) == ["user", "rank", "item", "score"]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"k": 0}, ConfigError, "k = 0 is not allowed"),
        ({"k": 2.0}, ConfigError, "k = 2.0"),
        ({"k": True}, ConfigError, "k = True"),
        ({"batch_size": 0}, ConfigError, "batch_size = 0"),
        ({"model": "peer2"}, ConfigError, "model = 'peer2' is not allowed: choose self, peer, teacher$"),
        ({"model": "best"}, ConfigError, "its training has not finished; choose self, peer, teacher"),
        ({"columns": ("u", "i", "t")}, ConfigError, r"columns = \('u', 'i', 't'\) is not allowed: give Columns"),
        ({"allowed": []}, DataError, "allowed: it is empty"),
        ({"allowed": "i1"}, DataError, "allowed = 'i1' is not allowed: give a list of ids"),
        ({"allowed": 5}, DataError, "allowed = 5 is not allowed: give a list of ids"),
        ({"allowed": ["i1", "x"]}, DataError, "allowed: item 'x' is unknown; the model knows ids such as"),
        ({"sequences": [["x", "i1"]]}, DataError, "1 of 2 items are not among the 30"),
        ({"sequences": [[]]}, DataError, "1 of 1 sequences have no item"),
    ],
)
def test_arguments_that_are_refused(recommender, arguments, error, said):
    with pytest.raises(error, match=said):
        recommender.recommend(**{"sequences": HISTORIES, **arguments})


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "meta", 7.5])
def test_devices_that_are_refused(device):
    with pytest.raises(ConfigError, match="device = .* is not allowed"):
        load("gone.pth", device)


def test_similar_items_of_all_items_are_those_of_parts(recommender, monkeypatch):
    whole = recommender.similar_items(recommender.item_ids, k=3)
    assert len(whole) == 90 and whole["item"].unique().tolist() == recommender.item_ids
    monkeypatch.setattr("recbole_mdcns.recommend.loaded_run.rows_at_once", lambda row_size, k: 7)
    pd.testing.assert_frame_equal(recommender.similar_items(recommender.item_ids, k=3), whole)


def test_scores_that_are_no_numbers_are_refused(recommender):
    with torch.no_grad():
        recommender.model_of("self")[0].item_table.fill_(torch.nan)
    with pytest.raises(CheckpointError, match="gives scores that are not numbers"):
        recommender.recommend(HISTORIES)


# Ways to recommend


def test_recommend_score_and_encode_agree(recommender):
    ids, table = recommender.item_embeddings()
    assert ids == recommender.item_ids and len(ids) == 30
    scores = recommender.encode(HISTORIES) @ table.T  # [3, 30]
    np.testing.assert_allclose(recommender.score(HISTORIES, ids), scores, rtol=1e-4, atol=1e-5)
    backwards = recommender.score(HISTORIES, ids[::-1])
    np.testing.assert_allclose(backwards[:, ::-1], scores, rtol=1e-4, atol=1e-5)
    found = recommender.recommend(HISTORIES, k=5, exclude_seen=False)
    for row, (user, top) in enumerate(found.groupby("user")):
        assert user == "pqr"[row] and top["item"].tolist() == [ids[n] for n in np.argsort(-scores[row])[:5]]
    read = recommender.read(HISTORIES)
    lists = [items for top in recommender.top_items(read, k=5, exclude_seen=False) for items in top.lists()]
    assert lists == found.groupby("user")["item"].agg(list).tolist()


def test_the_teacher_is_the_mean_of_all(recommender):
    by_role = {role: recommender.score(HISTORIES, ["i1", "i6"], model=role) for role in recommender.roles}
    np.testing.assert_allclose(by_role["teacher"], (by_role["self"] + by_role["peer"]) / 2, rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError, match="several models does not score by inner products"):
        recommender.encode(HISTORIES, model="teacher")


def test_similar_items_have_the_largest_cosines(recommender):
    ids, table = recommender.item_embeddings()
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    found = recommender.similar_items(["i4", "i9"], k=3)
    for item in ("i4", "i9"):
        cosines = unit @ unit[ids.index(item)]
        cosines[ids.index(item)] = -2
        got = found[found["item"] == item]
        assert got["similar"].tolist() == [ids[n] for n in np.argsort(-cosines)[:3]]
        np.testing.assert_allclose(got["score"], np.sort(cosines)[::-1][:3], rtol=1e-4)
    with pytest.raises(DataError, match="items: item 'x' is unknown"):
        recommender.similar_items(["x"])


@pytest.mark.parametrize("model", ["self", "teacher"])
def test_any_batch_size_gives_the_same(recommender, model):
    users = {f"u{n}": [f"i{(n + step) % 30}" for step in range(1 + n % 10)] for n in range(40)}
    expected = recommender.recommend(users, k=4, model=model)
    for batch_size in (1, 7, np.int64(64)):
        found = recommender.recommend(users, k=4, model=model, batch_size=batch_size)
        np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-4, atol=1e-5)
        assert found.drop(columns="score").equals(expected.drop(columns="score"))


def test_what_names_no_sequences_keeps_their_places(recommender):
    """Left-out sequences have no numbers, and the others those that they have alone."""
    odd, places = [["nothing"], ["i1"], [], ["i2", "x"]], [1, 3]
    alone = [["i1"], ["i2"]]
    for of, more in ((recommender.score, (["i2", "i3"],)), (recommender.encode, ())):
        found = of(odd, *more, on_unknown="skip")
        assert len(found) == 4 and np.isnan(found[[0, 2]]).all()
        np.testing.assert_array_equal(found[places], of(alone, *more))
    assert np.isnan(recommender.score([[]], ["i1"], on_unknown="skip")).shape == (1, 1)


def test_numbers_of_numpy_count(recommender):
    three = recommender.recommend(HISTORIES, 3, batch_size=2)
    assert recommender.recommend(HISTORIES, np.int64(3), batch_size=np.int32(2)).equals(three)
    assert recommender.similar_items(["i1"], np.int64(2)).equals(recommender.similar_items(["i1"], 2))


def test_sequences_belong_to_the_items_that_they_were_read_with(recommender, trained, monkeypatch, tmp_path):
    own = recommender.read(HISTORIES)
    assert load(trained, DEVICE).recommend(own).equals(recommender.recommend(HISTORIES))
    monkeypatch.chdir(tmp_path)
    write_inter(cycle_lines(item_num=31))
    other = fitted("SASRec")
    for use in (other.recommend, lambda read: next(other.top_items(read))):
        with pytest.raises(DataError, match="read by a model with other items: read them with this one"):
            use(own)
    with pytest.raises(ConfigError, match="top_items takes what read or sequences_of_users gave"):
        next(recommender.top_items([["i1"]]))


def test_a_model_is_a_file():
    with pytest.raises(CheckpointError, match="path = None is not allowed: give the file of a saved model"):
        load(None)


# Users


def test_a_model_that_embeds_users_knows_its_users_only(caplog):
    recommender = fitted("HGN")
    known = recommender.recommend({"u3": ["i1"], "u4": ["i1"]}, k=2)
    assert known["user"].tolist() == ["u3", "u3", "u4", "u4"]
    with pytest.raises(DataError, match="1 of 2 users are unknown, such as 'new', and HGN embeds users"):
        recommender.recommend({"u3": ["i1"], "new": ["i1"]})
    with pytest.raises(DataError, match="lists name no users, and HGN embeds users"):
        recommender.recommend([["i1"]])
    left = recommender.recommend({"new": ["i1"], "u3": ["i1"], "u4": ["i1"]}, k=2, on_unknown="skip")
    assert left.equals(known) and "1 of 3 users are unknown" in caplog.text


def test_sequences_of_many_lengths_keep_their_places_in_a_batch(trained):
    """More than the 64 that are encoded together: a batch of 100 is sorted by length, batches of 7 are not."""
    recommender = load(trained, DEVICE)
    lengths = [1 + (7 * place) % 8 for place in range(100)]
    histories = [[f"i{(3 * place + step) % 30}" for step in range(length)] for place, length in enumerate(lengths)]
    items = [f"i{n}" for n in range(30)]
    for role in ("self", "teacher"):
        together, apart = (recommender.score(histories, items, role, batch_size=size) for size in (100, 7))
        np.testing.assert_allclose(together, apart, rtol=1e-5, atol=1e-6)
        assert len(np.unique(together.round(5), axis=0)) > 30


def test_users_of_the_run_have_their_whole_histories(trained, caplog):
    recommender = load(trained, DEVICE)
    every = recommender.sequences_of_users(data_path=trained.parent.parent / "data")
    walks = pd.DataFrame([line.split() for line in cycle_lines()], columns=["user", "item", "time"])
    histories = walks.groupby("user", sort=False)["item"].agg(list)
    assert sorted(every.names) == sorted(histories.index)
    ids = np.array(["", *recommender.item_ids], dtype=object)
    for place, user in enumerate(every.names):
        assert ids[every.part(place, place + 1).items].tolist() == histories[user]
    some = recommender.sequences_of_users(["u7", "u2", "u7"], data_path=trained.parent.parent / "data")
    assert some.names.tolist() == ["u7", "u2"] and ids[some.items].tolist() == histories["u7"] + histories["u2"]
    with caplog.at_level(logging.WARNING):
        with pytest.raises(DataError, match="on_unknown = 'raise' is not allowed: choose error or skip"):
            recommender.sequences_of_users(["x"], trained.parent.parent / "data", on_unknown="raise")
        kept = recommender.sequences_of_users(["x", "u7"], trained.parent.parent / "data", on_unknown="skip")
    assert kept.names.tolist() == ["u7"] and "user 'x' is not among the 40 of tiny" in caplog.text
    assert "(1 of 2 are unknown); they get no recommendations" in caplog.text
    for users, said in ((["x"], "user 'x' is not among the 40 of tiny"), ("u7", "users = 'u7' is not allowed: give a")):
        with pytest.raises(DataError, match=said):
            recommender.sequences_of_users(users, data_path=trained.parent.parent / "data")


# Memory


class Largest(TorchDispatchMode):
    """Notes the most numbers that a result's memory holds."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for each in tree_flatten(result)[0]:
            if isinstance(each, torch.Tensor):
                self.numbers = max(self.numbers, each.untyped_storage().nbytes() // each.element_size())
        return result


@pytest.mark.parametrize("model", ["SASRec", "TransRec", "FPMC", "CORE"])
@pytest.mark.parametrize("k", [3, 500])
def test_no_tensor_is_larger_than_the_budget(model, k, monkeypatch):
    """400 sequences and 1,000 items have 400,000 scores; TransRec holds 16 numbers for each; SASRec ranks by blocks."""
    write_inter(cycle_lines(user_num=400, item_num=1000, length=6))
    recommender = fitted(model)
    budget = 40_000  # of which the table of items takes 16,000
    read = recommender.read({f"u{n}": [f"i{n}", f"i{n + 1}"] for n in range(400)}, on_unknown="skip")
    assert len(read) * len(recommender.item_ids) > 8 * budget
    together = list(recommender.top_items(read, k=k, batch_size=10_000))
    for name in ("SCORES_HELD", "NUMBERS_HELD"):
        monkeypatch.setattr(top_items, name, budget)
    with Largest() as largest:
        found = list(recommender.top_items(read, k=k, batch_size=10_000))
    assert budget / 2 < largest.numbers <= budget
    scores, expected = (np.concatenate([top.scores for top in parts]) for parts in (found, together))
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


# From a run to recommendations


def test_a_fresh_process_elsewhere_without_the_data_gives_what_evaluation_ranked_first(tmp_path):
    result = run_recbole_mdcns("GRU4Rec", "tiny", config_dict={**TINY, "epochs": 4, "checkpoint_dir": "saved"})
    record = result["record"]
    path = next(path for path in Path("saved").glob("*.pth") if path.stem.split("-")[-1] not in ("last", "peer"))
    best = max(record["valid"], key=lambda role: record["valid"][role]["ndcg@10"])
    assert load(path).best_role == best
    in_record = record["test_rows"]
    rank_of = dict(zip(in_record["names"].split("\n"), map(int, in_record["places"]["self"].split(","))))
    data = dataset_of(tiny_run().test)
    rows = data.inter_feat[torch.arange(len(data))]
    names = data.field2id_token["item_id"]
    spans = zip(rows["history_start"].tolist(), rows["history_end"].tolist())
    histories = [names[data.history.items[start:end].cpu().numpy()].tolist() for start, end in spans]
    targets = names[rows["item_id"].numpy()]
    ranks = np.array([rank_of[user] for user in data.field2id_token["user_id"][rows["user_id"].numpy()]])
    shutil.rmtree("data")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = (
        "import json, sys, recbole_mdcns.recommend as r; m = r.load(sys.argv[1], sys.argv[4]); "
        "s = json.loads(sys.argv[2]); t = m.recommend(s, k=1, model=sys.argv[3]); "
        "assert m.recommend(s, model='best').equals(m.recommend(s, model=m.best_role)); "
        "print(json.dumps(list(t['item'])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path.resolve()), json.dumps(histories), "self", str(DEVICE)],
        capture_output=True, text=True, cwd=elsewhere, env={**os.environ, "PYTHONPATH": python_path()},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    first = np.array(json.loads(done.stdout.splitlines()[-1]))
    assert ((first == targets) == (ranks == 1)).all() and (ranks == 1).sum() > 10
