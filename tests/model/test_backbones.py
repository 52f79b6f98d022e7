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
