"""Training: parameters move, quality rises, ablations reduce to what they must, runs repeat bit for bit."""

import logging
import re
import sys
from types import SimpleNamespace

import pytest
import torch
from helpers.device import DEVICE
from helpers.runs import fit, same, states, tiny_run

from recbole_mdcns.encoder.scoring_model import InnerProductModel
from recbole_mdcns.errors import ConfigError, TrainingError
from recbole_mdcns.model.item_sequence import ItemSequenceModel
from recbole_mdcns.recommend import load
from recbole_mdcns.trainer import NegativeSamplingTrainer

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0, "dropout_prob": 0.0}
SAMPLERS = ["mdcns", "dns_plus", "rns", "srns"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_parameter_of_every_model_moves(sampler):
    run = tiny_run(neg_sampler=sampler, epochs=1)
    before = states(run.trainer)
    fit(run, saved=False)
    assert len(before) == len(run.trainer.optimizers) == (2 if sampler == "mdcns" else 1)
    for old, encoder in zip(before, run.trainer.scoring_models):
        for name, new in encoder.model.named_parameters():
            assert not torch.equal(old[name], new), f"{encoder.role} {name}"
    padding = run.trainer.model.item_embedding.weight[0]
    assert torch.equal(padding, before[0]["item_embedding.weight"][0])


@pytest.mark.parametrize(
    ("model", "peer", "loss"),
    [("SASRec", "GRU4Rec", "BPR"), ("GRU4Rec", "SASRec", "BCE"), ("GRU4Rec", "GRU4Rec", "BCE")],
)
def test_mdcns_learns_a_known_next_item(model, peer, loss):
    run = tiny_run(model, peer_model=peer, ranking_loss=loss, epochs=6)
    score, result = fit(run, saved=False)
    assert score == result["ndcg@10"] > 0.85  # ranking 18 unseen items at random gives about 0.25
    entry = run.trainer.epoch_log[-1]
    assert entry["loss"] < run.trainer.epoch_log[0]["loss"]
    views = {f"{role}/{part}" for role in ("self", "peer") for part in ("self", "peer", "teacher", "distill")}
    assert set(entry["parts"]) == views
    assert entry["loss"] == pytest.approx(sum(entry["parts"].values()), rel=1e-5)


def test_the_loss_of_an_epoch_is_the_mean_over_its_targets():
    """Nothing moves, and a batch of 40 targets counts less than the others of 64."""
    keys = {**NO_DROPOUT, "batching": "row", "shuffle": False, "learner": "sgd", "learning_rate": 1e-12, "epochs": 1}
    run = tiny_run(ranking_loss="CE", **keys)
    fit(run, saved=False)
    (entry,) = run.trainer.epoch_log
    batches = list(run.trainer.batches)
    assert [len(batch) for batch in batches] == [64] * 5 + [40] and entry["targets"] == 360
    total = sum(len(batch) * run.trainer.loop.objective.step_loss(batch)[0].item() for batch in batches)
    assert entry["loss"] == entry["parts"]["self/all"] == pytest.approx(total / 360, rel=1e-6)


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_order_of_the_targets_is_drawn_anew_in_each_epoch_of_a_run_that_shuffles(shuffle):
    run = tiny_run(neg_sampler="rns", batching="row", shuffle=shuffle)
    run.trainer.prepare(run.train)
    first, second = (torch.cat([batch.row_index for batch in run.trainer.batches]).tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(360)) and (first == second) == (not shuffle)


def test_every_model_trains_in_training_mode_after_a_validation_too():
    run = tiny_run(evaluate_peers=True)
    models, take, modes = [each.model for each in run.trainer.scoring_models], run.trainer.loop.step, []
    run.trainer.loop.step = lambda loss: modes.append([model.training for model in models]) or take(loss)
    fit(run, saved=False)
    assert len(modes) == 2 * len(run.trainer.batches) and all(map(all, modes))


def test_a_step_forgets_the_gradient_of_the_step_before():
    keys = {**NO_DROPOUT, "batching": "row", "shuffle": False, "learner": "sgd", "learning_rate": 1e-12}
    run = tiny_run(ranking_loss="CE", **keys)
    run.trainer.prepare(run.train)
    weight, gradients = run.trainer.model.item_embedding.weight, []
    for _ in range(2):
        run.trainer.train_step(next(iter(run.trainer.batches)))
        gradients.append(weight.grad.clone())
    torch.testing.assert_close(*gradients)


def test_all_extras_off_is_dns_plus_on_the_self_model_alone():
    """Divergence, peer and teacher views, distillation 0: the self model's weights equal DNS+'s, up to rounding."""
    keys = dict(NO_DROPOUT, epochs=2)
    off = dict(divergence_weight=0, peer_neg_weight=0, teacher_neg_weight=0, distill_weight=0)
    mdcns = tiny_run(**keys, **off)
    fit(mdcns, saved=False)
    dns = tiny_run(neg_sampler="dns_plus", **keys)
    fit(dns, saved=False)
    for name, weight in states(dns.trainer)[0].items():
        assert torch.allclose(states(mdcns.trainer)[0][name], weight, atol=1e-4), name


def test_the_weights_of_the_views_exchange_their_roles_in_the_loss():
    """The peer's own view has the weight of the self model's own view."""
    parts = []
    for keys in ({}, {"self_neg_weight": 2.0, "peer_neg_weight": 3.0, "teacher_neg_weight": 5.0}):
        run = tiny_run(**NO_DROPOUT, **keys)
        run.trainer.prepare(run.train)
        loss, of = run.trainer.loop.objective.step_loss(next(iter(run.trainer.batches)))
        torch.testing.assert_close(loss.detach(), torch.stack([*of.values()]).sum())
        parts.append(of)
    times = {"self/self": 2, "self/peer": 3, "self/teacher": 5, "peer/self": 3, "peer/peer": 2, "peer/teacher": 5}
    for name, factor in times.items():
        torch.testing.assert_close(parts[1][name], factor * parts[0][name])


def test_each_extra_changes_the_run():
    keys = dict(NO_DROPOUT, epochs=1)
    base = tiny_run(**keys)
    fit(base, saved=False)
    for change in (
        {"divergence_weight": 0}, {"distill_weight": 0}, {"teacher_mean": False}, {"distill_positive": False},
        {"distill_temperature": 5.0}, {"distill_reduction": "sum"}, {"neg_top_num": 3}, {"ranking_loss": "BPR"},
        {"teacher_neg_weight": 2.0}, {"pad_side": "left"}, {"peer.learning_rate": 0.1},
    ):  # fmt: skip
        other = tiny_run(**keys, **change)
        fit(other, saved=False)
        assert not same(states(base.trainer), states(other.trainer)), change


def test_peer_that_copies_the_self_model_stays_a_copy():
    """Without dropout both see the same batches, divergence is 0, and all three views choose alike."""
    run = tiny_run(peer_model="SASRec", epochs=2, **NO_DROPOUT)
    run.trainer.scoring_models[1].model.load_state_dict(run.trainer.model.state_dict())
    fit(run, saved=False)
    left, right = states(run.trainer)
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert run.trainer.epoch_log[-1]["parts"]["self/distill"] == pytest.approx(0.0, abs=1e-6)


def test_the_same_instance_as_self_and_peer_is_refused():
    run = tiny_run()
    with pytest.raises(ConfigError, match="self and peer share parameters"):
        NegativeSamplingTrainer(run.config, run.trainer.model, run.trainer.model)


@pytest.mark.parametrize("number", [1, 3])
def test_another_number_of_configurations_than_of_peers_is_refused(number):
    run = tiny_run(peer_model="GRU4Rec,SASRec")
    models, configs = [each.model for each in run.trainer.scoring_models], run.config.peer_configs()
    with pytest.raises(ConfigError, match=f"{number} peer_configs were given for 2 peers"):
        NegativeSamplingTrainer(run.config, *models, peer_configs=(configs * 2)[:number])


def test_peer_has_its_own_optimiser_settings():
    run = tiny_run(**{"peer.learning_rate": 0.123, "peer.weight_decay": 0.5, "peer.learner": "sgd"})
    mine, peers = run.trainer.optimizers
    assert (type(mine).__name__, mine.param_groups[0]["lr"]) == ("Adam", 0.01)
    assert (type(peers).__name__, peers.param_groups[0]["lr"]) == ("SGD", 0.123)
    assert peers.param_groups[0]["weight_decay"] == 0.5
    owned = [{id(p) for group in o.param_groups for p in group["params"]} for o in run.trainer.optimizers]
    assert owned == [{id(p) for p in encoder.model.parameters()} for encoder in run.trainer.scoring_models]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_same_seed_same_numbers(sampler):
    ends = []
    for seed in (5, 5, 6):
        run = tiny_run(neg_sampler=sampler, neg_top_num=3, seed=seed)
        fit(run, saved=False)
        ends.append(states(run.trainer))
    assert same(ends[0], ends[1])
    assert not same(ends[0], ends[2])


@pytest.mark.parametrize("keys", [{}, {"neg_sampler": "adasir", "adasir_sample_num": 5, "adasir_pool_num": 2}])
def test_a_loss_that_explodes_ends_in_one_sentence(keys):
    run = tiny_run(learner="sgd", learning_rate=1e30, **keys)
    with pytest.raises(TrainingError, match="the loss became .* lower learning_rate"):
        fit(run, saved=False)


@pytest.mark.parametrize("norm_type", [2, "inf"])
def test_the_gradient_of_each_model_is_clipped_to_its_own_norm(norm_type):
    """A step of SGD with rate 1 moves the weights of a model by its gradient, whose norm is the largest allowed one."""
    clip = {"max_norm": 0.01, "norm_type": norm_type}
    run = tiny_run(clip_grad_norm=clip, learner="sgd", learning_rate=1.0)
    run.trainer.prepare(run.train)
    before = states(run.trainer)
    run.trainer.train_step(next(iter(run.trainer.batches)))
    for old, new in zip(before, states(run.trainer)):
        moved = torch.cat([(old[name] - new[name]).flatten() for name in old])
        assert moved.norm(float(norm_type)).item() == pytest.approx(0.01, rel=1e-2)


def test_bfloat16_autocast_trains():
    run = tiny_run(epochs=6, enable_amp=True)
    kinds, original = set(), run.trainer.loop.objective.scored

    def note(batch, encodings, candidates):
        kinds.update(encoding.dtype for encoding in encodings)
        return original(batch, encodings, candidates)

    run.trainer.loop.objective.scored = note
    assert fit(run, saved=False)[0] > 0.8
    with_scaler = tiny_run(neg_sampler="rns", enable_amp=True, enable_scaler=True).trainer.loop.objective
    half = torch.float16 if DEVICE.type == "cuda" else torch.bfloat16  # the scaler is for GPUs
    assert with_scaler.autocast_type == half
    assert torch.bfloat16 in kinds  # GRU4Rec ends in a linear map, SASRec in a norm that autocast keeps in float32


def test_anomaly_detection_is_off_in_training_and_as_before_afterwards():
    run = tiny_run(epochs=1)
    modes = []
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        fit(run, saved=False, callback_fn=lambda *_: modes.append(torch.is_anomaly_enabled()))
        assert torch.is_anomaly_enabled()
    assert modes == [False]


def test_callback_sees_every_validation():
    run = tiny_run(epochs=3)
    seen = []
    fit(run, saved=False, callback_fn=lambda epoch, score: seen.append((epoch, score)))
    assert seen == [(e["epoch"], e["valid"]["ndcg@10"]) for e in run.trainer.epoch_log]


def test_the_epoch_log_names_the_parts(caplog):
    run = tiny_run(epochs=1, loss_decimal_place=2)
    with caplog.at_level(logging.INFO):
        run.trainer.fit(run.train, run.valid, saved=False)
    text = caplog.text
    assert "self/teacher: " in text and "peer/distill: " in text and "ndcg@10" in text
    entry = run.trainer.epoch_log[0]
    assert f"train loss: {entry['loss']:.2f}]" in re.sub(r"\x1b\[\d*m", "", text)
    assert f"[self/self: {entry['parts']['self/self']:.2f}, " in text


def test_tensorboard_and_wandb_get_loss_parts_and_metrics(monkeypatch, tmp_path):
    logged, summary = [], {}
    fake: SimpleNamespace = SimpleNamespace(
        run=None,
        init=lambda **kw: setattr(fake, "run", SimpleNamespace(summary=summary)),
        define_metric=lambda *a, **k: None,
        log=lambda metrics, commit=True: logged.append(metrics),
    )
    monkeypatch.setitem(sys.modules, "wandb", fake)
    run = tiny_run(epochs=1, log_wandb=True)
    fit(run, saved=False)
    names = {name for metrics in logged for name in metrics}
    assert {"train/train_loss", "train/self/teacher", "train/peer/distill", "valid/ndcg@10"} <= names
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = next((tmp_path / "log_tensorboard").iterdir())
    events = EventAccumulator(str(folder))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    assert {"Loss/Train", "Loss/Train/self/teacher", "Vaild_score"} <= tags


def test_one_encoding_and_one_scoring_per_model_and_step(monkeypatch):
    calls = {"encode": 0, "score": 0}
    run = tiny_run(epochs=1)
    for name in calls:
        original = getattr(InnerProductModel, name)

        def count(self, *args, name=name, original=original):
            calls[name] += 1
            return original(self, *args)

        monkeypatch.setattr(InnerProductModel, name, count)
    fit(run, saved=False)
    steps = len(run.train)
    assert calls == {"encode": 2 * steps, "score": 2 * steps}


class Frozen(ItemSequenceModel):
    """A model none of whose weights is trained."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.requires_grad_(False)

    def forward(self, item_seq, item_seq_len):
        return self.item_embedding(item_seq).mean(1)


class WithoutGradient(Frozen):
    """A model that is no inner product, and ranks without gradients: it could only be evaluated."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.requires_grad_(True)

    @torch.no_grad()
    def full_sort_predict(self, interaction):
        return super().full_sort_predict(interaction) * 2 + 1


class InDouble(Frozen):
    """A model in double precision."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.requires_grad_(True).double()


def test_models_that_would_not_learn_are_refused():
    with pytest.raises(ConfigError, match="Frozen cannot be trained: none of its weights has a gradient"):
        tiny_run(Frozen)
    for keys in ({}, {"ranking_loss": "CE"}):  # with a peer that learns, and alone
        with pytest.raises(ConfigError, match="loss of the self model WithoutGradient has no gradient"):
            fit(tiny_run(WithoutGradient, **keys))


@pytest.mark.parametrize("loss", ["BPR", "CE", "SCE"])
def test_a_model_in_double_precision_trains_in_it(loss):
    run = tiny_run(InDouble, ranking_loss=loss)
    before = states(run.trainer)
    fit(run, saved=False)
    assert not same(before[:1], states(run.trainer)[:1])
    assert run.trainer.model.item_embedding.weight.dtype == torch.float64


def test_a_model_in_double_precision_recommends():
    run = tiny_run(InDouble, neg_sampler="rns", epochs=1)
    fit(run)
    items = load(run.trainer.files.best, DEVICE, model_class=InDouble).recommend([["i1", "i2"]], k=3)
    assert len(items) == 3
