"""Softmax losses and gBCE on pools through the objective: what they must equal, and that they train."""

import pytest
import torch
import torch.nn.functional as F
from helpers.device import on
from helpers.runs import fit, states, tiny_run
from helpers.strategies import batches_of

from recbole_mdcns.equations import FORBIDDEN_SCORE, consistency, distillation
from recbole_mdcns.losses.listwise import gbce, log_mass_of, sampled_softmax, scaled_softmax
from recbole_mdcns.negatives import ScoredPool

SHARED = {"ranking_loss": "SSM", "pool_scope": "batch"}


def made(model="SASRec", weights=None, **keys):
    """Return a run that is ready for steps without dropout, its objective, and a batch."""
    run = tiny_run(model, **{"neg_candidate_num": 10, **keys})
    run.trainer.prepare(run.train)
    for place, each in enumerate(run.trainer.scoring_models):
        if weights is not None:
            each.model.load_state_dict(weights[place])
        each.model.eval()
    objective = run.trainer.loop.objective
    objective.start_epoch(0)
    return run, objective, batches_of(run)[0]


def gradients(loss, *models):
    """Return the gradients of all weights of some models."""
    return torch.autograd.grad(
        loss, [weight for each in models for weight in each.model.parameters()], retain_graph=True
    )


def compare(found, expected, *models):
    torch.testing.assert_close(found, expected)
    for left, right in zip(gradients(found, *models), gradients(expected, *models)):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("keys", [{}, {"ssm_scale": True}])
@pytest.mark.parametrize(("model", "exclude"), [("SASRec", "target"), ("SASRec", "history"), ("TransRec", "target")])
def test_a_pool_of_all_items_is_cross_entropy_over_the_allowed_items(keys, model, exclude):
    run, objective, batch = made(model, neg_sampler="rns", neg_num=30, exclude=exclude, **SHARED, **keys)
    (scoring_model,) = run.trainer.scoring_models
    loss, _ = objective.step_loss(batch)
    scores = scoring_model.score_all(scoring_model.encode(batch))[:, 1:]
    if exclude == "history":
        everything = on(torch.arange(1, 31)).expand(len(batch), -1)
        seen = objective.strategy.sampler.history.contains(batch.history_start, batch.history_end, everything)
        scores = scores.masked_fill(seen.scatter(1, batch.target[:, None] - 1, False), -torch.inf)
    compare(loss, F.cross_entropy(scores, batch.target - 1), scoring_model)


@pytest.mark.parametrize(
    "keys", [{}, {"ssm_scale": True}, {"pool_in_batch_share": 0.5, "pool_popular_share": 0.2, "exclude": "user_train"}]
)
def test_mdcns_without_distillation_is_two_models_apart_on_the_same_pool(keys):
    run, objective, batch = made(peer_model="GRU4Rec", distill_weight=0, **SHARED, **keys)
    models = run.trainer.scoring_models
    weights = states(run.trainer)
    loss, parts = objective.step_loss(batch)
    assert set(parts) == {"self/pool", "peer/pool"}
    total = 0
    for place, name in enumerate(("SASRec", "GRU4Rec")):
        alone, single, _ = made(name, [weights[place]], neg_sampler="rns", neg_num=10, **SHARED, **keys)
        one, _ = single.step_loss(batch)
        torch.testing.assert_close(one.detach(), parts[f"{models[place].role}/pool"])
        ours = torch.autograd.grad(loss, list(models[place].model.parameters()), retain_graph=True)
        for left, right in zip(ours, gradients(one, *alone.trainer.scoring_models)):
            torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-6)
        total = total + one.detach()
    torch.testing.assert_close(loss.detach(), total)


def scores_of(run, batch, pool):
    """Return each model's scores of the targets and the pool, one item of one target at a time, and the allowed."""
    allowed = ~run.trainer.strategy.sampler.forbidden(pool.candidates(), batch)
    found = []
    for each in run.trainer.scoring_models:
        encoding = each.encode(batch)
        positive = each.score(encoding, batch.target[:, None])[:, 0]
        found.append((positive, each.score(encoding, pool.candidates().contiguous())))
    return found, allowed


@pytest.mark.parametrize(
    "keys", [{}, {"ssm_scale": True}, {"pool_popular_share": 0.6}, {"pool_popular_share": 0.6, "ssm_scale": True}]
)
def test_one_model_on_a_shared_pool_is_the_sampled_softmax_of_its_allowed_items(keys):
    """Row by row, without the forbidden items: nothing of them is left in the loss."""
    run, objective, batch = made(neg_sampler="rns", neg_num=12, **SHARED, **keys)
    loss, _ = objective.step_loss(batch)
    pool = made(neg_sampler="rns", neg_num=12, **SHARED, **keys)[1].strategy.propose(batch)  # the first of the seed
    ((positive, negative),), allowed = scores_of(run, batch, pool)
    assert 0 < int((~allowed).sum()) < allowed.numel() // 2
    free = objective.strategy.sampler.allowed_num(batch)
    losses = []
    for t in range(len(batch)):
        own, others = positive[t : t + 1], negative[t : t + 1, allowed[t]]
        if keys.get("ssm_scale"):
            mass = (free[t] / allowed[t].sum()).expand_as(others)
            if pool.log_q is not None:
                mass = 1 / (12 * pool.log_q[1][t, allowed[t]].exp()[None])
            losses.append(scaled_softmax(own, others, mass.log()))
        else:
            log_q = None if pool.log_q is None else (pool.log_q[0][t : t + 1], pool.log_q[1][t, allowed[t]][None])
            losses.append(sampled_softmax(own, others, log_q))
    compare(loss, torch.cat(losses).mean(), *run.trainer.scoring_models)


def test_distillation_and_gbce_on_a_shared_pool_are_the_plain_formulas():
    keys = {"pool_scope": "batch", "ranking_loss": "gBCE", "distill_weight": 3.0, "distill_temperature": 0.7}
    run, objective, batch = made(peer_model="GRU4Rec", **keys)
    loss, parts = objective.step_loss(batch)
    pool = made(peer_model="GRU4Rec", **keys)[1].strategy.propose(batch)
    found, allowed = scores_of(run, batch, pool)
    masked = [(positive, negative.masked_fill(~allowed, FORBIDDEN_SCORE)) for positive, negative in found]
    joined = [torch.cat([positive[:, None], negative], 1) for positive, negative in masked]
    teacher = (joined[0] + joined[1]) / 2
    plain = on(torch.zeros(()))
    for (positive, negative), each in zip(masked, joined):
        plain = plain + gbce(positive, negative, 30, 0.75).mean() + 3 * distillation(each, teacher, 0.7)
    compare(loss, plain, *run.trainer.scoring_models)
    assert set(parts) == {"self/pool", "self/distill", "peer/pool", "peer/distill"}


def test_hard_draws_estimate_the_mass_of_the_pool():
    _, objective, batch = made(peer_model="GRU4Rec", distill_weight=0, ssm_scale=True, pool_hard_num=20, **SHARED)
    with torch.no_grad():
        pool = objective.scored(batch, objective.encode(batch), objective.strategy.propose(batch))
        # an untrained model has flat scores
        spread = on(torch.randn(2, *pool.scores[0].shape, generator=torch.Generator().manual_seed(0)))
        pool.scores = [scores + more for scores, more in zip(pool.scores, spread)]
        log_mass = objective.strategy.log_mass(pool)
        exact = [(scores + log_mass).exp().sum(1) for scores in pool.scores]
        sums = [torch.zeros_like(each) for each in exact]
        for _ in range(600):
            chosen = objective.strategy.choose(pool)
            assert chosen.log_mass.shape == chosen.scores[0].shape == (len(batch), 20)
            for total, scores in zip(sums, chosen.scores):
                assert scores.min() > FORBIDDEN_SCORE / 2
                total += (scores + chosen.log_mass).exp().sum(1)
    for total, expected in zip(sums, exact):
        torch.testing.assert_close(total / 600, expected, rtol=0.15, atol=0.0)
        assert (total.sum() / 600 / expected.sum()).item() == pytest.approx(1, abs=0.01)


def test_draws_for_each_target_stand_for_the_inverse_of_their_probability():
    """Popular draws have the masses of :func:`log_mass_of`."""
    run, objective, batch = made(neg_sampler="pns", neg_num=6, ranking_loss="SSM", ssm_scale=True, exclude="target")
    loss, _ = objective.step_loss(batch)
    other = made(neg_sampler="pns", neg_num=6, ranking_loss="SSM", ssm_scale=True, exclude="target")[1]
    pool = objective.scored(batch, objective.encode(batch), other.strategy.propose(batch))
    plain = scaled_softmax(pool.positive[0], pool.scores[0], log_mass_of(objective.strategy.log_q(pool)))
    compare(loss, plain.mean(), *run.trainer.scoring_models)


def test_the_masses_of_popular_draws_sum_to_the_number_of_other_items():
    run, objective, batch = made(neg_sampler="pns", neg_num=20, ranking_loss="SSM", ssm_scale=True, exclude="target")
    total = torch.zeros(len(batch), device=batch.target.device)
    for _ in range(500):
        candidates = objective.strategy.propose(batch)
        pool = ScoredPool(batch, candidates, [], [], [])
        total += log_mass_of(objective.strategy.log_q(pool)).exp().sum(1)
    others = run.trainer.model.n_items - 2  # without the padding and the target
    torch.testing.assert_close(total / 500, torch.full_like(total, others), rtol=0.05, atol=0.0)


def test_two_passes_are_their_mean_and_their_distance():
    run, objective, batch = made(peer_model="GRU4Rec", rdrop_weight=0.0, **SHARED)
    same = made(peer_model="GRU4Rec", rdrop_weight=5.0, **SHARED)[1].step_loss(batch)  # without dropout
    plain = objective.step_loss(batch)
    torch.testing.assert_close(same[0], plain[0])
    assert same[1]["self/rdrop"] == 0 and set(same[1]) == {*plain[1], "self/rdrop", "peer/rdrop"}

    run, objective, batch = made(peer_model="GRU4Rec", rdrop_weight=5.0, **SHARED)
    kept = []
    scored = objective.scored
    objective.scored = lambda *arguments: kept.append(scored(*arguments)) or kept[-1]
    for each in run.trainer.scoring_models:
        each.model.train()
    loss, parts = objective.step_loss(batch)
    first, second = kept
    assert torch.equal(first.candidates, second.candidates) and not torch.equal(first.scores[0], second.scores[0])
    expected = (objective.pool_loss(first)[0] + objective.pool_loss(second)[0]) / 2
    for index, role in enumerate(("self", "peer")):
        one, two = (torch.cat([p.positive[index][:, None], p.scores[index]], 1) for p in kept)
        distance = 5 * consistency(one, two)
        torch.testing.assert_close(parts[f"{role}/rdrop"], distance.detach())
        expected = expected + distance
    compare(loss, expected, *run.trainer.scoring_models)


def test_pools_where_some_targets_may_have_nothing_give_numbers():
    for keys in ({"ssm_scale": True, "pool_hard_num": 3}, {"rdrop_weight": 1.0}, {"logq_refined": True}):
        run, objective, batch = made(
            peer_model="TransRec",
            neg_candidate_num=3,
            distill_positive=False,
            distill_temperature=0.7,
            **SHARED,
            **keys,
        )
        pool = objective.strategy.propose(batch)
        assert pool.forbidden.any()
        pool.forbidden[:7] = True
        objective.strategy.propose = lambda _, pool=pool: pool
        loss, _ = objective.step_loss(batch)
        assert loss.isfinite()
        assert all(each.isfinite().all() for each in gradients(loss, *run.trainer.scoring_models))


@pytest.mark.parametrize(
    "keys",
    [
        {**SHARED, "ssm_scale": True},
        {**SHARED, "ssm_scale": True, "rdrop_weight": 0.5},
        {**SHARED, "ssm_scale": True, "pool_hard_num": 6},
        {
            **SHARED,
            "logq_refined": True,
            "pool_popular_share": 0.3,
            "pool_in_batch_share": 0.3,
            "enable_amp": True,
            "exclude": "user_train",
        },
        {**SHARED, "lazy_items": True, "peer_model": "GRU4Rec,Mamba4Rec"},
        {"ranking_loss": "gBCE", "pool_scope": "batch", "distill_weight": 0.0, "epochs": 12},  # it learns late
        {"ranking_loss": "MutualCE"},
        {"pool_scope": "batch"},
        {"pool_scope": "batch", "neg_sampler": "rns", "neg_num": 8},
        {"pool_scope": "batch", "neg_sampler": "dns"},
        {"pool_scope": "batch", "neg_sampler": "dns_plus", "neg_top_num": 3, "neg_num": 2},
    ],
)
def test_they_train(keys):
    """The rule is learned: NDCG@10 at random is .2."""
    run = tiny_run(**{"peer_model": "GRU4Rec", "distill_weight": 1.0, "epochs": 4, "learning_rate": 0.02, **keys})
    score, _ = fit(run, saved=False)
    assert run.trainer.epoch_log[-1]["loss"] < run.trainer.epoch_log[0]["loss"]
    assert score > 0.8, score


@pytest.mark.parametrize("ranking_loss", ["BCE", "BPR"])
def test_a_pairwise_loss_on_a_shared_pool_is_the_mean_over_the_allowed_negatives(ranking_loss):
    run, objective, batch = made(neg_sampler="rns", neg_num=12, pool_scope="batch", ranking_loss=ranking_loss)
    state = objective.strategy.sampler.generator.get_state()
    loss, _ = objective.step_loss(batch)
    objective.strategy.sampler.generator.set_state(state)
    pool = objective.strategy.propose(batch)
    (model,) = run.trainer.scoring_models
    scores = model.score_all(model.encode(batch))
    positive, negative = scores.gather(1, batch.target[:, None]), scores[:, pool.items]
    pairs = {"BCE": F.softplus(-positive) + F.softplus(negative), "BPR": F.softplus(negative - positive)}[ranking_loss]
    assert pool.forbidden.any()
    means = [pair[~forbidden].mean() for pair, forbidden in zip(pairs, pool.forbidden)]
    compare(loss, torch.stack(means).mean(), model)
