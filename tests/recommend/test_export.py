"""An exported encoder is that of torch, and what cannot be exported is refused."""

import builtins
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.device import DEVICE
from helpers.runs import fit, tiny_run
from torch import nn

from recbole_mdcns.cli.main import main
from recbole_mdcns.model.fmlp4rec import FilterLayer
from recbole_mdcns.model.mamba4rec import MambaMixer
from recbole_mdcns.recommend import load, onnx_model
from recbole_mdcns.recommend.embedding_files import write_embeddings
from recbole_mdcns.recommend.onnx_model import SequenceEncoder, export_onnx
from recbole_mdcns.recommend.plain_layers import plain_copy

SEQUENCES = [["i3"], ["i1", "i2", "i3"], [f"i{number}" for number in range(20)], ["i7"] * 8]


def trained(name, **keys):
    """Return the recommender and the file of a short training."""
    run = tiny_run(name, **{"epochs": 1, "neg_sampler": "rns", "neg_candidate_num": 4, **keys})
    fit(run)
    return load(run.trainer.files.best, DEVICE), run.trainer.files.best


def numbers(recommender):
    """Return the sequences as an exported encoder reads them, of shape [4, 20]."""
    table = np.zeros((len(SEQUENCES), 20), dtype=np.int64)
    for row, sequence in zip(table, SEQUENCES):
        row[: len(sequence)] = [recommender.item_ids.index(item) + 1 for item in sequence]
    return table


@pytest.mark.parametrize("pad_side", ["right", "left"])
@pytest.mark.parametrize("name", onnx_model.TESTED)
def test_an_exported_encoder_is_that_of_torch(name, pad_side):
    """In torch, and under onnxruntime where it is installed, for any batch and length, longer than the window too."""
    recommender, file = trained(name, pad_side=pad_side)
    items, expected = numbers(recommender), recommender.encode(SEQUENCES)
    encoder = SequenceEncoder(recommender.inner_product_model("self"), recommender.window, pad_side)
    with torch.no_grad():
        np.testing.assert_allclose(encoder(torch.from_numpy(items)), expected, atol=1e-5)
        np.testing.assert_allclose(encoder(torch.from_numpy(items[:2, :3])), expected[:2], atol=1e-5)
    pytest.importorskip("onnx", reason="it is what torch's exporter needs")
    onnxruntime = pytest.importorskip("onnxruntime", reason="it runs the file")
    assert main(["export-model", str(file), "--onnx=m.onnx"]) == 0
    session = onnxruntime.InferenceSession("m.onnx")
    for rows, width in ((4, 20), (2, 3), (1, 1), (2, 8)):
        (found,) = session.run(["encoding"], {"items": items[:rows, :width]})
        np.testing.assert_allclose(found, expected[:rows], atol=1e-5)


def test_layers_in_plain_operators_are_those_of_training():
    torch.manual_seed(0)
    for layer, given in (
        (FilterLayer(7, 3, 0.0, 1e-12), (torch.randn(2, 7, 3),)),
        (MambaMixer(6, 4, 3, 2), (torch.randn(2, 7, 6), torch.tensor([[1] * 7, [0] * 2 + [1] * 5]) > 0)),
    ):
        for parameter in layer.parameters():
            nn.init.normal_(parameter, std=0.5)
        (plain,) = plain_copy(nn.Sequential(layer), 7).children()
        assert type(plain) is not type(layer)
        with torch.no_grad():
            torch.testing.assert_close(plain(*given), layer.eval()(*given), atol=1e-5, rtol=1e-5)


def test_embeddings_and_their_ids():
    recommender, file = trained("GRU4Rec", neg_sampler="mdcns")
    assert main(["export-model", str(file), "--embeddings=vectors/here", "--model=peer"]) == 0
    ids = json.loads(Path("vectors/here/ids.json").read_text())
    vectors = np.load("vectors/here/embeddings.npy", allow_pickle=False)
    assert ids == recommender.item_ids and vectors.dtype == np.float32
    scores = recommender.encode(SEQUENCES, model="peer") @ vectors.T
    np.testing.assert_allclose(scores, recommender.score(SEQUENCES, ids, model="peer"), atol=1e-5)
    done, sync, replace = [], os.fsync, os.replace
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda file: done.append("fsync") or sync(file))
        patch.setattr(os, "replace", lambda *paths: done.append("replace") or replace(*paths))
        write_embeddings(recommender, Path("vectors/here"), "self")
    assert done[:2] == ["fsync", "fsync"] and done.count("replace") == 2  # both are on disk before one is replaced


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CORE", "CORE does not score by inner products"),
        ("HGN", "HGN cannot be exported: it reads the user"),
        ("FEARec", "FEARec cannot be exported: "),  # a Fourier transform
        ("GCSAN", "GCSAN cannot be exported: its ONNX form differs from torch by "),  # a loop of numpy over rows
    ],
)
def test_what_cannot_be_exported_is_refused_in_one_sentence(name, said, capsys):
    if name in ("FEARec", "GCSAN"):
        pytest.importorskip("onnx", reason="it is what torch's exporter needs")
        pytest.importorskip("onnxruntime", reason="it runs the file")
    _, file = trained(name)
    capsys.readouterr()
    assert main(["export-model", str(file), "--onnx=m.onnx"]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("recbole-mdcns export-model: ") and said in line
    assert not Path("m.onnx").exists()


def test_several_models_are_refused_together(capsys):
    _, file = trained("SASRec", neg_sampler="mdcns")
    assert main(["export-model", str(file), "--embeddings=vectors", "--model=teacher"]) == 2
    assert "several models does not score by inner products" in capsys.readouterr().err
    assert not Path("vectors").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named(package, monkeypatch):
    recommender, _ = trained("SASRec")
    real = builtins.__import__

    def without(name, *rest):
        if name == package:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(onnx_model, "TESTED", ())
    with pytest.raises(onnx_model.ConfigError, match="pip install onnx onnxruntime"):
        export_onnx(recommender, Path("m.onnx"))
    assert not Path("m.onnx").exists()
