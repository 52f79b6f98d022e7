"""What a step keeps on the host, and which random generators it may draw from."""

from __future__ import annotations

import random
from collections import deque

import numpy as np
import pytest
import torch

from recbole_mdcns.trainer.host_state import generators, host_state


class Own:
    """A class of a user."""

    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize(
    ("value", "change"),
    [(np.random.default_rng(0), lambda own: own.value.random()),
     (random.Random(0), lambda own: own.value.random()),
     (deque([1], maxlen=1), lambda own: own.value.append(2)),
     (np.float32(0.5), lambda own: setattr(own, "value", np.float32(0.25))),
     ([{"rate": 1.0}], lambda own: own.value[0].update(rate=2.0)),
     (torch.zeros(2), lambda own: setattr(own, "value", own.value + 1))],
)  # fmt: skip
def test_a_change_shows(value, change):
    own = Own(value)
    before = host_state({"own": own})
    assert before and before == host_state({"own": own})
    change(own)
    assert before != host_state({"own": own})


def test_a_change_in_place_does_not_show():
    own = Own(torch.zeros(2))
    before = host_state({"own": own})
    own.value += 1
    assert before == host_state({"own": own})


def test_generators_are_those_of_the_device_each_once():
    first, second = torch.Generator(), torch.Generator()
    objects = {"strategy": Own(first), "loss": Own([first, {"other": second}]), "model": Own(1)}
    assert {id(each) for each in generators(objects, torch.device("cpu"))} == {id(first), id(second)}
    assert len(generators(objects, torch.device("cpu"))) == 2
    assert generators(objects, torch.device("cuda")) == []  # a graph would crash on one of the CPU
