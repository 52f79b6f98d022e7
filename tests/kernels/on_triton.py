"""The scan in Triton against the plain one. ``test_triton_scan.py`` runs this file, in a process of its own.

With ``TRITON_INTERPRET=1``, which Triton reads when it is imported, everything is on the CPU; else on the GPU.
"""

import math
import os

import pytest
import torch
import torch.nn.functional as F
from helpers.runs import states, tiny_run

from recbole_mdcns.kernels.scan_choice import Scan, find_triton
from recbole_mdcns.kernels.selective_scan import selective_scan
from recbole_mdcns.kernels.triton_scan import triton_scan

ON_CPU = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if ON_CPU else "cuda"


def scan_inputs(sizes, dtype=torch.float32):
    rows, length, channels, states = sizes
    generator = torch.Generator().manual_seed(rows + length)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    values = (
        normal(rows, length, channels), F.softplus(normal(rows, length, channels)), -normal(channels, states).exp(),
        normal(rows, length, states), normal(rows, length, states),
    )  # fmt: skip
    return [value.to(DEVICE, dtype).requires_grad_() for value in values]


def twins(inputs, dtype=None):
    return [value.detach().to(dtype or value.dtype).requires_grad_() for value in inputs]


def outputs(scan, inputs):
    """Return y and the gradients of all inputs, for a loss that weighs each number of y."""
    y = scan(*inputs)
    weight = torch.linspace(-1, 1, y.numel(), device=DEVICE, dtype=torch.float64).reshape(y.shape).to(y.dtype)
    with torch.autograd.set_detect_anomaly(False):  # which RecBole turns on, and which waits for the GPU
        return [y, *torch.autograd.grad((y * weight).sum(), inputs)]


def check_equal(found, expected, tolerance):
    """Compare tensor by tensor, relative to each one's largest number."""
    for a, b in zip(found, expected):
        assert a.shape == b.shape
        assert (a.double() - b.double()).abs().max() <= tolerance * b.double().abs().max()


def test_two_positions_by_hand():
    """exp(dt A) is 1/2: states 3 * 2 = 6 and 6 / 2 + 5 = 8; wanted of them 1 + 4 / 2 = 3 and 4."""
    numbers = [3.0, 5.0], [1.0, 1.0], [-math.log(2)], [2.0, 1.0], [1.0, 4.0]
    x, dt, A, B, C = (torch.tensor(n, dtype=torch.float64, device=DEVICE, requires_grad=True) for n in numbers)
    y = triton_scan(*(tensor.view(1, -1, 1) if len(tensor) == 2 else tensor.view(1, 1) for tensor in (x, dt, A, B, C)))
    assert y.flatten().tolist() == pytest.approx([6, 32])
    y.sum().backward()
    assert x.grad.tolist() == pytest.approx([3 * 2, 4 * 1])
    assert B.grad.tolist() == pytest.approx([3 * 3, 4 * 5])
    assert C.grad.tolist() == pytest.approx([6, 8])
    assert A.grad.tolist() == pytest.approx([4 * 6 / 2])
    assert dt.grad.tolist() == pytest.approx([3 * 2 * 3, 4 * 5 - 12 * math.log(2)])


#: Rows, length, channels and states: one of everything, one position, odd sizes, several blocks, many states.
SIZES = [(1, 1, 1, 1), (3, 1, 5, 4), (2, 6, 33, 3), (1, 3, 70, 16), (1, 3, 9, 40)]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_it_equals_the_plain_scan_in_double_precision(sizes, dtype, tolerance):
    inputs = scan_inputs(sizes, dtype)
    found = outputs(triton_scan, inputs)
    assert {tensor.dtype for tensor in found} == {dtype}
    check_equal(found, outputs(selective_scan, twins(inputs, torch.float64)), tolerance)


def test_gradients_equal_differences():
    assert torch.autograd.gradcheck(triton_scan, scan_inputs((1, 3, 2, 3), torch.float64), fast_mode=True)


def test_strides_do_not_matter():
    """As the mixer hands them over: x from a convolution, B and C out of one projection; the gradient is expanded."""
    x, dt, A, *_ = scan_inputs((2, 4, 6, 3), torch.float64)
    both = torch.randn(2, 4, 10, dtype=torch.float64, device=DEVICE)
    x = x.detach().transpose(1, 2).contiguous().transpose(1, 2).requires_grad_()
    B, C = (part.requires_grad_() for part in both.split([3, 4, 3], 2)[::2])
    assert not (x.is_contiguous() or B.is_contiguous())
    found, expected = (scan(x, dt, A, B, C) for scan in (triton_scan, selective_scan))
    check_equal([found], [expected], 1e-12)
    ours, plain = (torch.autograd.grad(y.sum(), (x, dt, A, B, C)) for y in (found, expected))
    check_equal(ours, plain, 1e-12)


def test_under_autocast_halves_are_computed_in_float32():
    """What is left is the rounding of each result to 8 bits."""
    halves = [value.detach().bfloat16() for value in scan_inputs((2, 5, 6, 4))]
    mixed = [value.to(torch.float32 if place in (1, 2) else value.dtype) for place, value in enumerate(halves)]
    with torch.autocast(DEVICE, dtype=torch.bfloat16):
        found, expected = outputs(triton_scan, twins(mixed)), outputs(selective_scan, twins(mixed))
    assert [tensor.dtype for tensor in found] == [tensor.dtype for tensor in expected]
    assert found[0].dtype == torch.bfloat16 and found[3].dtype == torch.float32
    check_equal(found, expected, 2**-7)


def test_without_gradients_nothing_is_kept_or_written():
    inputs = scan_inputs((2, 3, 5, 4))
    before, y = twins(inputs), triton_scan(*inputs)
    with torch.no_grad():
        assert torch.equal(triton_scan(*inputs), y)
    assert all(torch.equal(a, b) for a, b in zip(inputs, before))
    assert all(torch.equal(a, b) for a, b in zip(outputs(triton_scan, inputs), outputs(triton_scan, before)))
    assert triton_scan(*(value.detach() for value in inputs)).grad_fn is None


def test_the_same_inputs_give_the_same_bits():
    inputs = scan_inputs((2, 3, 70, 4)) if ON_CPU else scan_inputs((300, 50, 128, 16))
    assert all(torch.equal(a, b) for a, b in zip(outputs(triton_scan, inputs), outputs(triton_scan, inputs)))


def test_there_is_no_second_derivative():
    x, *others = scan_inputs((1, 2, 2, 2))
    (gradient,) = torch.autograd.grad(triton_scan(x, *others).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_a_training_step_of_mamba4rec_equals_that_by_the_plain_scan():
    """Two steps with two layers; the second one's loss depends on all weights after the first."""
    losses, weights = [], []
    for scan in (selective_scan, triton_scan):
        run = tiny_run(
            "Mamba4Rec", neg_sampler="rns", num_layers=2, dropout_prob=0.0, d_state=3, train_batch_size=8,
            MAX_ITEM_LIST_LENGTH=4, use_gpu=not ON_CPU, learner="sgd", learning_rate=1.0,
        )  # fmt: skip
        for layer in run.trainer.model.layers:
            layer.mixer.scan = scan
        run.trainer.prepare(run.train)
        run.trainer.strategy.start_epoch(0)
        batches = iter(run.trainer.batches)
        losses.append([run.trainer.train_step(next(batches))["loss"].item() for _ in range(2)])
        weights.append(states(run.trainer)[0])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6) and losses[0][0] != losses[0][1]
    assert weights[0].keys() == weights[1].keys()
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, rtol=1e-5, atol=1e-6)


def test_it_is_found_where_it_runs():
    assert find_triton(torch.device(DEVICE)) is triton_scan


@pytest.mark.skipif(ON_CPU, reason="a GPU has this")
def test_the_model_takes_it_and_a_graph_replays_it():
    model = tiny_run("Mamba4Rec", neg_sampler="rns", use_gpu=True).trainer.model
    assert model.layers[0].mixer.scan == Scan(on_gpu=triton_scan)
    inputs = scan_inputs((5, 7, 40, 16))
    other = [value.detach().flip(0).contiguous() for value in inputs]
    expected = outputs(triton_scan, twins(other))
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        outputs(triton_scan, inputs)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = outputs(triton_scan, inputs)
    with torch.no_grad():
        for value, new in zip(inputs, other):
            value.copy_(new)
    graph.replay()
    assert all(torch.equal(a, b) for a, b in zip(captured, expected))
