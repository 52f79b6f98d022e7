"""Cross-entropy and distillation over all items, some rows at a time, against their plain forms."""

import pytest
import torch
from helpers.device import on
from helpers.runs import tiny_run
from helpers.strategies import batches_of

from recbole_mdcns.equations import distillation, teacher_scores
from recbole_mdcns.kernels import mutual_softmax
from recbole_mdcns.kernels.mutual_softmax import mutual_cross_entropy
from recbole_mdcns.losses.full_softmax import cross_entropy


def inputs(model_num=2, rows=20, items=31, dtype=torch.float64):
    """Return encodings and tables of models of different widths, and targets."""
    generator = torch.Generator().manual_seed(0)
    encodings, tables = (
        [on(torch.randn(number, 5 + m, generator=generator, dtype=dtype)).requires_grad_() for m in range(model_num)]
        for number in (rows, items + 1)
    )
    return encodings, tables, on(torch.randint(1, items + 1, (rows,), generator=generator))


def plain_of(encodings, tables, target, weight, tau, mean):
    """Return each model's sum, cross-entropy and distillation."""
    scores = [h @ table.T for h, table in zip(encodings, tables)]
    teacher = teacher_scores(*(each.detach()[:, 1:] for each in scores), mean=mean)
    entropies = [cross_entropy(each, target).mean() for each in scores]
    distances = [distillation(each[:, 1:], teacher, tau) for each in scores]
    return [(e + weight * d, e, d) for e, d in zip(entropies, distances)]


@pytest.mark.parametrize("tau", [1.0, 0.7])
@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize(("held", "model_num"), [(1, 2), (400, 3), (10**6, 2)])  # rows together: the least, some, all
def test_it_equals_the_plain_form(monkeypatch, tau, mean, held, model_num):
    monkeypatch.setitem(mutual_softmax.SCORES_HELD, "cpu", held)
    monkeypatch.setattr(mutual_softmax, "LEAST_ROWS", 3)
    encodings, tables, target = inputs(model_num)
    weight = on(torch.tensor(3.0, dtype=torch.float64))
    arguments = (encodings, tables, target, weight, tau, mean)
    ours, plain = mutual_cross_entropy(*arguments), plain_of(*arguments)
    for found, expected in zip(ours, plain):
        torch.testing.assert_close(found, expected)
        assert found[0].requires_grad and not found[1].requires_grad and not found[2].requires_grad
    leaves = (*encodings, *tables)
    # factors other than 1 come down, as from a sum of losses
    totals = [sum((2 + place) * each[0] for place, each in enumerate(of)) for of in (ours, plain)]
    for left, right in zip(*(torch.autograd.grad(total, leaves) for total in totals)):
        torch.testing.assert_close(left, right)
    (alone,) = torch.autograd.grad(mutual_cross_entropy(*arguments)[0][0], encodings[1])
    assert (alone == 0).all()  # the teacher has no gradient


def test_it_passes_gradcheck_without_the_constant_teacher():
    """With weight 0 nothing is constant."""
    encodings, tables, target = inputs(rows=5, items=6)
    weight = on(torch.zeros((), dtype=torch.float64))

    def sums(*tensors):
        return tuple(each[0] for each in mutual_cross_entropy(tensors[:2], tensors[2:], target, weight, 0.7, True))

    assert torch.autograd.gradcheck(sums, (*encodings, *tables))


def test_large_scores_neither_overflow_nor_vanish():
    encodings, tables, target = inputs(dtype=torch.float32)
    encodings = [(300 * each).detach().requires_grad_() for each in encodings]
    arguments = (encodings, tables, target, on(torch.tensor(1.0)), 0.7, False)
    for found, expected in zip(mutual_cross_entropy(*arguments), plain_of(*arguments)):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)
        assert torch.autograd.grad(found[0], encodings, retain_graph=True)[0].isfinite().all()


@pytest.mark.parametrize("peer", ["GRU4Rec", "TransRec", "GRU4Rec,Mamba4Rec"])  # TransRec ranks by distances
@pytest.mark.parametrize("mean", [True, False])
def test_the_objective_is_the_plain_sum_and_grows_into_its_weight(peer, mean):
    keys = {"distill_weight": 2.0, "distill_temperature": 0.7, "distill_warmup_epochs": 4, "teacher_mean": mean}
    run = tiny_run(ranking_loss="MutualCE", peer_model=peer, **keys)
    run.trainer.prepare(run.train)
    objective, models, batch = run.trainer.loop.objective, run.trainer.scoring_models, batches_of(run)[0]
    for each in models:
        each.model.eval()
    parameters = [weight for each in models for weight in each.model.parameters()]
    scores = [model.score_all(model.encode(batch))[:, 1:] for model in models]
    teacher = objective.teacher(*(each.detach() for each in scores))
    torch.testing.assert_close(teacher, teacher_scores(*scores, mean=mean))
    for epoch, weight in ((0, 0.0), (1, 0.5), (4, 2.0), (9, 2.0)):
        objective.start_epoch(epoch)
        loss, parts = objective.step_loss(batch)
        entropies = [torch.nn.functional.cross_entropy(each, batch.target - 1) for each in scores]
        distances = [weight * distillation(each, teacher, 0.7) for each in scores]
        plain = torch.stack([*entropies, *distances]).sum()
        torch.testing.assert_close(loss, plain)
        found = [[parts[f"{each.role}/{name}"] for each in models] for name in ("all", "distill")]
        torch.testing.assert_close(found, [[e.detach() for e in entropies], [d.detach() for d in distances]])
        gradients = [
            torch.autograd.grad(each, parameters, retain_graph=True, allow_unused=True) for each in (loss, plain)
        ]
        for left, right in zip(*gradients):
            torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-6)


def test_with_weight_0_the_models_are_trained_apart():
    run = tiny_run(ranking_loss="MutualCE", peer_model="GRU4Rec", distill_weight=0)
    run.trainer.prepare(run.train)
    objective, models, batch = run.trainer.loop.objective, run.trainer.scoring_models, batches_of(run)[0]
    for each in models:
        each.model.eval()
    objective.start_epoch(0)
    loss, parts = objective.step_loss(batch)
    entropies = {
        each.role: cross_entropy(each.score_all(each.encode(batch)), batch.target).mean().detach() for each in models
    }
    torch.testing.assert_close(loss.detach(), torch.stack([*entropies.values()]).sum())
    torch.testing.assert_close(parts, {f"{role}/all": each for role, each in entropies.items()})
