"""Methods of a user's own class: what is missing, or takes other arguments, is named before any data are read."""

# The signatures below are wrong on purpose.
# mypy: disable-error-code="override"

import functools
from pathlib import Path

import pytest
import torch
from recbole.evaluator.base_metric import TopkMetric

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.losses import LossOfNegatives
from recbole_mdcns.losses.pairwise import BCE, PairwiseLoss
from recbole_mdcns.negatives import Negatives, NegativeStrategy
from recbole_mdcns.negatives.rns import RNS
from recbole_mdcns.support import declared as declarations
from recbole_mdcns.support.declared import Declaration, resolve


class NoChoose(NegativeStrategy):
    pass


class ChooseTwo(RNS):
    def choose(self, pool, number):
        return Negatives(pool.scores, list(self.weights))


class PlainCheck(RNS):
    def check(self, keys):
        pass


class CheckNothing(RNS):
    @classmethod
    def check(cls):
        pass


class StaticNothing(RNS):
    @staticmethod
    def check():
        pass


class TeacherOfOne(RNS):
    def teacher(self, scores):
        return scores


class BuiltFromKeys(RNS):
    def __init__(self, config):
        super().__init__(config, torch.device("cpu"))


class KeepsAndForgets(RNS):
    def state_dict(self):
        return {**super().state_dict(), "count": 1}


class Restores(RNS):
    def load_state_dict(self, state):
        super().load_state_dict(state)


class KeepsTheRestored(Restores):
    def state_dict(self):
        return {**super().state_dict(), "count": 1}


class NoPairs(PairwiseLoss):
    pass


class OfPositives(BCE):
    def of_pairs(self, positive):
        return positive


class KeepsNumbers(BCE):
    def state_dict(self):
        return {}


class OfThree(LossOfNegatives):
    def __call__(self, positive, negative, weights):
        return positive


class WithoutData(TopkMetric):
    def calculate_metric(self):
        return {}


@pytest.mark.parametrize(
    ("kind", "cls", "message"),
    [
        ("negatives", NoChoose, "NoChoose does not define choose"),
        ("negatives", ChooseTwo, r"ChooseTwo.choose takes \(self, pool, number\), expected \(self, pool\)"),
        ("negatives", PlainCheck, "PlainCheck.check is no classmethod: write @classmethod above it"),
        ("negatives", CheckNothing, r"CheckNothing.check takes \(cls\), expected \(cls, keys\)"),
        ("negatives", StaticNothing, r"StaticNothing.check takes \(\), expected \(keys\)"),
        ("negatives", TeacherOfOne, r"TeacherOfOne.teacher takes \(self, scores\), expected \(self, scores, scores\)"),
        ("negatives", BuiltFromKeys, r"takes \(self, config\), expected \(self, config, device\)"),
        ("negatives", KeepsAndForgets, r"KeepsAndForgets defines state_dict without load_state_dict, .*super\(\)"),
        ("negatives", KeepsTheRestored, r"KeepsTheRestored defines state_dict without load_state_dict, .*super\(\)"),
        ("losses", KeepsNumbers, r"KeepsNumbers defines state_dict without load_state_dict, .*super\(\)"),
        ("losses", NoPairs, "NoPairs does not define of_pairs"),
        ("losses", OfPositives, r"takes \(self, positive\), expected \(self, positive, negative\)"),
        ("losses", OfThree, r"takes \(self, positive, negative, weights\), expected \(self, scores\)"),
        ("metrics", WithoutData, r"takes \(self\), expected \(self, dataobject\)"),
    ],
)
def test_what_cannot_be_called_is_named(kind, cls, message):
    key = {"negatives": "neg_sampler", "losses": "ranking_loss", "metrics": "metrics"}[kind]
    with pytest.raises(ConfigError, match=f"{key} = '{__name__}:{cls.__name__}' is not allowed: .*{message}$"):
        resolve(kind, f"{__name__}:{cls.__name__}")


def test_a_class_of_another_kind_is_named_also_where_a_yaml_of_ours_declares_it(monkeypatch):
    path = Path("properties/losses/odd.yaml")
    odd = {"odd": Declaration("odd", path, "recbole_mdcns.negatives.rns:RNS")}
    monkeypatch.setattr(declarations, "declared", lambda kind: odd)
    with pytest.raises(ConfigError, match="ranking_loss = 'odd' is not allowed: it is not a subclass of RankingLoss"):
        resolve("losses", "odd")


class Free(RNS):
    """Other names, further arguments with a default, any arguments, decorated methods."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    @staticmethod
    def check(keys):
        pass

    @torch.no_grad()
    def choose(self, scored, number=1):
        return super().choose(scored)

    def load_state_dict(self, state):
        super().load_state_dict(state)

    def state_dict(self):
        return super().state_dict()

    start_epoch = functools.partialmethod(RNS.start_epoch)

    def pick(self, pool):
        """Only this class calls it."""


def test_what_can_be_called_is_allowed():
    assert resolve("negatives", f"{__name__}:Free") is Free
