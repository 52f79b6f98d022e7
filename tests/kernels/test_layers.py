"""The faster forms of RecBole's layers against the layers that they replace."""

import pytest
import torch
import torch.nn.functional as F
from helpers.device import DEVICE, on
from helpers.runs import tiny_run
from recbole.model.layers import FeedForward

from recbole_mdcns.kernels.layers import QuickDropout, fuse_layers


@pytest.mark.parametrize(("act", "fused"), [("gelu", F.gelu), ("swish", F.silu), ("relu", F.relu)])
def test_fused_activations_equal_recboles(act, fused):
    plain = FeedForward(4, 8, 0.0, act, 1e-12).double().to(DEVICE)
    model = torch.nn.Sequential(FeedForward(4, 8, 0.0, act, 1e-12).double().to(DEVICE))
    model[0].load_state_dict(plain.state_dict())
    fuse_layers(model)
    assert model[0].intermediate_act_fn is fused
    states = on(torch.randn(5, 4, dtype=torch.float64, requires_grad=True))
    found, expected = (layer(3 * states) for layer in (model, plain))
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(found)
    torch.testing.assert_close(*(torch.autograd.grad((out * weight).sum(), states) for out in (found, expected)))


def test_only_models_of_ours_are_fused():
    """Those that are trained here, and not RecBole's class."""
    layers = [m for m in tiny_run("SASRec", neg_sampler="rns").trainer.model.modules() if isinstance(m, FeedForward)]
    assert layers and all(layer.intermediate_act_fn is F.gelu for layer in layers)
    assert FeedForward(4, 8, 0.0, "gelu", 1e-12).intermediate_act_fn is not F.gelu


def test_layers_stay_as_they_are_where_that_is_asked_for():
    found = [list(tiny_run("SASRec", neg_sampler="rns", fuse_layers=f).trainer.model.modules()) for f in (False, True)]
    quick = [sum(isinstance(layer, QuickDropout) for layer in layers) for layers in found]
    fast = [sum(getattr(layer, "intermediate_act_fn", None) is F.gelu for layer in layers) for layers in found]
    assert quick[0] == fast[0] == 0 < min(quick[1], fast[1])


@pytest.mark.parametrize("rate", [0.0, 0.2, 0.5, 1 / 3, 1.0])
def test_quick_dropout_drops_at_its_rate_and_keeps_the_mean(rate):
    model = torch.nn.Sequential(torch.nn.Dropout(rate))
    fuse_layers(model)
    assert type(model[0]) is QuickDropout
    states = on(torch.full((1001, 999), 2.0, requires_grad=True))
    torch.manual_seed(0)
    found = model(states)
    spread = 4 * (rate * (1 - rate) / states.numel()) ** 0.5
    assert (found == 0).float().mean().item() == pytest.approx(rate, abs=spread + 2**-16)
    kept = found[found != 0]
    assert len(kept) == 0 or torch.allclose(kept, kept.new_tensor(2 / (1 - rate)), rtol=1e-4)
    (gradient,) = torch.autograd.grad(found.sum(), states)
    torch.testing.assert_close(gradient, found.detach() / 2)
    torch.manual_seed(0)
    assert torch.equal(model(states), found)
    assert torch.equal(model.eval()(states), states)


def test_quick_dropout_decides_each_element_by_itself():
    """Neither neighbours nor the four that share a random number have anything in common."""
    dropped = (QuickDropout(0.5)(on(torch.ones(400_000))) == 0).float() - 0.5
    for lag in (1, 2, 3, 4, 64):
        assert abs((dropped[lag:] * dropped[:-lag]).mean()) < 4 * 0.25 / 400_000**0.5
