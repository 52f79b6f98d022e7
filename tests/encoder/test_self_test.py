"""The self-test of models: few widths, once per class and settings, and errors with their owner."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from helpers.runs import tiny_config, tiny_run
from recbole.model.sequential_recommender import GRU4Rec

from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.encoder import adapt, selftest
from recbole_mdcns.encoder.adapt import make_scoring_model
from recbole_mdcns.encoder.measuring import PlacesInside
from recbole_mdcns.encoder.model_calls import ModelCallError, call_model
from recbole_mdcns.encoder.scoring_model import InnerProductModel
from recbole_mdcns.encoder.selftest import some_widths
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.kernels.full_softmax import mean_cross_entropy
from recbole_mdcns.model.item_sequence import ItemSequenceModel
from recbole_mdcns.quick_start import build_model


class LastItem(ItemSequenceModel):
    """The last item's embedding."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.apply(self._init_weights)

    def forward(self, item_seq, item_seq_len):
        return self.gather_indexes(self.item_embedding(item_seq), item_seq_len - 1)


class OfOneWidth(LastItem):
    """Raises in a narrower window."""

    def forward(self, item_seq, item_seq_len):
        assert item_seq.size(1) == self.max_seq_length
        return super().forward(item_seq, item_seq_len)


class CannotBeBuilt(LastItem):
    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        raise RuntimeError("no such kernel")


class CannotRank(LastItem):
    def forward(self, item_seq, item_seq_len):
        raise AssertionError("nobody is at home")


class CannotTrain(LastItem):
    def forward(self, item_seq, item_seq_len):
        assert not self.training, "only served"
        return super().forward(item_seq, item_seq_len)


class RanksOne(LastItem):
    def full_sort_predict(self, interaction):
        return super().full_sort_predict(interaction)[:, :1]


class RanksMore(LastItem):
    def full_sort_predict(self, interaction):
        scores = super().full_sort_predict(interaction)  # RecBole would cut what lies beyond into further rows
        return torch.nn.functional.pad(scores, (0, 1))


class RanksByItem(LastItem):
    def full_sort_predict(self, interaction):
        return super().full_sort_predict(interaction).T  # read row by row, the scores of several histories


class RanksFlat(LastItem):
    def full_sort_predict(self, interaction):
        return super().full_sort_predict(interaction).flatten()


class RanksEachPlace(LastItem):
    def full_sort_predict(self, interaction):
        return self.item_embedding(interaction[self.ITEM_SEQ]) @ self.item_embedding.weight.T


class RanksInNumpy(LastItem):
    def full_sort_predict(self, interaction):
        return super().full_sort_predict(interaction).numpy()


class NotBuilt(LastItem):
    def __init__(self, config, dataset):
        torch.nn.Module.__init__(self)


class AlwaysDropped(LastItem):
    def forward(self, item_seq, item_seq_len):
        return torch.nn.functional.dropout(super().forward(item_seq, item_seq_len))


class OfTheBatch(LastItem):
    def forward(self, item_seq, item_seq_len):
        states = super().forward(item_seq, item_seq_len)
        return states - states.mean(0)


@pytest.fixture(autouse=True)
def nothing_measured(monkeypatch):
    monkeypatch.setattr(selftest, "_measured", {})


def counted(monkeypatch):
    calls = SimpleNamespace(is_trimmable=0, is_causal=0)
    for name in vars(calls).copy():
        original = getattr(selftest, name)

        def call(encoder, name=name, original=original):
            setattr(calls, name, getattr(calls, name) + 1)
            return original(encoder)

        monkeypatch.setattr(selftest, name, call)
    return calls


def built(model, **keys):
    config = tiny_config(model, neg_sampler="rns", initializer_range=0.02, **keys)
    _, splits = load_splits(config)
    return build_model(config, dataset_of(splits["train"])), config


def test_widths_are_few_and_hold_the_edges():
    assert some_widths(5) == [1, 2, 3, 4, 5]
    for longest in (9, 50, 500, 5000):
        widths = some_widths(longest)
        assert len(widths) <= 8 and {1, 2, longest // 2, longest - 1, longest} <= set(widths)
        assert widths == some_widths(longest)


def test_a_class_is_measured_once_for_the_same_settings(monkeypatch):
    calls = counted(monkeypatch)
    for keys in ({}, {"learning_rate": 0.5, "seed": 3}, {"hidden_size": 8}, {"MAX_ITEM_LIST_LENGTH": 6}):
        (found,) = tiny_run(neg_sampler="rns", neg_num=2, **keys).trainer.scoring_models
        assert (found.is_causal, found.is_trimmable) == (True, True)
    assert (calls.is_trimmable, calls.is_causal) == (3, 3)


@pytest.mark.parametrize(
    ("keys", "asked"),
    [({"batching": "row"}, (1, 0)), ({"batching": "bucket"}, (1, 0)), ({"batching": "user"}, (1, 1)),
     ({"pad_side": "left"}, (0, 0))],
)  # fmt: skip
def test_only_what_the_run_asks_is_measured(keys, asked, monkeypatch):
    calls = counted(monkeypatch)
    tiny_run(neg_sampler="rns", **keys)
    assert (calls.is_trimmable, calls.is_causal) == asked


class Centred(torch.nn.BatchNorm1d):
    """Subtracts the mean of the batch in training, and counts."""

    def forward(self, states):
        return super().forward(states.transpose(1, 2)).transpose(1, 2)


class Normed(GRU4Rec):
    """Causal, and in training its rows change with the mean of the batch."""

    def __init__(self, config, dataset):
        super().__init__(config, dataset)
        self.emb_dropout = Centred(self.embedding_size)  # type: ignore[assignment]


@pytest.mark.parametrize(("model", "blind"), [("GRU4Rec", True), (Normed, False)])
def test_a_norm_over_the_batch_is_found_and_leaves_no_trace(model, blind):
    built_model, config = built(model)
    before = {name: value.clone() for name, value in built_model.state_dict().items()}
    assert selftest.ignores_others(make_scoring_model(built_model, config)) is blind
    assert all(torch.equal(value, before[name]) for name, value in built_model.state_dict().items())
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    selftest.ignores_others(make_scoring_model(built_model, config))
    assert torch.equal(torch.rand(3), expected) and built_model.training


def test_static_batches_of_a_model_that_reads_other_rows_hold_no_passes():
    run = tiny_run(Normed, neg_sampler="rns", batching="static")
    assert run.trainer.scoring_models[0].is_causal
    run.trainer.prepare(run.train)
    (batch, *_) = run.trainer.batches
    assert batch.passes is None and len(batch.rows.parts[0].user) == len(batch) == 64


def test_a_gpu_takes_batches_of_one_shape():
    models: Any = [SimpleNamespace(is_causal=True, is_trimmable=True)]
    assert selftest.fastest_mode(models, torch.device("cuda"))[0] == "static"
    assert selftest.fastest_mode(models, torch.device("cpu"))[0] == "user"


def test_long_measurements_are_told(monkeypatch, caplog):
    times = iter([0.0, 3.25])
    monkeypatch.setattr(selftest, "perf_counter", lambda: next(times))
    model, config = built(LastItem)
    with caplog.at_level("INFO"):
        selftest.measure_scoring_model(model, config)
    assert "LastItem was measured in 3.2 s" in caplog.text


def test_a_model_that_raises_in_a_narrow_window_keeps_its_whole_one():
    model, config = built(OfOneWidth)
    assert (selftest.measure_scoring_model(model, config).is_trimmable) is False
    model, config = built(LastItem)
    assert (selftest.measure_scoring_model(model, config).is_causal) is True


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            CannotBeBuilt,
            r"CannotBeBuilt cannot be built from its keys \(test_self_test.py, line \d+\): no such kernel",
        ),
        (CannotRank, "CannotRank cannot be the self model.*AssertionError: nobody is at home"),
        (CannotTrain, r"CannotTrain cannot be the self model: in training mode .*_LENGTH = 8 \(Asser.*only served"),
        (RanksOne, r"RanksOne cannot be the self model: its full_sort_predict returns \[4, 1\]"),
        (RanksMore, r"RanksMore cannot be the self model: its full_sort_predict returns \[4, 32\], exp.* of 31 it"),
        (RanksByItem, r"RanksByItem cannot be the self model: its full_sort_predict returns \[31, 4\], expected a sc"),
        (RanksEachPlace, r"RanksEachPlace cannot be the self model: its full_sort_predict returns \[4, 8, \d+\], exp"),
        (RanksInNumpy, "RanksInNumpy cannot be the self model: its full_sort_predict returns ndarray, expected a"),
        (NotBuilt, r"model NotBuilt cannot be built: its __init__ does not call super\(\).__init__\(config, dataset\)"),
    ],
)
def test_what_a_models_own_code_raises_is_one_sentence_with_its_cause(model, message):
    with pytest.raises(ConfigError, match=message) as refused:
        tiny_run(model, neg_sampler="rns", initializer_range=0.02)
    assert (refused.value.__cause__ is None) == (model not in (CannotBeBuilt, CannotRank, CannotTrain))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (LastItem, None),
        (RanksFlat, None),
        (AlwaysDropped, "AlwaysDropped, the self model: its ranking of the same history changes from call to call"),
        (OfTheBatch, "OfTheBatch, the self model: its ranking of the same history depends on the other rows"),
    ],
)
def test_scores_that_change_in_evaluation_are_told(model, said, caplog):
    tiny_run(model, neg_sampler="rns", initializer_range=0.02)
    told = [record.message for record in caplog.records if "its ranking of the same history" in record.message]
    assert len(told) == (said is not None) and all(each.startswith(said) for each in told)


def test_a_window_that_only_training_refuses_is_named():
    """FEARec's autocorrelation has int(log L) delays in a window of L: 0 of 2, which only training minds."""
    with pytest.raises(
        ConfigError, match=r"FEARec cannot be the peer model: in training .* MAX_ITEM_LIST_LENGTH = 2 \("
    ):
        tiny_run(peer_model="FEARec", MAX_ITEM_LIST_LENGTH=2)


def test_abilities_hold_for_one_way_of_scoring():
    """A table that overflows is found to give no inner products; abilities of inner products are then not reused."""
    model, config = built(LastItem)
    assert selftest.measure_scoring_model(model, config).is_causal
    with torch.no_grad():
        model.item_embedding.weight.mul_(1e38)
    found = selftest.measure_scoring_model(model, config)
    assert not isinstance(found, InnerProductModel) and found.is_causal is False


class Counting(LastItem):
    """Counts its passes, and keeps the last states that it gave."""

    passes, kept = 0, None

    def forward(self, item_seq, item_seq_len):
        self.passes += 1
        self.kept = super().forward(item_seq, item_seq_len)
        return self.kept


def test_measuring_restores_what_a_model_counts_and_keeps():
    model, config = built(Counting)
    model.passes = 5
    selftest.measure_scoring_model(model, config)
    assert model.passes == 5 and model.kept is None and model.training


@pytest.mark.parametrize("module", [adapt, selftest])
@pytest.mark.parametrize("error", [AttributeError, KeyError, RuntimeError])
def test_errors_of_ours_stay_what_they_are(module, error, monkeypatch):
    def broken(*_):
        raise error("ours")

    model, config = built(LastItem)
    monkeypatch.setattr(module, "alike", broken)
    with pytest.raises(error, match="ours"):
        selftest.measure_scoring_model(model, config)


class UsesOurs(LastItem):
    """Ranks by a kernel of ours, which is broken."""

    def full_sort_predict(self, interaction):
        return mean_cross_entropy(None, None, None)


def test_a_bug_of_ours_below_a_models_call_is_shown_as_it_is(monkeypatch):
    """Planted in code that runs inside the guarded calls of a model's own code."""
    with pytest.raises(TypeError, match="'NoneType' object is not subscriptable"):
        tiny_run(UsesOurs, neg_sampler="rns", initializer_range=0.02)

    model, config = built(LastItem)
    scoring_model = adapt.make_scoring_model(model, config)
    assert isinstance(scoring_model, InnerProductModel)
    del scoring_model.forward_fields
    with pytest.raises(AttributeError, match="_fields"):
        selftest.is_trimmable(scoring_model)

    monkeypatch.delattr("recbole_mdcns.kernels.layers._STEPS")
    with pytest.raises(NameError, match="_STEPS"):
        tiny_run("SASRec", neg_sampler="rns")


def test_what_a_model_its_libraries_or_torch_raise_for_it_is_the_models():
    def of_the_model():
        raise KeyError("there is no such thing")

    outside = torch.tensor([7])
    for call in (of_the_model, lambda: torch.zeros(3) @ torch.zeros(4), lambda: int("x")):
        with pytest.raises(ModelCallError) as refused:
            call_model(call)
        assert refused.value.__cause__ is not None
    with PlacesInside(), pytest.raises(ModelCallError, match="IndexError|RuntimeError"):
        call_model(lambda: torch.zeros(3)[outside])
    assert call_model(max, 1, 2) == 2


def test_scores_that_are_no_inner_products_are_refused_with_sce_when_models_are_built():
    for name in ("TransRec", "RepeatNet"):
        with pytest.raises(ConfigError, match=f"ranking_loss = 'SCE'.*{name}"):
            tiny_run(name, ranking_loss="SCE")


def test_measuring_leaves_the_generators_alone():
    model, config = built(LastItem)
    before = torch.get_rng_state()
    selftest.measure_scoring_model(model, config)
    assert torch.equal(before, torch.get_rng_state())
