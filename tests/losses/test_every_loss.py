"""One contract for all ranking losses, and what each of them refuses."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from helpers.device import DEVICE, on
from helpers.runs import fit, same, states, tiny_config, tiny_run

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.losses import CatalogueLoss, LossOfNegatives, ModelScores, RankingLoss, resolve_loss
from recbole_mdcns.model.item_sequence import ItemSequenceModel
from recbole_mdcns.support.declared import declared

NAMES = list(declared("losses"))
OF_NEGATIVES = [name for name in NAMES if resolve_loss(name).needs_negatives]
CATALOGUE = [name for name in NAMES if not resolve_loss(name).needs_negatives]
#: Targets, negatives, items.
T, K, V = 6, 3, 30


def made(name, seed=1, **keys):
    """Return a loss on a configuration that fits it."""
    sampler = {"neg_sampler": "rns", "neg_num": K} if name in OF_NEGATIVES else {}
    return resolve_loss(name)(tiny_config(ranking_loss=name, seed=seed, **sampler, **keys), V, DEVICE)


def model_scores(factors=None, log_q=False):
    generator = torch.Generator().manual_seed(0)
    positive, negative = (on(torch.randn(shape, generator=generator, dtype=torch.float64)) for shape in ((T,), (T, K)))
    of_targets, of_negatives = (
        on(torch.rand(s, generator=generator, dtype=torch.float64)).log() for s in ((T,), (T, K))
    )
    if factors is not None:
        factors = on(torch.rand(factors, generator=generator, dtype=torch.float64))
    weights = on(torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64))
    leaves = positive.requires_grad_(), negative.requires_grad_()
    return ModelScores(*leaves, weights, factors, (of_targets, of_negatives) if log_q else None)


#: The formulas as they are printed, one loss per target and negative [T, K], or per target [T].
PLAIN = {
    "BCE": lambda p, n: -p.sigmoid().log()[:, None] - (1 - n.sigmoid()).log(),
    "BPR": lambda p, n: -(p[:, None] - n).sigmoid().log(),
    "SSM": lambda p, n: -(p.exp() / (p.exp() + n.exp().sum(1))).log(),
    # a = 3 / 29, t = .75: b = 1 - t + t a
    "gBCE": lambda p, n: -((0.25 + 0.75 * 3 / 29) * p.sigmoid().log() + (1 - n.sigmoid()).log().sum(1)) / (K + 1),
}


@pytest.mark.parametrize("name", NAMES)
class TestEveryLoss:
    def test_it_is_of_one_of_the_two_kinds(self, name):
        loss = resolve_loss(name)
        assert issubclass(loss, LossOfNegatives) == loss.needs_negatives != issubclass(loss, CatalogueLoss)

    def test_state_round_trip_and_deterministic_by_seed(self, name):
        first, second, other = made(name), made(name), made(name, seed=2)

        def draws(loss):
            return torch.rand(4, generator=loss.generator, device=DEVICE).tolist()

        assert draws(first) == draws(second) != draws(other)
        later = made(name)
        later.load_state_dict(first.state_dict())
        assert draws(later) == draws(first)

    def test_training_is_deterministic_by_seed(self, name):
        keys = {"neg_sampler": "rns", "neg_num": 2} if name in OF_NEGATIVES else {"sce_bucket_items": 5}
        keys = {key: value for key, value in keys.items() if key != "sce_bucket_items" or name == "SCE"}
        ends = []
        for seed in (5, 5, 6):
            run = tiny_run(ranking_loss=name, seed=seed, epochs=1, **keys)
            fit(run, saved=False)
            ends.append(states(run.trainer))
        assert same(ends[0], ends[1]) and not same(ends[0], ends[2])


@pytest.mark.parametrize("name", OF_NEGATIVES)
class TestEveryLossOfNegatives:
    def test_values_and_gradients_are_those_of_the_plain_formula(self, name):
        scores = model_scores()
        losses, weights = made(name)(scores)
        plain = PLAIN[name](scores.positive, scores.negative)
        assert losses.shape == weights.shape == ((K,) if plain.dim() == 2 else (1,))
        torch.testing.assert_close(losses, plain.mean(0, keepdim=plain.dim() == 1))
        leaves = (scores.positive, scores.negative)
        for ours, theirs in zip(
            torch.autograd.grad(losses.sum(), leaves), torch.autograd.grad(plain.mean(0).sum(), leaves)
        ):
            torch.testing.assert_close(ours, theirs)

    def test_weights_are_those_of_the_negatives_and_factors_those_of_the_targets(self, name):
        scores = model_scores(factors=(T, 1))
        losses, weights = made(name)(scores)
        plain = PLAIN[name](scores.positive, scores.negative)
        if plain.dim() == 2:
            expected = ((plain * scores.factors).mean(0) * scores.weights).sum()
        else:
            expected = (plain * scores.factors[:, 0]).mean()
        torch.testing.assert_close((losses * weights).sum(), expected)

    def test_factors_of_each_negative_are_used_or_refused(self, name):
        scores = model_scores(factors=(T, K))
        plain = PLAIN[name](scores.positive, scores.negative)
        if plain.dim() == 1:
            with pytest.raises(ConfigError, match="separate factor"):
                made(name)(scores)
            return
        losses, _ = made(name)(scores)
        torch.testing.assert_close(losses, (plain * scores.factors).mean(0))

    def test_log_probabilities_reach_the_sampled_softmax_alone(self, name):
        scores = model_scores(log_q=True)
        positive, negative = scores.positive, scores.negative
        if name == "SSM":
            positive, negative = positive - scores.log_q[0], negative - scores.log_q[1]
        plain = PLAIN[name](positive, negative)
        losses, _ = made(name)(scores)
        torch.testing.assert_close(losses, plain.mean(0, keepdim=plain.dim() == 1))


def test_without_the_correction_log_probabilities_are_left_out():
    corrected, plain = (made("SSM", logq_correction=on)(model_scores(log_q=True))[0] for on in (True, False))
    torch.testing.assert_close(plain, made("SSM")(model_scores())[0])
    assert not torch.equal(corrected, plain)


def test_the_calibration_of_gbce_is_that_of_the_key():
    scores = model_scores()
    without, _ = made("gBCE", gbce_calibration=0.0)(scores)
    plain = (F.softplus(-scores.positive) + F.softplus(scores.negative).sum(1)) / (K + 1)
    torch.testing.assert_close(without, plain.mean(0, keepdim=True))


def test_the_items_of_a_bucket_are_as_many_as_the_key_says(monkeypatch):
    sizes = []
    monkeypatch.setattr("recbole_mdcns.losses.sce.sce", lambda *given: sizes.append(given[3:6]) or on(torch.ones(1)))
    run = tiny_run(ranking_loss="SCE", sce_bucket_items=7)
    run.trainer.loop.objective.loss(run.trainer.scoring_models[0], on(torch.ones(25, 16)), on(torch.ones(25).long()))
    assert sizes == [(10, 10, 7)]  # 2 sqrt(25) buckets of as many states


@pytest.mark.parametrize(("name", "model"), [("CE", "SASRec"), ("CE", "TransRec"), ("SCE", "SASRec")])
def test_losses_over_the_catalogue_and_their_gradients(name, model):
    """SCE whose buckets hold all states and all items is the full softmax."""
    run = tiny_run(model, ranking_loss=name, **({"sce_bucket_items": 100} if name == "SCE" else {}))
    (scoring_model,), loss = run.trainer.scoring_models, run.trainer.loop.objective.loss
    run.trainer.prepare(run.train)
    batch = next(iter(run.trainer.batches)).select(on(torch.arange(4)))  # 2 sqrt(4) buckets of 4 states: all of them
    table = scoring_model.item_table if model == "SASRec" else on(torch.zeros(1))
    encoding = on(torch.randn(4, table.size(1) if model == "SASRec" else 31, requires_grad=True))
    found = loss(scoring_model, encoding, batch.target)
    scores = encoding @ table[:31].T if model == "SASRec" else encoding
    plain = F.cross_entropy(scores[:, 1:], batch.target - 1)
    assert found.shape == ()
    torch.testing.assert_close(found, plain)
    leaves = (encoding, table) if model == "SASRec" else (encoding,)
    for ours, theirs in zip(torch.autograd.grad(found, leaves), torch.autograd.grad(plain, leaves)):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


class WithMask(ItemSequenceModel):
    """Its table has a row more than there are items, for a mask."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.item_embedding = torch.nn.Embedding(self.n_items + 1, self.hidden_size, padding_idx=0)
        self.apply(self._init_weights)

    def forward(self, item_seq, item_seq_len):
        return self.gather_indexes(self.item_embedding(item_seq), item_seq_len - 1)

    def full_sort_predict(self, interaction):
        return super().full_sort_predict(interaction)[:, : self.n_items]


@pytest.mark.parametrize("peer", ["GRU4Rec", "TransRec"])  # which takes all items' scores
@pytest.mark.parametrize("name", CATALOGUE)
def test_rows_of_a_table_past_the_last_item_are_no_items(name, peer):
    others = {"peer_model": peer, "distill_weight": 1.0} if name == "MutualCE" else {}
    run = tiny_run(f"{__name__}:WithMask", ranking_loss=name, initializer_range=0.02, **others)
    run.trainer.prepare(run.train)
    loss, _ = run.trainer.loop.objective.step_loss(next(iter(run.trainer.batches)))
    (gradient,) = torch.autograd.grad(loss, run.trainer.model.item_embedding.weight)
    assert (gradient[1:31] != 0).any(1).all() and (gradient[31] == 0).all()


@pytest.mark.parametrize("name", CATALOGUE)
def test_losses_over_the_catalogue_score_half_encodings_in_full_width(name):
    run = tiny_run("GRU4Rec", ranking_loss=name, enable_amp=True)  # GRU4Rec ends in a linear map
    run.trainer.prepare(run.train)
    batch, objective = next(iter(run.trainer.batches)), run.trainer.loop.objective
    objective.start_epoch(5)
    assert objective.encode(batch)[0].dtype == torch.bfloat16
    loss, _ = objective.step_loss(batch)
    assert loss.dtype == torch.float32
    loss.backward()
    assert run.trainer.model.item_embedding.weight.grad.isfinite().all()


@pytest.mark.parametrize("name", CATALOGUE)
def test_losses_over_the_catalogue_refuse_negatives_and_lazy_items(name):
    with pytest.raises(ConfigError, match=f"lazy_items is not allowed with ranking_loss = '{name}'"):
        tiny_config(ranking_loss=name, lazy_items=True)
    run = tiny_run(ranking_loss=name)
    assert run.trainer.strategy is None and len(run.trainer.scoring_models) == 1 + resolve_loss(name).needs_peer


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"ranking_loss": "SSM", "neg_sampler": "dns"},
            "neg_sampler = .dns. .* .SSM., which .* known .*: choose in_batch, mdcns, pns, rns$",
        ),
        (
            {"ranking_loss": "gBCE", "neg_sampler": "pns"},
            "neg_sampler = 'pns' .* 'gBCE', .* uniform draws: choose mdcns, rns$",
        ),
        ({"ranking_loss": "Hinge"}, "'Hinge' is not allowed.*: choose BCE, BPR, CE, MutualCE, SCE, SSM, gBCE, or"),
        ({"ranking_loss": "pathlib:Path"}, "pathlib:Path.* is not a subclass of RankingLoss"),
        ({"ranking_loss": "nowhere:X"}, "ranking_loss = 'nowhere:X': module 'nowhere' cannot be imported"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_loaded(keys, message):
    with pytest.raises(ConfigError, match=message):
        tiny_config(**keys)


def test_models_that_a_loss_cannot_train_are_refused_when_they_are_built():
    with pytest.raises(ConfigError, match=r"ranking_loss = 'SCE' is not allowed with self model TransRec"):
        tiny_run("TransRec", ranking_loss="SCE")
    for name in set(NAMES) - {"SCE"}:
        made(name).check_model(SimpleNamespace(role="self", model=None))  # all others take any


class Neither(RankingLoss):
    """Of no kind."""

    needs_negatives = False


def test_a_loss_of_neither_kind_is_refused():
    with pytest.raises(ConfigError, match="Neither is neither a LossOfNegatives nor a CatalogueLoss"):
        tiny_run(ranking_loss=f"{__name__}:Neither")


def test_buckets_are_drawn_from_the_generator_of_the_loss():
    run = tiny_run(ranking_loss="SCE", epochs=1, seed=3)
    assert run.trainer.loop.objective.state_dict().keys() == {"loss"}
    fit(run, saved=False)
    state = run.trainer.loop.objective.state_dict()["loss"]["generator"]
    assert not torch.equal(state, made("SCE", seed=3).generator.get_state())
