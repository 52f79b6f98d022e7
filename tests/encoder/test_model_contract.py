"""One contract for every model that can be self or peer; the others are refused in one sentence."""

import itertools

import pytest
import torch
from helpers.device import DEVICE, on
from helpers.models import REFUSED, SUPPORTED
from helpers.runs import cycle_lines, fit, same, states, tiny_config, tiny_run, write_inter
from recbole.data.transform import construct_transform
from torch.utils._python_dispatch import TorchDispatchMode

from recbole_mdcns.config.checks import LEFT_PADDED
from recbole_mdcns.data.batch import Sequences
from recbole_mdcns.data.batching import TargetLoader
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.data.static_batches import StaticBatches
from recbole_mdcns.encoder.adapt import make_scoring_model
from recbole_mdcns.encoder.measuring import PlacesInside, measuring
from recbole_mdcns.encoder.scoring_model import FullRankingModel, InnerProductModel, full_ranking
from recbole_mdcns.encoder.selftest import ignores_others, is_causal, is_trimmable, measure_scoring_model
from recbole_mdcns.errors import UserError
from recbole_mdcns.losses.pairwise import bce
from recbole_mdcns.model.item_sequence import ItemSequenceModel
from recbole_mdcns.quick_start import build_model

CAUSAL = {"SASRec", "GRU4Rec", "Mamba4Rec"}
#: Models whose rows change with the other rows of a batch, in training.
READING_OTHERS = {"FEARec"}  # it chooses lags by their mean over the batch
SMALL: dict = {"train_batch_size": 32, "neg_candidate_num": 5, "learning_rate": 0.01, "epochs": 2}

#: Two epochs of this data are 80 steps; these need more of them.
SLOW: dict[str, dict] = {
    "BERT4Rec": {
        "epochs": 20, "eval_step": 20, "learning_rate": 0.005, "n_layers": 1, "batching": "row",
        "hidden_size": 64, "inner_size": 64, "hidden_dropout_prob": 0.0, "attn_dropout_prob": 0.0,
    },
    "Caser": {"epochs": 10, "eval_step": 5}, "NextItNet": {"epochs": 10, "eval_step": 5, "block_num": 1},
    "GRU4RecCPR": {"epochs": 8, "eval_step": 4}, "SASRecCPR": {"epochs": 8, "eval_step": 4},
}  # fmt: skip


def padding(name):
    return {"pad_side": "left" if name in LEFT_PADDED else "right"}


@pytest.fixture(autouse=True)
def more_users():
    write_inter(cycle_lines(user_num=200, item_num=150, length=8))


@pytest.mark.parametrize("name", SUPPORTED)
class TestEveryModel:
    def encoder(self, name, **keys):
        config = tiny_config(name, neg_candidate_num=5, **padding(name), **keys)
        _, splits = load_splits(config)
        self.data = data = dataset_of(splits["train"])
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(0)
        batch = next(iter(TargetLoader(data, 64, "row", True, generator, DEVICE)))
        return make_scoring_model(build_model(config, data), config), batch, next(iter(splits["train"]))

    def test_scores_equal_the_models_own_full_ranking(self, name):
        encoder, batch, _ = self.encoder(name)
        encoder.model.eval()
        encoding = encoder.encode(batch)
        assert encoding.shape[0] == len(batch) and encoding.isfinite().all()
        items = on(torch.arange(1, 151)).expand(len(batch), -1)
        expected = full_ranking(encoder.model, batch.rows.parts[0])[:, 1:151]
        if getattr(encoder, "gives_probabilities", False):
            expected = expected.clamp(min=1e-12).log()
        torch.testing.assert_close(encoder.score(encoding, items), expected, rtol=1e-4, atol=1e-5)

    def test_gradients_reach_all_that_recboles_own_training_reaches(self, name):
        encoder, batch, rows = self.encoder(name)
        model, config = encoder.model.train(), encoder.config
        items = torch.stack([batch.target, batch.target % 150 + 1], 1)
        encoder.score(encoder.encode(batch), items).square().sum().backward()
        reached = {key for key, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        model.zero_grad(set_to_none=True)
        config["transform"] = config.internal_config_dict.get("transform")
        rows["neg_item_id"] = rows["item_id"] % 150 + 1
        rows = construct_transform(config)(self.data, rows).to(DEVICE)
        for field in ("INVERSE_ITEM_SEQ", "MASK_ITEM_SEQ", "POS_ITEMS", "NEG_ITEMS", "MASK_INDEX"):
            setattr(model, field, config[field])  # known once the transform is built
        loss = model.calculate_loss(rows)
        torch.as_tensor(sum(loss) if isinstance(loss, tuple) else loss).backward()
        # more than rounding: the bias before a softmax has none
        theirs = {key for key, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 1e-7}
        assert theirs <= reached

    def test_learns_a_known_next_item_as_self_and_as_peer_and_survives_saving(self, name):
        keys: dict = {**SMALL, "peer_model": name, **padding(name), **SLOW.get(name, {})}
        # ranking 143 unseen items at random gives about 0.03
        least = 0.08
        if name == "BERT4Rec":  # which learns late where there are many items; 18 unseen ones at random give about 0.25
            write_inter(cycle_lines())
            least = 0.5
        run = tiny_run(name, **keys)
        run.trainer.fit(run.train, run.valid, verbose=False)
        run.trainer.load_best()
        results = run.trainer.evaluate_all(run.test).metrics
        assert min(results[role]["ndcg@10"] for role in ("self", "peer")) > least, results
        other = tiny_run(name, **keys)
        other.trainer.use_files(run.trainer.files)
        other.trainer.load_best()
        assert other.trainer.evaluate_all(other.test).metrics == results

    def test_is_deterministic_under_a_seed(self, name):
        write_inter(cycle_lines(user_num=60, item_num=150, length=8))
        ends = []
        for _ in range(2):
            run = tiny_run(name, peer_model=name, **{**SMALL, **padding(name)})
            run.trainer.prepare(run.train)
            run.trainer.strategy.start_epoch(0)
            torch.manual_seed(1)  # of dropout, as at the start of an epoch
            for batch in itertools.islice(run.trainer.batches, 3):
                run.trainer.train_step(batch)
            ends.append(states(run.trainer))
        assert same(*ends)

    def test_bfloat16_autocast_runs(self, name):
        encoder, batch, _ = self.encoder(name)
        with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
            encoding = encoder.encode(batch)
        scores = encoder.score(encoding, batch.target[:, None])
        assert scores.dtype == torch.float32 and scores.isfinite().all()
        scores.sum().backward()

    def test_the_self_test_tells_what_is_so(self, name):
        encoder, batch, _ = self.encoder(name)
        assert is_causal(encoder) == (name in CAUSAL)
        assert ignores_others(encoder) == (name not in READING_OTHERS)
        encoder.model.eval()
        trimmable = is_trimmable(encoder)
        assert trimmable or name not in CAUSAL
        assert not trimmable or name not in ("FMLP4Rec", "LinRec")
        if trimmable:
            rows = batch.rows.parts[0]
            length = rows.item_length.clamp(max=5)
            items = rows.item_seq * (on(torch.arange(8)) < length[:, None])
            short, trimmed = (Sequences(batch.user, items[:, :width], length) for width in (8, 5))
            states = [encoder.encode_sequences(sequences) for sequences in (trimmed, short)]
            torch.testing.assert_close(*states, rtol=1e-4, atol=1e-5)

    def test_every_batching_gives_every_target_the_same_loss_and_the_same_gradients(self, name):
        write_inter(cycle_lines(user_num=24, item_num=150, length=8))
        encoder, _, _ = self.encoder(name)
        encoder.config["batching"] = "static"  # everything is measured
        encoder = measure_scoring_model(encoder.model.eval(), encoder.config)
        weights = [weight for weight in encoder.model.parameters() if weight.requires_grad]
        losses, gradients = {}, {}
        for mode in ("row", "static") if name in LEFT_PADDED else ("row", "bucket", "user", "static"):
            loss_at = on(torch.full((int(self.data.inter_feat["history_end"].max()) + 1,), torch.nan))
            encoder.model.zero_grad()
            for batch in self.batches(mode, encoder):
                scores = encoder.score(encoder.encode(batch), torch.stack([batch.target, batch.target % 150 + 1], 1))
                loss = bce(scores[:, 0], scores[:, 1:])[:, 0]
                with torch.backends.cudnn.flags(enabled=False):  # its GRU has no backward pass in eval mode
                    loss.sum().backward()
                loss_at[batch.history_end] = loss.detach()
            losses[mode] = loss_at
            gradients[mode] = [torch.zeros_like(w) if w.grad is None else w.grad.clone() for w in weights]
        assert losses["row"].isfinite().sum() == len(self.data)
        for mode in losses:
            torch.testing.assert_close(losses[mode], losses["row"], rtol=1e-5, atol=1e-5, equal_nan=True)
            for gradient, expected in zip(gradients[mode], gradients["row"]):
                torch.testing.assert_close(
                    gradient, expected, rtol=1e-3, atol=1e-4 * max(1.0, float(expected.abs().max()))
                )

    def batches(self, mode, encoder):
        source: dict = {"generator": torch.Generator().manual_seed(3), "device": DEVICE}
        if mode == "static":
            return StaticBatches(self.data, 40, reads_passes=encoder.reads_passes, reads_rows=True, **source)
        return TargetLoader(self.data, 40, mode, not encoder.is_causal, **source)


def test_a_model_that_writes_into_what_it_reads_changes_nothing_for_the_others():
    """RecBole's HRM cuts the lengths in place, unless it takes the maximum of its items."""
    encoder, batch, rows = TestEveryModel().encoder("HRM", pooling_type_layer_1="average", high_order=2)
    model, part = encoder.model.eval(), batch.rows.parts[0]
    kept = {name: value.clone() for name, value in rows.interaction.items()}
    encoder.encode_sequences(part)
    full_ranking(model, part)
    assert part.item_length.max() > 2
    for encoder.is_trimmable in (False, True):
        read = encoder.trimmed(rows)
        model.full_sort_predict(read.to(DEVICE))
        assert all(torch.equal(rows[name], value) for name, value in kept.items())
    assert DEVICE.type != "cpu" or read["item_length"].max() == 2


@pytest.mark.parametrize("name", REFUSED)
def test_models_that_need_more_are_refused_with_the_reason(name):
    with pytest.raises(UserError, match=REFUSED[name]):
        tiny_run(name, neg_sampler="rns", neg_candidate_num=5)


class Outside(TorchDispatchMode):
    """Remembers what was taken from a place outside a tensor with memory: on a GPU that ends the process."""

    def __init__(self):
        super().__init__()
        self.taken = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        try:
            return func(*args, **(kwargs or {}))
        except (IndexError, RuntimeError) as error:
            if "out of" in str(error) and any(args[0].stride()):
                self.taken.append(func)
            raise


@pytest.mark.parametrize("name", ["FOSSIL", "FEARec"])
def test_models_that_count_on_the_whole_window_are_not_let_outside_a_narrow_one(name):
    (encoder,) = tiny_run(name, neg_sampler="rns", neg_candidate_num=5).trainer.scoring_models
    outside = Outside()
    with outside:
        assert not is_trimmable(encoder)
    assert not outside.taken


@pytest.mark.parametrize(
    "take",
    [
        lambda x, i: x[:, i],
        lambda x, i: x[:, i.tolist()],
        lambda x, i: x.gather(1, i.expand(len(x), -1)),
        lambda x, i: torch.gather(x, index=i.expand(len(x), -1), dim=1),
        lambda x, i: x.index_select(1, i),
        lambda x, i: torch.nn.functional.embedding(i, x.T),
    ],
)
def test_places_are_looked_at_before_anything_is_taken(take):
    data = on(torch.arange(15.0)).view(3, 5)
    with PlacesInside():
        taken = take(data, on(torch.tensor([0, 4])))
    assert sorted(taken.flatten().tolist()) == [0, 4, 5, 9, 10, 14]
    outside = Outside()
    with outside, PlacesInside(), pytest.raises((IndexError, RuntimeError), match="out of"):
        take(data, on(torch.tensor([0, 5])))
    assert not outside.taken
    with outside, pytest.raises((IndexError, RuntimeError), match="out of"):
        take(data, on(torch.tensor([0, 5])))
    assert outside.taken


class FromTheEdge(ItemSequenceModel):
    """Counts positions from the right edge of the window: causal, and another model in a narrower window."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.position = torch.nn.Embedding(self.max_seq_length, self.hidden_size)
        self.apply(self._init_weights)

    def forward(self, item_seq, item_seq_len):
        place = item_seq.size(1) - 1 - torch.arange(item_seq.size(1), device=item_seq.device)
        return self.gather_indexes(self.item_embedding(item_seq) + self.position(place), item_seq_len - 1)


def test_a_model_that_counts_on_the_width_of_its_window_is_given_whole_windows():
    run = tiny_run(f"{__name__}:FromTheEdge", initializer_range=1.0)
    encoder = run.trainer.scoring_models[0]
    assert is_causal(encoder) and not encoder.is_trimmable and not encoder.is_causal


def test_inner_products_are_found_by_measuring():
    kinds = {
        name: type(tiny_run(name, neg_sampler="rns").trainer.scoring_models[0])
        for name in ("SASRec", "HGN", "TransRec")
    }
    assert kinds == {"SASRec": InnerProductModel, "HGN": InnerProductModel, "TransRec": FullRankingModel}


class Biased(ItemSequenceModel):
    """Inner products times a scale that begins at one, plus a bias that begins at zero."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.bias = torch.nn.Parameter(torch.zeros(self.n_items))
        self.apply(self._init_weights)

    def forward(self, item_seq, item_seq_len):
        return self.gather_indexes(self.item_embedding(item_seq), item_seq_len - 1)

    def full_sort_predict(self, interaction):
        scores = super().full_sort_predict(interaction)
        return self.scale * scores + self.bias


@pytest.mark.parametrize("keys", [{"neg_sampler": "dns"}, {"ranking_loss": "CE"}])
def test_a_bias_that_begins_at_zero_is_trained(keys):
    run = tiny_run(f"{__name__}:Biased", initializer_range=0.02, epochs=1, **keys)
    fit(run, saved=False)
    assert isinstance(run.trainer.scoring_models[0], FullRankingModel)
    assert run.trainer.model.bias.abs().max() > 0 and run.trainer.model.scale != 1


def test_the_measurement_leaves_weights_mode_and_random_numbers_alone():
    run = tiny_run(neg_sampler="rns")
    run.trainer.model.train()
    weights, random = states(run.trainer), torch.get_rng_state()

    def rounding():
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.enabled

    torch.set_float32_matmul_precision("high")
    before = rounding()
    with measuring(run.trainer.model):
        assert rounding() == ("highest", False, True)
        moved = run.trainer.model.item_embedding.weight != weights[0]["item_embedding.weight"]
        assert moved[1:].all() and not moved[0].any()
    assert rounding() == before
    torch.set_float32_matmul_precision("highest")
    measure_scoring_model(run.trainer.model, run.config)
    assert run.trainer.model.training
    assert same(weights, states(run.trainer))
    assert torch.equal(random, torch.get_rng_state())
