"""What the candidate sampler inherits from RecBole's obeys Eq. (2), or is refused in one sentence."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.runs import tiny_run, write_inter
from recbole.sampler import RepeatableSampler
from scipy.stats import chisquare

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives.draws.used_items import UsedItems


@pytest.fixture
def run():
    run = tiny_run(neg_sampler="rns")
    run.trainer.prepare(run.train)
    return run


def trained_items(run, user):
    """All items of a user but the last two, which are validated and tested on; from the file itself."""
    names = run.data.field2id_token
    lines = [line.split("\t") for line in Path("data/tiny/tiny.inter").read_text().splitlines()[1:]]
    sequence = [item for name, item, _ in lines if name == names["user_id"][user]]
    return {names["item_id"].tolist().index(item) for item in sequence[:-2]}


def test_it_is_recboles_sampler(run):
    sampler = run.trainer.strategy.sampler
    assert isinstance(sampler, RepeatableSampler)
    assert sampler.phases == ["train"] and sampler.distribution == "uniform"


def test_used_items_are_those_of_the_training_sequences(run):
    used = run.trainer.strategy.sampler.used_ids
    assert isinstance(used, UsedItems) and len(used) == run.data.user_num
    for user in range(1, 41):
        assert used[user] == trained_items(run, user) and len(used[user]) == 10
    assert used[0] == set()
    with pytest.raises(ValueError, match="user 41 does not exist: users are numbered from 1 to 40"):
        used[41]


@pytest.mark.parametrize("users", [[3, 7, 9], [5, 5, 5], [2]])
def test_sample_by_key_ids_leaves_out_the_history_and_the_targets(run, users):
    sampler = run.trainer.strategy.sampler
    items = sampler.sample_by_key_ids(np.array(users), 200)
    assert items.dtype == torch.int64 and items.shape == (200 * len(users),)
    for place, user in enumerate(users):
        drawn = set(items[place :: len(users)].tolist())
        assert drawn == set(range(1, 31)) - trained_items(run, user)  # 200 draws of 20 items find each


def test_sample_by_user_ids_leaves_out_the_item_in_question_too(run):
    sampler = run.trainer.strategy.sampler
    users, allowed = [4, 8], [set(range(1, 31)) - trained_items(run, user) for user in (4, 8)]
    targets = [min(items) for items in allowed]
    items = sampler.sample_by_user_ids(users, torch.tensor(targets), 300)
    for place, target in enumerate(targets):
        drawn = items[place::2]
        assert set(drawn.tolist()) == allowed[place] - {target}
        counts = torch.bincount(drawn, minlength=31)[sorted(allowed[place] - {target})]
        assert chisquare(counts).pvalue > 1e-4
    assert isinstance(sampler.used_ids, UsedItems)  # RecBole's own leaves its last call's rows there


def test_draws_come_from_the_samplers_own_generator_and_go_on_in_another_phase(run):
    sampler = run.trainer.strategy.sampler
    state = sampler.generator.get_state()
    np.random.seed(0)
    first = sampler.sample_by_key_ids([1, 2], 5)
    sampler.generator.set_state(state)
    np.random.seed(1)
    copy = sampler.set_phase("train")
    assert copy is not sampler and copy.phase == "train"
    assert torch.equal(copy.sample_by_key_ids([1, 2], 5), first)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: s.set_phase("valid"), ValueError, r"Phase \[valid\] not exist"),
        (
            lambda s: s.set_distribution("popularity"),
            ConfigError,
            "distribution = 'popularity' is not .*'pns'",
        ),
        (lambda s: s.sample_by_key_ids([99], 1), ValueError, "user 99 does not exist"),
        (lambda s: s.sample_by_user_ids([-1], [3], 1), ValueError, "user -1 does not exist"),
    ],
)
def test_the_rest_is_refused(run, call, error, message):
    with pytest.raises(error, match=message):
        call(run.trainer.strategy.sampler)


def test_a_user_without_an_item_left_is_refused_where_recbole_would_draw_for_ever():
    write_inter([f"u{u}\ti{(u + step) % 8}\t{step}\n" for u in range(6) for step in range(8)], "six")
    run = tiny_run(dataset="six", neg_sampler="rns", topk=[1], valid_metric="NDCG@1")
    run.trainer.prepare(run.train)
    sampler = run.trainer.strategy.sampler
    left = set(range(1, 9)) - sampler.used_ids[1]
    assert set(sampler.sample_by_key_ids([1], 50).tolist()) == left and len(left) == 2
    one, other = left
    assert sampler.sample_by_user_ids([1], [one], 3).tolist() == [other] * 3
    sampler.used_ids = {1: set(range(1, 9))}
    with pytest.raises(ValueError, match="row 0 has no item left to draw: its user has all 8 items"):
        sampler.sample_by_key_ids([1], 1)


def test_users_that_are_not_trained_on_have_used_nothing():
    run = tiny_run(neg_sampler="rns", protocol="paper")
    run.trainer.prepare(run.train)
    used, trained = run.trainer.strategy.sampler.used_ids, set(run.data.inter_feat["user_id"].tolist())
    assert 0 < len(trained) < 40
    for user in range(1, 41):
        assert len(used[user]) == (12 if user in trained else 0)
