"""Nets around RecBole's calls: a bug planted in our code stays a traceback, a refusal of RecBole's is a sentence."""

import pytest
from helpers.planted_bugs import ours, recboles
from helpers.runs import TINY, tiny_run

from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.errors import ConfigError, DataError
from recbole_mdcns.kernels import compiled_scan
from recbole_mdcns.model.mamba4rec import Mamba4Rec
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.support.import_path import import_own

BUGS = [AttributeError, TypeError, KeyError, IndexError, AssertionError, ValueError]


def train():
    run_recbole_mdcns("SASRec", "tiny", config_dict={**TINY, "neg_sampler": "rns", "epochs": 1}, saved=False)


@pytest.mark.parametrize("bug", BUGS)
def test_loading(bug, monkeypatch):
    """Inside a step of RecBole's: its own code, and code of ours that it calls."""
    monkeypatch.setattr(HistoryDataset, "_concat_remaped_tokens", recboles("raise bug('not so')", bug=bug))
    with pytest.raises(DataError, match="dataset 'tiny' cannot be loaded: .*not so"):
        train()
    monkeypatch.setattr(HistoryDataset, "_concat_remaped_tokens", ours("raise bug('ours')", bug=bug))
    with pytest.raises(bug, match="ours"):
        train()


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("where", ["HistoryDataset.num", "MambaMixer.__init__"])
def test_building_a_model(where, bug, monkeypatch):
    """A constructor of RecBole's that calls code of ours, and a constructor of ours."""
    place = {"HistoryDataset.num": "data.dataset", "MambaMixer.__init__": "model.mamba4rec"}[where]
    monkeypatch.setattr(f"recbole_mdcns.{place}.{where}", ours("raise bug('ours')", bug=bug))
    with pytest.raises(bug, match="ours"):
        tiny_run("Mamba4Rec", neg_sampler="rns")


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("where", ["forward", "full_sort_predict"])
def test_measuring_a_model_of_ours(where, bug, monkeypatch):
    monkeypatch.setattr(Mamba4Rec, where, ours("raise bug('ours')", bug=bug))
    with pytest.raises(bug, match="ours"):
        tiny_run("Mamba4Rec", neg_sampler="rns")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no such kernel"), "cannot be built from its keys: no such kernel"),
        (AttributeError("'NoneType' object"), "cannot be built from its keys: 'NoneType' object"),
        (AssertionError(), "cannot be built from its keys: AssertionError"),
        (KeyError("genre"), "cannot be built: it needs 'genre', which neither keys nor data have"),
    ],
)
def test_a_model_of_recboles_that_refuses(error, said, monkeypatch):
    from recbole.model.sequential_recommender import SASRec

    monkeypatch.setattr(SASRec, "__init__", recboles("raise error", error=error))
    with pytest.raises(ConfigError, match=f"model SASRec {said}"):
        train()


@pytest.mark.parametrize("bug", BUGS)
def test_compiling_the_scan(bug, monkeypatch):
    monkeypatch.setattr(compiled_scan, "selective_scan", ours("raise bug('ours')", bug=bug))
    with pytest.raises(bug, match="ours"):
        compiled_scan.compiled_kernels.__wrapped__()


@pytest.mark.parametrize("bug", BUGS)
def test_importing_a_class_by_its_path(bug, monkeypatch):
    monkeypatch.setattr("importlib.import_module", ours("raise bug('ours')", bug=bug))
    with pytest.raises(bug, match="ours"):
        import_own("recbole_mdcns.negatives.rns:RNS", "neg_sampler")
