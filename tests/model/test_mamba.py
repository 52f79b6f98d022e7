"""Mamba4Rec: scan, convolution and mixer against their formulas, compiled or not."""

import functools

import pytest
import torch
import torch.nn.functional as F
from helpers.device import DEVICE, on
from helpers.runs import fit, tiny_run

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.kernels.causal_conv import causal_convolution
from recbole_mdcns.kernels.compiled_scan import compiled_kernels
from recbole_mdcns.kernels.scan_choice import Scan
from recbole_mdcns.kernels.selective_scan import PLAIN, selective_scan
from recbole_mdcns.model.mamba4rec import MambaMixer


def recurrence(x, dt, A, B, C):
    """The scan, position by position, from its formula."""
    state = x.new_zeros(len(x), x.size(2), A.size(1))
    outputs = []
    for t in range(x.size(1)):
        state = torch.exp(dt[:, t, :, None] * A) * state + (dt[:, t] * x[:, t])[..., None] * B[:, t, None, :]
        outputs.append((state * C[:, t, None, :]).sum(-1))
    return torch.stack(outputs, 1)


def scan_inputs(rows, length, channels, states, dtype):
    generator = torch.Generator().manual_seed(length)

    def normal(*shape):
        return on(torch.randn(*shape, generator=generator, dtype=dtype))

    values = (
        normal(rows, length, channels), F.softplus(normal(rows, length, channels)), -normal(channels, states).exp(),
        normal(rows, length, states), normal(rows, length, states),
    )  # fmt: skip
    return [value.requires_grad_() for value in values]


def check_scan(kernels, length, dtype, tolerance):
    inputs = scan_inputs(3, length, 5, 4, dtype)
    reference = [value.detach().double().requires_grad_() for value in inputs]
    found, expected = functools.partial(selective_scan, kernels=kernels)(*inputs), recurrence(*reference)
    weight = on(torch.randn(found.shape, dtype=torch.float64))
    left = torch.autograd.grad((found * weight.to(dtype)).sum(), inputs)
    right = torch.autograd.grad((expected * weight).sum(), reference)
    for a, b in zip((found, *left), (expected, *right)):
        torch.testing.assert_close(a.double(), b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("length", [1, 4, 5, 6, 23])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_the_scan_equals_the_recurrence_in_output_and_gradients(length, dtype, tolerance):
    check_scan(PLAIN._replace(rows=2), length, dtype, tolerance)


def test_the_compiled_scan_equals_the_recurrence_and_trains():
    try:
        kernels = compiled_kernels()
    except ConfigError as error:
        pytest.skip(f"nothing can be compiled here: {error}")
    for length in (1, 2, 5):
        check_scan(kernels, length, torch.float32, 1e-4)
    losses = []
    for compiled in (False, True):
        run = tiny_run("Mamba4Rec", neg_sampler="rns", epochs=2, compile_scan=compiled, use_gpu=False)
        assert {layer.mixer.scan for layer in run.trainer.model.layers} == {Scan(kernels if compiled else PLAIN)}
        fit(run, saved=False)
        losses.append([epoch["loss"] for epoch in run.trainer.epoch_log])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4) and losses[0][1] < losses[0][0]


def test_what_cannot_be_compiled_is_refused_with_its_key(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", lambda function, dynamic: broken)
    with pytest.raises(ConfigError, match="compile_scan = True is not allowed: .*no compiler"):
        compiled_kernels.__wrapped__()


def test_the_scan_passes_gradcheck_and_keeps_the_type():
    assert torch.autograd.gradcheck(selective_scan, scan_inputs(2, 7, 2, 3, torch.float64))
    halves = [value.detach().bfloat16() for value in scan_inputs(2, 7, 2, 3, torch.float32)]
    with torch.autocast(DEVICE.type, dtype=torch.bfloat16):
        assert selective_scan(*halves).dtype == torch.bfloat16


def test_the_mixer_equals_mambas_formula_position_by_position():
    torch.manual_seed(0)
    mixer = MambaMixer(6, 4, 3, 2).double().to(DEVICE)
    states = on(torch.randn(2, 9, 6, dtype=torch.float64))
    x, gate = (states @ mixer.in_proj.weight.T).split(12, dim=-1)
    rows = []
    for t in range(9):
        taps = [mixer.conv1d.weight[:, 0, 2 - lag] * x[:, t - lag] for lag in range(3) if t >= lag]
        rows.append(F.silu(sum(taps) + mixer.conv1d.bias))
    x = torch.stack(rows, 1)
    dt, B, C = (x @ mixer.x_proj.weight.T).split([1, 4, 4], dim=-1)
    dt = F.softplus(dt @ mixer.dt_proj.weight.T + mixer.dt_proj.bias)
    y = recurrence(x, dt, -mixer.A_log.exp(), B, C) + mixer.D * x
    expected = (y * F.silu(gate)) @ mixer.out_proj.weight.T
    torch.testing.assert_close(mixer(states, on(torch.ones(2, 9, dtype=torch.bool))), expected)


@pytest.mark.parametrize("length", [1, 2, 3, 9])
def test_the_causal_convolution_equals_that_of_torch(length):
    conv = torch.nn.Conv1d(5, 5, 3, groups=5, padding=2).double().to(DEVICE)
    x = on(torch.randn(4, length, 5, dtype=torch.float64, requires_grad=True))
    found = causal_convolution(x, conv.weight, conv.bias)
    expected = conv(x.transpose(1, 2))[..., :length].transpose(1, 2)
    torch.testing.assert_close(found, expected)
    weight, wanted = torch.randn_like(found), (x, conv.weight, conv.bias)
    pairs = zip(*(torch.autograd.grad((y * weight).sum(), wanted) for y in (found, expected)))
    for a, b in pairs:
        torch.testing.assert_close(a, b)


def test_only_several_layers_have_residual_connections():
    """A mixer that gives nothing leaves nothing of the items in the state, unless they pass beside it."""
    for layer_num in (1, 2):
        model = tiny_run("Mamba4Rec", neg_sampler="rns", num_layers=layer_num).trainer.model.eval()
        for layer in model.layers:
            layer.mixer.out_proj.weight.data.zero_()
        one, other = (model(on(torch.tensor([[item]])), on(torch.tensor([1]))) for item in (3, 9))
        assert torch.allclose(one, other) == (layer_num == 1)


def test_states_of_a_new_mixer_decay_at_whole_rates():
    """A = -1, -2, ... and D = 1 in every channel."""
    mixer = MambaMixer(6, 4, 3, 2)
    torch.testing.assert_close(-mixer.A_log.exp(), torch.tensor([[-1.0, -2.0, -3.0, -4.0]] * 12))
    assert mixer.D.tolist() == [1.0] * 12


def test_padding_on_either_side_leaves_mamba_alone():
    run = tiny_run("Mamba4Rec", neg_sampler="rns", num_layers=2)
    model = run.trainer.model.eval()
    items = on(torch.tensor([[3, 9, 4]]))
    right = F.pad(items, (0, 5))
    left = F.pad(items, (5, 0))
    alone = model(items, on(torch.tensor([3])))
    torch.testing.assert_close(model(right, on(torch.tensor([3]))), alone)
    torch.testing.assert_close(model(left, on(torch.tensor([8]))), alone)
