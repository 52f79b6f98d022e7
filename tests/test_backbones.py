"""FMLP4Rec, LinRec and Mamba4Rec against independent plain implementations, and in RecBole's own trainer."""

import pytest
import torch
import torch.nn.functional as F
from conftest import tiny_run
from recbole.model.layers import FeedForward
from recbole.trainer import Trainer

from recbole_mdcns.model.fmlp4rec import FilterLayer
from recbole_mdcns.model.fused import fuse_activations
from recbole_mdcns.model.linrec import LinearAttention, linear_attention
from recbole_mdcns.model.mamba4rec import MambaMixer
from recbole_mdcns.model.selective_scan import selective_scan
from recbole_mdcns.quick_start import build_model


@pytest.mark.parametrize("length", [7, 8])
def test_the_filter_is_a_circular_convolution(length):
    torch.manual_seed(0)
    layer = FilterLayer(length, 3, 0.0, 1e-12).double()
    layer.complex_weight.data.normal_()
    states = torch.randn(2, length, 3, dtype=torch.float64)
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
    q, k, v = (torch.randn(2, 3, 6, 4, dtype=torch.float64) for _ in range(3))
    normed = [F.elu(x) / F.elu(x).norm(dim=-1, keepdim=True) for x in (q, k)]
    expected = (normed[0] @ normed[1].transpose(-1, -2)) / 2.0 @ v  # sqrt(4) = 2
    torch.testing.assert_close(linear_attention(q, k, v), expected)


def test_linrec_uses_it_in_every_layer_and_sees_all_positions():
    run = tiny_run("LinRec", neg_sampler="rns")
    layers = list(run.trainer.model.mixers)
    assert len(layers) == 2 and all(isinstance(layer, LinearAttention) for layer in layers)
    layer = layers[0].eval()
    states = torch.randn(1, 5, 16)
    changed = states.clone()
    changed[0, 4] += 1.0
    assert not torch.allclose(layer(states)[0, 0], layer(changed)[0, 0])


@pytest.mark.parametrize("model", ["FMLP4Rec", "LinRec"])
def test_the_last_state_alone_equals_it_among_all_states(model):
    model = tiny_run(model, neg_sampler="rns").trainer.model.eval()
    items, lengths = torch.randint(1, model.n_items, (4, model.max_seq_length)), torch.tensor([1, 2, 3, 5])
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


@pytest.mark.parametrize(("act", "fused"), [("gelu", F.gelu), ("swish", F.silu), ("relu", F.relu)])
def test_fused_activations_equal_recboles(act, fused):
    plain = FeedForward(4, 8, 0.0, act, 1e-12).double()
    model = torch.nn.Sequential(FeedForward(4, 8, 0.0, act, 1e-12).double())
    model[0].load_state_dict(plain.state_dict())
    fuse_activations(model)
    assert model[0].intermediate_act_fn is fused
    states = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    found, expected = (layer(3 * states) for layer in (model, plain))
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(found)
    torch.testing.assert_close(*(torch.autograd.grad((out * weight).sum(), states) for out in (found, expected)))


def test_only_models_of_ours_are_fused():
    """Those that are trained here, and not RecBole's class."""
    layers = [m for m in tiny_run("SASRec", neg_sampler="rns").trainer.model.modules() if isinstance(m, FeedForward)]
    assert layers and all(layer.intermediate_act_fn is F.gelu for layer in layers)
    assert FeedForward(4, 8, 0.0, "gelu", 1e-12).intermediate_act_fn is not F.gelu


def recurrence(x, step, decay, into, out_of):
    """The scan, position by position, from its formula."""
    state = x.new_zeros(len(x), x.size(2), decay.size(1))
    outputs = []
    for t in range(x.size(1)):
        state = torch.exp(step[:, t, :, None] * decay) * state + (step[:, t] * x[:, t])[..., None] * into[:, t, None, :]
        outputs.append((state * out_of[:, t, None, :]).sum(-1))
    return torch.stack(outputs, 1)


def scan_inputs(rows, length, channels, states, dtype):
    generator = torch.Generator().manual_seed(length)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    values = (
        normal(rows, length, channels), F.softplus(normal(rows, length, channels)), -normal(channels, states).exp(),
        normal(rows, length, states), normal(rows, length, states),
    )  # fmt: skip
    return [value.requires_grad_() for value in values]


@pytest.mark.parametrize("length", [1, 4, 5, 6, 23])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_the_scan_equals_the_recurrence_in_output_and_gradients(length, dtype, tolerance):
    inputs = scan_inputs(3, length, 5, 4, dtype)
    reference = [value.detach().double().requires_grad_() for value in inputs]
    found, expected = selective_scan(*inputs, rows=2), recurrence(*reference)
    weight = torch.randn(found.shape, dtype=torch.float64)
    left = torch.autograd.grad((found * weight.to(dtype)).sum(), inputs)
    right = torch.autograd.grad((expected * weight).sum(), reference)
    for a, b in zip((found, *left), (expected, *right)):
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)


def test_the_scan_passes_gradcheck_and_keeps_the_type():
    assert torch.autograd.gradcheck(selective_scan, scan_inputs(2, 7, 2, 3, torch.float64))
    halves = [value.detach().bfloat16() for value in scan_inputs(2, 7, 2, 3, torch.float32)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert selective_scan(*halves).dtype == torch.bfloat16


def test_the_mixer_equals_mambas_formula_position_by_position():
    torch.manual_seed(0)
    mixer = MambaMixer(6, 4, 3, 2).double()
    states = torch.randn(2, 9, 6, dtype=torch.float64)
    x, gate = (states @ mixer.in_proj.weight.T).split(12, dim=-1)
    rows = []
    for t in range(9):
        taps = [mixer.conv1d.weight[:, 0, 2 - lag] * x[:, t - lag] for lag in range(3) if t >= lag]
        rows.append(F.silu(sum(taps) + mixer.conv1d.bias))
    x = torch.stack(rows, 1)
    step, into, out_of = (x @ mixer.x_proj.weight.T).split([1, 4, 4], dim=-1)
    step = F.softplus(step @ mixer.dt_proj.weight.T + mixer.dt_proj.bias)
    y = recurrence(x, step, -mixer.A_log.exp(), into, out_of) + mixer.D * x
    expected = (y * F.silu(gate)) @ mixer.out_proj.weight.T
    torch.testing.assert_close(mixer(states, torch.ones(2, 9, dtype=torch.bool)), expected)


def test_padding_on_either_side_leaves_mamba_alone():
    run = tiny_run("Mamba4Rec", neg_sampler="rns", num_layers=2)
    model = run.trainer.model.eval()
    items = torch.tensor([[3, 9, 4]])
    right = F.pad(items, (0, 5))
    left = F.pad(items, (5, 0))
    alone = model(items, torch.tensor([3]))
    torch.testing.assert_close(model(right, torch.tensor([3])), alone)
    torch.testing.assert_close(model(left, torch.tensor([8])), alone)


@pytest.mark.parametrize("model", ["FMLP4Rec", "LinRec", "Mamba4Rec"])
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
