"""Laws and limits: strategies that must agree, hand-worked numbers, and the distributions of draws."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.device import DEVICE, on
from helpers.runs import tiny_run, write_inter
from helpers.strategies import batches_of, make, prepared, scored_pool, uniformly, write_exposures

from recbole_mdcns.config.keys import own_keys
from recbole_mdcns.data.history import HistoryIndex
from recbole_mdcns.negatives.base import ScoredPool
from recbole_mdcns.negatives.dns_plus import DNS, DNSPlus
from recbole_mdcns.negatives.draws.popularity import Popularity, item_counts
from recbole_mdcns.negatives.gnno import GNNO
from recbole_mdcns.negatives.mixgcf import MixGCF
from recbole_mdcns.negatives.overlap import NeighbourOverlap

# -- DNS ----------------------------------------------------------------------------------------------------------


def test_dns_is_dns_plus_with_one_and_takes_the_hardest():
    pool = scored_pool(1)
    hardest = pool.scores[0].max(1).values[:, None]
    assert torch.equal(make(DNS, neg_top_num=5).choose(pool).scores[0], hardest)
    assert torch.equal(make(DNSPlus, neg_top_num=1).choose(pool).scores[0], hardest)


def test_dns_plus_with_all_candidates_has_the_law_of_rns():
    pool = scored_pool(1, target_num=6000, scale=10.0)
    chosen = make(DNSPlus, neg_top_num=10).choose(pool).scores[0]
    rank = (pool.scores[0] > chosen).sum(1)
    assert uniformly(torch.bincount(rank, minlength=10))


def test_several_draws_are_different_ones_of_the_top():
    pool = scored_pool(1, target_num=3000)
    chosen = make(DNSPlus, neg_top_num=5, neg_num=3).choose(pool).scores[0]
    rank = (pool.scores[0][:, None, :] > chosen[:, :, None]).sum(2)
    assert (rank < 5).all() and (rank.sort(1).values.diff(dim=1) > 0).all()
    assert uniformly(torch.bincount(rank.flatten(), minlength=5))
    assert make(DNSPlus, neg_top_num=5, neg_num=5).choose(pool).scores[0].shape == (3000, 5)


# -- MixGCF -------------------------------------------------------------------------------------------------------


def test_mixgcf_is_the_explicit_mixture_of_embeddings_and_chooses_as_dns():
    torch.manual_seed(0)
    encoding, target, items = on(torch.randn(6, 4)), on(torch.randn(6, 4)), on(torch.randn(6, 10, 4))
    positive, scores = (encoding * target).sum(1), (encoding[:, None] * items).sum(2)
    pool = ScoredPool(None, None, [encoding], [positive], [scores])
    strategy = make(MixGCF)
    own = torch.Generator(DEVICE).manual_seed(strategy.generator.initial_seed())
    share = torch.rand(6, 1, generator=own, device=DEVICE)
    mixed = share[:, :, None] * target[:, None] + (1 - share[:, :, None]) * items
    hardest = (encoding[:, None] * mixed).sum(2).max(1)
    torch.testing.assert_close(strategy.choose(pool).scores[0][:, 0], hardest.values)
    assert torch.equal(hardest.indices, scores.argmax(1))


def test_mixing_each_candidate_chooses_the_hardest_mixture_and_the_positive_can_be_left_alone():
    pool = scored_pool(1, target_num=200)
    strategy = make(MixGCF, mix_per="candidate")
    own = torch.Generator(DEVICE).manual_seed(strategy.generator.initial_seed())
    share = torch.rand(200, 10, generator=own, device=DEVICE)
    mixed = share * pool.positive[0][:, None] + (1 - share) * pool.scores[0]
    torch.testing.assert_close(strategy.choose(pool).scores[0][:, 0], mixed.max(1).values)
    assert (mixed.argmax(1) != pool.scores[0].argmax(1)).any()
    for detach in (False, True):
        chosen = make(MixGCF, mix_detach_positive=detach).choose(pool).scores[0]
        (gradient,) = torch.autograd.grad(chosen.sum(), pool.positive[0], allow_unused=True)
        assert (gradient is None) == detach


# -- PNS ----------------------------------------------------------------------------------------------------------


def test_popularity_counts_each_training_position_once():
    run = prepared("pns")
    counts = torch.zeros(31)
    for user in range(40):  # all but the last two of 12 items
        start = int(run.data.inter_feat["history_start"].unique()[user])
        for item in run.data.history.items[start : start + 10].tolist():
            counts[item] += 1
    assert torch.equal(item_counts(run.data).float().cpu(), counts)


def test_popular_items_are_drawn_in_proportion_to_the_power_of_their_count():
    counts = on(torch.tensor([0, 1, 4, 0, 16]))
    drawn = Popularity(counts, 0.5, DEVICE).draw((400, 50), torch.Generator(DEVICE).manual_seed(0))
    found = torch.bincount(drawn.flatten(), minlength=5)
    assert found[0] == found[3] == 0
    assert uniformly(found[[1, 2, 4]], [1 / 7, 2 / 7, 4 / 7])
    log_q = Popularity(counts, 0.5, DEVICE).log_q
    assert log_q[[1, 2, 4]].exp().tolist() == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    assert log_q[3].exp().item() == pytest.approx(1 / 7)  # as the rarest: only a uniform replacement can be item 3
    uniform = Popularity(counts, 0.0, DEVICE).log_q[[1, 2, 4]]
    assert uniform.tolist() == pytest.approx([-math.log(3)] * 3)


def test_the_power_of_the_key_is_that_of_the_draws():
    counts = item_counts(prepared("pns").data)
    counted = counts > 0
    assert len(counts[counted].unique()) > 1
    for power in (0.0, 2.0):
        found = prepared("pns", pop_power=power).trainer.strategy.popularity.probability[counted.to(DEVICE)]
        expected = counts[counted].double() ** power
        torch.testing.assert_close(found, on(expected / expected.sum()))


def test_the_highest_power_leaves_every_probability_a_number():
    highest = own_keys()["pop_power"].allowed.maximum
    popularity = Popularity(on(torch.tensor([0, 1, 10**12])), highest, DEVICE)
    assert popularity.log_q[1:].tolist() == pytest.approx([-highest * 12 * math.log(10), 0])
    assert set(popularity.draw((5, 9), torch.Generator(DEVICE).manual_seed(0)).flatten().tolist()) == {2}


# -- ENS ----------------------------------------------------------------------------------------------------------


def exposed(**keys):
    """User u0 is shown item i20 at time 3 and i25 at time 6; nobody else is shown anything."""
    write_inter(
        [f"u{u}\ti{(u % 3) + t}\t{t}\n" for u in range(6) for t in range(12)] + ["far\ti20\t0\n", "far\ti25\t1\n"]
    )
    write_exposures(["u0\ti25\t6\n", "u0\ti20\t3\n", "u0\tnever heard of\t1\n", "nobody\ti20\t1\n"])
    run = tiny_run(neg_sampler="ens", neg_num=1, topk=[10], **keys)
    run.trainer.prepare(run.train)
    return run


def test_the_share_of_exposed_draws_is_that_of_the_key():
    """The other draws are uniform, and some of them are the exposed item too."""
    run = exposed(exposure_share=0.4)
    strategy, rows = run.trainer.strategy, run.data.inter_feat
    of_u0 = rows["user_id"] == run.data.field2token_id["user_id"]["u0"]
    (row,) = (of_u0 & (rows["timestamp"] == 5)).nonzero()[0].tolist()
    (batch,) = (
        b.select(on(torch.zeros(6000)).long() + (b.row_index == row).nonzero().squeeze(1))
        for b in batches_of(run)
        if (b.row_index == row).any()
    )
    exposed_num = (strategy.propose(batch) == run.data.field2token_id["item_id"]["i20"]).sum()
    share = 0.4 + 0.6 / int(strategy.sampler.allowed_num(batch)[0])
    assert uniformly([exposed_num, 6000 - exposed_num], [share, 1 - share])


def test_exposures_come_before_the_target():
    run = exposed()
    strategy, data = run.trainer.strategy, run.data
    user, item = data.field2token_id["user_id"]["u0"], data.field2token_id["item_id"]
    seen = {}
    for _ in range(30):
        for batch in batches_of(run):
            for row, time, drawn in zip(
                batch.user, data.inter_feat["timestamp"][batch.row_index.cpu()], strategy.propose(batch)
            ):
                if row == user:
                    seen.setdefault(int(time), set()).add(int(drawn))
    for time, drawn in seen.items():
        if time <= 3:
            assert len(drawn) > 2  # uniform: nothing was shown before
        else:
            assert drawn == ({item["i20"]} if time <= 6 else {item["i20"], item["i25"]})


# -- GNNO ---------------------------------------------------------------------------------------------------------


def graph_of(sequences, item_num):
    """Every position but the first is a training target."""
    items = np.concatenate(sequences)
    starts = np.repeat(np.cumsum([0, *map(len, sequences)])[:-1], list(map(len, sequences)))
    ends = np.flatnonzero(np.arange(len(items)) != starts)
    rows = {"history_start": torch.from_numpy(starts[ends]), "history_end": torch.from_numpy(ends)}
    return SimpleNamespace(inter_feat=rows, item_num=item_num + 1, history=HistoryIndex(items, starts, item_num + 1))


def test_overlap_by_hand():
    """1 2 3 4 5 within 3 steps: N(1) = 2 3 4, N(5) = 2 3 4, N(2) = 1 3 4 5; 6 7: neighbours of each other."""
    overlap = NeighbourOverlap(graph_of([[1, 2, 3, 4, 5], [6, 7]], 8), DEVICE)
    items = on(torch.tensor([[1, 5, 2, 6, 8]]))
    # |{3, 4}| of |{1, 2, 3, 4, 5}|
    assert overlap(on(torch.tensor([1])), items).tolist()[0] == pytest.approx([1.0, 1.0, 2 / 5, 0.0, 0.0])
    assert overlap(on(torch.tensor([6])), items).tolist()[0] == pytest.approx([0.0, 0.0, 0.0, 1.0, 0.0])
    assert len(overlap.keys) <= 6 * 6


def test_items_and_pairs_that_come_again_are_neighbours_once_and_an_item_is_not_its_own():
    """1 2 1 3 1 2: N(1) = 2 3, N(2) = 1 3, N(3) = 1 2."""
    overlap = NeighbourOverlap(graph_of([[1, 2, 1, 3, 1, 2]], 3), DEVICE)
    items = on(torch.tensor([[1, 2, 3]]))
    assert overlap(on(torch.tensor([1])), items).tolist()[0] == pytest.approx([1.0, 1 / 3, 1 / 3])
    assert overlap(on(torch.tensor([3])), items).tolist()[0] == pytest.approx([1 / 3, 1 / 3, 1.0])


def test_graph_negatives_follow_exp_of_the_overlap_up_to_the_hardness():
    strategy = make(GNNO, gnno_combine="add", neg_num=1, gnno_hard_num=1)
    strategy.overlap = NeighbourOverlap(graph_of([[1, 2, 3, 4, 5], [6, 7]], 8), DEVICE)
    strategy.hardness.fill_(0.6)
    number = 20_000
    proposals = on(torch.randint(2, 9, (number, strategy.candidate_num), generator=torch.Generator().manual_seed(0)))
    strategy.sampler = SimpleNamespace(sample=lambda batch: proposals)
    drawn = strategy.propose(SimpleNamespace(target=on(torch.ones(number, dtype=torch.int64))))[:, 1]
    # of target 1: J(5) = 1 is too close; J(2) = J(3) = J(4) = 2/5, the others 0
    overlap = strategy.overlap(on(torch.tensor([1])), on(torch.arange(2, 9))[None])[0]
    law = torch.where(overlap <= 0.6, overlap.exp(), 0.0)
    counts = torch.bincount(drawn, minlength=9)[2:]
    assert counts[3] <= 1  # only where all proposals were too close
    keep = law > 0
    assert uniformly(counts[keep], (law / law.sum())[keep])


def test_where_all_proposals_are_too_close_those_that_overlap_least_are_taken():
    strategy = make(GNNO, gnno_combine="add", neg_num=1, gnno_hard_num=2)
    strategy.overlap = NeighbourOverlap(graph_of([[1, 2, 3, 4, 5]], 5), DEVICE)
    strategy.hardness.fill_(0.0)
    proposals = on(torch.tensor([[2, *[1, 5, 2, 1, 5, 3, 1, 5] * 2]]))
    strategy.sampler = SimpleNamespace(sample=lambda batch: proposals)
    drawn = strategy.propose(SimpleNamespace(target=on(torch.ones(1, dtype=torch.int64))))
    assert drawn.tolist() == [[2, 2, 3]]  # of target 1: J(2) = J(3) = 2/5, J(1) = J(5) = 1


def test_gnno_has_the_asked_number_of_candidates_or_adds_its_own_with_equal_weights():
    run = prepared("gnno", neg_candidate_num=5, gnno_hard_num=1)
    assert run.trainer.strategy.propose(batches_of(run)[0]).shape == (50, 5)
    added = make(GNNO, gnno_combine="add", neg_num=2, gnno_hard_num=1).choose(scored_pool(1, candidate_num=3))
    assert added.scores[0].shape == (6, 3) and added.weights[0].tolist() == pytest.approx([1 / 3] * 3)


def test_gnno_among_the_candidates_takes_several_of_the_hardest():
    pool = scored_pool(1, target_num=500)
    three = make(GNNO, neg_num=3, neg_top_num=3, gnno_hard_num=1).choose(pool)
    assert torch.equal(three.scores[0].sort(1, descending=True).values, pool.scores[0].topk(3, dim=1).values)
    assert three.weights[0].tolist() == pytest.approx([1 / 3] * 3)


def test_hardness_grows_from_its_epoch_to_its_limit():
    strategy = make(GNNO, gnno_hard_num=9, gnno_start_epoch=2, gnno_pace=0.1, gnno_max=0.25)
    found = []
    for epoch in range(7):
        strategy.start_epoch(epoch)
        found.append(round(float(strategy.hardness), 6))
    assert found == [0, 0, 0, 0.1, 0.2, 0.25, 0.25]
