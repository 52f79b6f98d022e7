"""FMLP4Rec and LinRec against independent plain implementations; all three models in RecBole's own trainer."""

import pytest
import torch
import torch.nn.functional as F
from helpers.device import DEVICE, on
from helpers.runs import tiny_run
from recbole.trainer import Trainer

from recbole_mdcns.model.fmlp4rec import FilterLayer
from recbole_mdcns.model.linrec import LinearAttention, linear_attention
from recbole_mdcns.quick_start import build_model


@pytest.mark.parametrize("length", [7, 8])
def test_the_filter_is_a_circular_convolution(length):
    torch.manual_seed(0)
    layer = FilterLayer(length, 3, 0.0, 1e-12).double().to(DEVICE)
    layer.complex_weight.data.normal_()
    states = on(torch.randn(2, length, 3, dtype=torch.float64))
    kernel = torch.fft.irfft(torch.view_as_complex(layer.complex_weight), n=length, dim=0)  # [L, H]
    expected = torch.zeros_like(states)
    for t in range(length):
        for s in range(length):
            expected[:, t] += kernel[(t - s) % length] * states[:, s]
    expected = F.layer_norm(expected + states, (3,), eps=1e-12)
    # the transform itself runs in float32
    torch.testing.assert_close(layer(states), expected, rtol=1e-4, atol=1e-5)


def test_the_filter_refuses_another_window():
    with pytest.raises(ValueError, match="a filter of 8 positions cannot read a window of 5"):
        FilterLayer(8, 3, 0.0, 1e-12)(torch.zeros(1, 5, 3))


def test_linear_attention_equals_the_quadratic_form():
    torch.manual_seed(0)
    q, k, v = (on(torch.randn(2, 3, 6, 4, dtype=torch.float64)) for _ in range(3))
    normed = [F.elu(x) / F.elu(x).norm(dim=-1, keepdim=True) for x in (q, k)]
    expected = (normed[0] @ normed[1].transpose(-1, -2)) / 2.0 @ v  # sqrt(4) = 2
    torch.testing.assert_close(linear_attention(q, k, v), expected)


def test_the_attention_layer_equals_its_formula_head_by_head():
    torch.manual_seed(0)
    layer = LinearAttention(2, 6, 0.0, 0.0, 1e-12).double().to(DEVICE)
    states = on(torch.randn(2, 5, 6, dtype=torch.float64))
    q, k, v = (each(states) for each in (layer.query, layer.key, layer.value))
    heads = []
    for part in (slice(0, 3), slice(3, 6)):
        unit_q, unit_k = (F.elu(x[..., part]) / F.elu(x[..., part]).norm(dim=-1, keepdim=True) for x in (q, k))
        heads.append(unit_q @ unit_k.transpose(1, 2) @ v[..., part] / 3**0.5)
    expected = F.layer_norm(layer.dense(torch.cat(heads, -1)) + states, (6,), eps=1e-12)
    torch.testing.assert_close(layer(states), expected)


def test_linrec_uses_it_in_every_layer_and_sees_all_positions():
    run = tiny_run("LinRec", neg_sampler="rns")
    layers = list(run.trainer.model.mixers)
    assert len(layers) == 2 and all(isinstance(layer, LinearAttention) for layer in layers)
    layer = layers[0].eval()
    states = on(torch.randn(1, 5, 16))
    changed = states.clone()
    changed[0, 4] += 1.0
    assert not torch.allclose(layer(states)[0, 0], layer(changed)[0, 0])


@pytest.mark.parametrize("model", ["FMLP4Rec", "LinRec"])
def test_the_last_state_alone_equals_it_among_all_states(model):
    model = tiny_run(model, neg_sampler="rns").trainer.model.eval()
    items, lengths = on(torch.randint(1, model.n_items, (4, model.max_seq_length))), on(torch.tensor([1, 2, 3, 5]))
    states = model.embedded(items)
    for mixer, feed_forward in zip(model.mixers, model.feed_forwards):
        states = feed_forward(mixer(states))
    expected = model.gather_indexes(states, lengths - 1)
    found = model(items, lengths)
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(found)
    parameters = [p for p in model.parameters() if p.requires_grad]
    pairs = zip(*(torch.autograd.grad((x * weight).sum(), parameters) for x in (found, expected)))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)


MODELS = ["FMLP4Rec", "LinRec", "Mamba4Rec"]


@pytest.mark.parametrize("model", MODELS)
def test_every_layer_is_used(model):
    """Embeddings, norms and dropouts, except what the linear attention has no use for."""
    model, called = tiny_run(model, neg_sampler="rns", num_layers=2).trainer.model, set()
    for name, layer in model.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(lambda *_, name=name: called.add(name))
    model(on(torch.randint(1, 31, (2, model.max_seq_length))), on(torch.tensor([3, 5])))
    unused = {"softmax", "attn_dropout", "loss_fct", "conv1d"}  # a CPU reads the weights of the convolution
    missing = {name for name, layer in model.named_modules() if not list(layer.children())} - called
    assert {name.rpartition(".")[2] for name in missing} <= unused


def test_keys_reach_the_layers():
    keys = {"neg_sampler": "rns", "hidden_dropout_prob": 0.3, "attn_dropout_prob": 0.4}
    for name in ("FMLP4Rec", "LinRec"):
        layers = [*tiny_run(name, **keys).trainer.model.named_modules()]
        rates = {each.p for place, each in layers if isinstance(each, torch.nn.Dropout) and "attn" not in place}
        assert rates == {0.3}
    keys = {"neg_sampler": "rns", "d_state": 5, "d_conv": 3, "expand": 4, "dropout_prob": 0.3, "num_layers": 3}
    model = tiny_run("Mamba4Rec", **keys).trainer.model
    assert {each.p for each in model.modules() if isinstance(each, torch.nn.Dropout)} == {0.3}
    assert [each.mixer.A_log.shape for each in model.layers] == [(4 * 16, 5)] * 3
    assert model.layers[2].mixer.conv1d.kernel_size == (3,)


@pytest.mark.parametrize("model", MODELS)
def test_recboles_calls_by_hand(model):
    """Scores of one item, and both losses: log(1 + exp(s- - s+)), and the softmax over all items."""
    run = tiny_run(model, neg_sampler="rns", initializer_range=0.5)
    trained = run.trainer.model.eval()
    rows = next(iter(run.valid))[0].to(DEVICE)
    target, other = rows["item_id"], rows["item_id"] % 30 + 1
    rows["neg_item_id"] = other
    scores = trained.full_sort_predict(rows)
    positive, negative = (scores.gather(1, items[:, None])[:, 0] for items in (target, other))
    torch.testing.assert_close(trained.predict(rows), positive)
    torch.testing.assert_close(trained.calculate_loss(rows), F.cross_entropy(scores, target))
    run.config["loss_type"] = "BPR"
    by_pairs = build_model(run.config, run.data).eval()
    by_pairs.load_state_dict(trained.state_dict())
    torch.testing.assert_close(by_pairs.calculate_loss(rows), F.softplus(negative - positive).mean())


@pytest.mark.parametrize("model", MODELS)
def test_weights_begin_with_the_deviation_of_the_key(model):
    model = tiny_run(model, neg_sampler="rns", initializer_range=0.5, hidden_size=64).trainer.model
    for layer in model.modules():
        if isinstance(layer, (torch.nn.Linear, torch.nn.Embedding)) and layer.weight.numel() > 1000:
            assert layer.weight.std().item() == pytest.approx(0.5, rel=0.1)
        if isinstance(layer, torch.nn.Linear) and layer.bias is not None:
            assert not layer.bias.any()
        if isinstance(layer, FilterLayer):
            assert layer.complex_weight.std().item() == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("loss", ["CE", "BPR"])
def test_recboles_own_trainer_trains_them(model, loss):
    run = tiny_run(model, neg_sampler="rns", epochs=4)
    run.config["loss_type"] = loss
    trainer = Trainer(run.config, build_model(run.config, run.data))
    if loss == "BPR":
        generator = torch.Generator().manual_seed(0)
        collate = run.train.collate_fn

        def with_negatives(index):
            rows = collate(index)
            rows["neg_item_id"] = torch.randint(1, 31, (len(rows["item_id"]),), generator=generator)
            return rows

        run.train.collate_fn = with_negatives
    trainer.fit(run.train, None, verbose=False, saved=False)
    losses = list(trainer.train_loss_dict.values())
    assert losses[-1] < 0.9 * losses[0]
