"""One contract for all negative-sampling strategies."""

from pathlib import Path

import pytest
import torch
from helpers.device import DEVICE
from helpers.runs import HEADER, states, tiny_config, tiny_run
from helpers.strategies import batches_of, chosen_of, pool_of, prepared

from recbole_mdcns.data.exposure import read_exposures
from recbole_mdcns.errors import ConfigError, DataError
from recbole_mdcns.negatives import ScoredPool, resolve_strategy, strategy_names
from recbole_mdcns.negatives.mdcns import MDCNS

NAMES = strategy_names()


def own_state_of_torch():
    return torch.get_rng_state() if DEVICE.type == "cpu" else torch.cuda.get_rng_state(DEVICE)


@pytest.mark.parametrize("name", NAMES)
class TestEveryStrategy:
    def test_candidates_are_neither_target_nor_history(self, name):
        run = prepared(name)
        history = run.data.history
        for _ in range(3):
            for batch in batches_of(run):
                pool = pool_of(run, batch)
                assert pool.candidates.min() >= 1 and pool.candidates.max() <= 30
                seen = history.contains(batch.history_start, batch.history_end, pool.candidates)
                assert not (seen | (pool.candidates == batch.target[:, None])).any()
                run.trainer.strategy.choose(pool)

    def test_shapes_and_gradients(self, name):
        run = prepared(name)
        strategy, batch = run.trainer.strategy, batches_of(run)[0]
        chosen = chosen_of(run, batch)
        models = len(run.trainer.scoring_models)
        assert len(chosen.scores) == len(chosen.weights) == models == 1 + strategy.needs_peer
        number = chosen.scores[0].size(1)
        assert len(strategy.views) in (1, number)
        for scores, weights in zip(chosen.scores, chosen.weights):
            assert scores.shape == (len(batch), number) and scores.requires_grad
            assert weights.shape == (number,) and not weights.requires_grad
        assert len(chosen.extra) in (0, models)
        assert chosen.factors is None or not chosen.factors.requires_grad

    def test_no_draw_comes_from_torchs_own_generator(self, name):
        """That one is for dropout, and differs between processes, which must choose alike."""
        run = prepared(name, neg_top_num=3)
        run.trainer.strategy.start_epoch(3)
        batch, before = batches_of(run)[0], own_state_of_torch()
        chosen_of(run, batch)
        assert torch.equal(own_state_of_torch(), before)

    def test_no_gradient_flows_through_the_choice(self, name):
        """The chosen scores move one to one with the scores they were chosen from (mixtures with their share)."""
        run = prepared(name)
        batch = batches_of(run)[0]
        pool = pool_of(run, batch)
        leaves = [s.detach().requires_grad_() for s in pool.scores]
        chosen = run.trainer.strategy.choose(ScoredPool(batch, pool.candidates, pool.encodings, pool.positive, leaves))
        for scores, leaf in zip(chosen.scores, leaves):
            (gradient,) = torch.autograd.grad(scores.sum(), leaf)
            if name.startswith("mixgcf"):
                assert (gradient.count_nonzero(1) == 1).all() and (gradient >= 0).all() and (gradient < 1).all()
            else:
                assert (gradient.sum(1) == scores.size(1)).all() and (gradient == gradient.round()).all()

    def test_deterministic_under_the_seed_and_state_round_trip(self, name):
        first, second = prepared(name), prepared(name)

        def walk(run, number):
            return [chosen_of(run, batch).scores[0].detach() for batch in batches_of(run)[:number]]

        assert all(map(torch.equal, walk(first, 4), walk(second, 4)))
        fresh = prepared(name)
        fresh.trainer.strategy.load_state_dict(first.trainer.strategy.state_dict())
        assert all(map(torch.equal, walk(first, 6), walk(fresh, 6)))

    def test_same_choice_in_all_batchings_given_the_same_draws(self, name):
        ends = []
        for mode in ("user", "row"):
            run = prepared(name, peer_model="GRU4Rec", MAX_ITEM_LIST_LENGTH=12)  # whole histories, so one window each
            run.trainer.strategy.start_epoch(3)
            walk = []
            for batch in batches_of(run, "user"):
                if mode == "row":
                    batch.passes = None
                chosen = chosen_of(run, batch)
                walk += [*chosen.scores, *[term["distill"][None] for term in chosen.extra]]
            ends.append(walk)
        for one, other in zip(*ends):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)

    def test_trains(self, name):
        """With BPR; every strategy teaches more with BCE in ``tests/whole_run/test_known_answers.py``."""
        run = prepared(name, ranking_loss="BPR", epochs=4, learning_rate=0.02, peer_model="GRU4Rec")
        before = states(run.trainer)
        score, _ = run.trainer.fit(run.train, run.valid, verbose=False, saved=False)
        assert all(not torch.equal(old[key], new[key]) for old, new in zip(before, states(run.trainer)) for key in old)
        first, last = run.trainer.epoch_log[0]["loss"], run.trainer.epoch_log[-1]["loss"]
        assert last < first and score > 0.8, (first, last, score)  # at random .2


@pytest.mark.parametrize(
    ("loss", "keys", "batching"),
    [("CE", {}, "row"), ("SCE", {"sce_bucket_items": 20}, "row"), ("SSM", {"neg_sampler": "rns", "neg_num": 8}, "row"),
     ("gBCE", {"neg_sampler": "rns", "neg_num": 8, "epochs": 10}, "row"),
     ("SSM", {"neg_sampler": "pns", "neg_num": 8}, "user"), ("SSM", {"neg_sampler": "in_batch", "neg_num": 8}, "row"),
     ("SSM", {"neg_sampler": "in_batch", "neg_num": 8}, "user")],
)  # fmt: skip
def test_softmax_losses_train(loss, keys, batching):
    """What is not in ``tests/whole_run/test_known_answers.py``, which has the first four by user."""
    run = tiny_run(ranking_loss=loss, batching=batching, **{"epochs": 6, "learning_rate": 0.02, **keys})
    score, _ = run.trainer.fit(run.train, run.valid, verbose=False, saved=False)
    assert run.trainer.epoch_log[-1]["loss"] < run.trainer.epoch_log[0]["loss"]
    assert score > 0.8, score  # at random .2


def test_losses_and_strategies_that_do_not_go_together_are_refused():
    with pytest.raises(ConfigError, match="neg_sampler = 'rns' .* 'CE', .*leave neg_sampler out"):
        tiny_config(ranking_loss="CE", neg_sampler="rns")
    with pytest.raises(ConfigError, match=r"neg_sampler = 'dns' .* 'SSM', which .*: choose in_batch, mdcns, pns, rns"):
        tiny_config(ranking_loss="SSM", neg_sampler="dns")
    with pytest.raises(ConfigError, match="neg_sampler = 'pns' is not allowed with .* 'gBCE', .*: choose mdcns, rns"):
        tiny_config(ranking_loss="gBCE", neg_sampler="pns")
    with pytest.raises(ConfigError, match="neg_sampler = 'dns' is not allowed with .* 'gBCE', .*: choose mdcns, rns$"):
        tiny_config(ranking_loss="gBCE", neg_sampler="dns")
    with pytest.raises(ConfigError, match="lazy_items is not allowed with ranking_loss = 'CE', which scores all items"):
        tiny_config(ranking_loss="CE", lazy_items=True)
    with pytest.raises(
        ConfigError, match=r"neg_candidate_num \+ 7 gnno_hard_num = 38 is not allowed: user .* has \d+ of"
    ):
        run = tiny_run(neg_sampler="gnno", neg_candidate_num=10, gnno_hard_num=4)
        run.trainer.prepare(run.train)
    added = tiny_run(neg_sampler="gnno", gnno_combine="add", gnno_hard_num=2)  # which has no pool of 100 candidates
    added.trainer.prepare(added.train)
    with pytest.raises(ConfigError, match="neg_sampler = 'none' is not allowed: choose adasir"):
        tiny_config(neg_sampler="none")
    with pytest.raises(ConfigError, match=r"SCE.* is not allowed with self model TransRec: its scores"):
        tiny_run("TransRec", ranking_loss="SCE")
    with pytest.raises(
        ConfigError, match="neg_num = 4 is not allowed: dns_plus draws from the neg_top_num = 3 highest"
    ):
        tiny_run(neg_sampler="dns_plus", neg_num=4, neg_top_num=3)
    with pytest.raises(ConfigError, match=r"adasir_sample_num = 200 is not allowed: user u0 has 20 of 30 items left"):
        tiny_run(neg_sampler="adasir")
    with pytest.raises(ConfigError, match=r"adasir_sample_num = 30 is not allowed: user .* has \d+ of 30 items left"):
        run = tiny_run(neg_sampler="adasir", adasir_sample_num=30)
        run.trainer.fit(run.train)


def test_pools_other_draws_and_the_loss_have_streams_of_their_own():
    """A shared stream would draw the candidates and the choice among them by the same random numbers."""
    run = prepared("mdcns", seed=7)
    strategy, loss = run.trainer.strategy, run.trainer.loop.objective.loss
    seeds = [each.initial_seed() for each in (strategy.sampler.generator, strategy.generator, loss.generator)]
    assert seeds == [7, 8, 9]


def test_strategies_are_named_or_imported():
    assert resolve_strategy("recbole_mdcns.negatives.mdcns:MDCNS") is MDCNS
    with pytest.raises(ConfigError, match="'mdsn' is not allowed .*mdcns.*: choose adasir, .* package.module"):
        tiny_config(neg_sampler="mdsn")
    with pytest.raises(ConfigError, match="neg_sampler = 'nowhere:X': module 'nowhere' cannot be imported"):
        tiny_config(neg_sampler="nowhere:X")
    with pytest.raises(ConfigError, match="pathlib.py has no class .Nothing"):
        tiny_config(neg_sampler="pathlib:Nothing")
    with pytest.raises(ConfigError, match="pathlib:Path.* is not a subclass of NegativeStrategy"):
        tiny_config(neg_sampler="pathlib:Path")


def test_exposures_need_the_times_as_they_are():
    with pytest.raises(
        ConfigError, match="normalize_all = True is not allowed with neg_sampler = 'ens', which compares"
    ):
        tiny_config(neg_sampler="ens", normalize_all=True)


def test_exposures_must_exist():
    with pytest.raises(DataError, match=r"tiny\.exposed does not exist"):
        run = tiny_run(neg_sampler="ens")
        run.trainer.prepare(run.train)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HEADER + "u1\ti1\tnever\n", r"tiny\.exposed, line 2: timestamp = 'never' is not a number"),
        (HEADER + "u1\ti1\t1e9\nstranger\ti1\t1\n", "none of the 360 targets has .* among 1 exposures of known"),
        ("user_id:token\titem_id:token\nu1\ti1\n", r"tiny\.exposed, line 1: column timestamp is missing"),
        (HEADER + "u1\ti1\t1\nu1\ti2\n", r"tiny\.exposed, line 3: expected 3 columns"),
        (HEADER + "u1\ti1\t1\nu1\ti2\t2\t9\n", r"tiny\.exposed, line 3: expected 3 columns"),
        ("", r"tiny\.exposed is empty"),
        (HEADER + "u\udcff1\ti1\t1\n", r"tiny\.exposed.*: not utf-8 text; set the key encoding"),
    ],
)
def test_malformed_exposures_are_refused_with_their_place(content, message):
    Path("data/tiny/tiny.exposed").write_text(content, errors="surrogateescape")
    run = tiny_run(neg_sampler="ens")
    with pytest.raises(DataError, match=message):
        run.trainer.prepare(run.train)


def test_exposures_are_read_as_interactions_are():
    """Quotes are text, and ``encoding`` holds."""
    inter = [f"ü{user}\ti{(user * 3 + step) % 30}\t{step}\n" for user in range(9) for step in range(9)]
    shown = [f"ü{user}\ti{user}\t3\n" for user in range(9)]
    for mark in (2, 5):
        shown[mark] = shown[mark].replace("i", '"i')
    for name, lines in (("inter", inter), ("exposed", shown)):
        Path(f"data/tiny/tiny.{name}").write_text(HEADER + "".join(lines), encoding="latin-1")
    items, *_ = read_exposures(tiny_run(neg_sampler="ens", encoding="latin-1").data)
    assert len(items) == 7


def test_exposures_of_ids_of_digits_are_found():
    inter = [f"{user}\t{(user * 3 + step) % 30:02}\t{step}\n" for user in range(9) for step in range(9)]
    Path("data/tiny/tiny.inter").write_text(HEADER + "".join(inter))
    Path("data/tiny/tiny.exposed").write_text(
        HEADER + "".join(f"{user}\t0{user}\t3\n{user}\t{user}\t3\n" for user in range(9))
    )
    items, *_ = read_exposures(tiny_run(neg_sampler="ens").data)
    assert len(items) == 9, "0 is not 00"


def test_exposures_after_a_target_stay_after_it_where_float32_cannot_tell():
    """Times of 2022 have steps of 128 s in float32: + 70 and + 100 both become + 128."""
    base = 1_650_000_000
    inter = [f"u{user}\ti{step}\t{base + 1280 * step + 70}\n" for user in range(3) for step in range(5)]
    Path("data/tiny/tiny.inter").write_text(HEADER + "".join(inter))
    Path("data/tiny/tiny.exposed").write_text(HEADER + f"u0\ti4\t{base + 1280 + 100}\n")  # 30 s after a target
    data = tiny_run(neg_sampler="ens", topk=[2], valid_metric="NDCG@2", neg_candidate_num=1).data
    _, _, count = read_exposures(data)
    of_u0 = data.inter_feat["user_id"] == data.field2token_id["user_id"]["u0"]
    assert count[of_u0].tolist() == [0, 1]


def test_exposures_of_a_target_are_those_of_its_user_before_its_time():
    """One at the time of the target is no earlier one; the lines are in no order, and some users have none."""
    inter = [f"u{user}\ti{step}\t{10 * step}\n" for user in range(3) for step in range(5)]
    Path("data/tiny/tiny.inter").write_text(HEADER + "".join(inter))
    shown = "u2\ti4\t25\nu1\ti3\t20\nu1\ti2\t10\nu1\ti1\t5\nstranger\ti1\t1\nu1\tunknown\t1\n"
    Path("data/tiny/tiny.exposed").write_text(HEADER + shown)
    keys = {"topk": [2], "valid_metric": "NDCG@2", "neg_candidate_num": 1}
    data = tiny_run(neg_sampler="ens", **keys).data
    items, first, count = read_exposures(data)
    names = data.field2id_token["item_id"]
    users = data.field2id_token["user_id"][data.inter_feat["user_id"].numpy()]
    found = {
        (user, time): [names[item] for item in items[begin : begin + number]]
        for user, time, begin, number in zip(
            users, data.inter_feat["timestamp"].int().tolist(), first.tolist(), count.tolist()
        )
    }
    # the targets of training are the items of the times 10 and 20
    assert found == {
        ("u0", 10): [], ("u0", 20): [], ("u1", 10): ["i1"], ("u1", 20): ["i1", "i2"], ("u2", 10): [], ("u2", 20): [],
    }  # fmt: skip
