"""What makes a host wait for its GPU; here a device without memory takes the GPU's place."""

from __future__ import annotations

import pytest
import torch

from recbole_mdcns.trainer.host_reads import HostReads

META = torch.device("meta")


def zeros(*shape, dtype=torch.float32):
    return torch.zeros(shape, dtype=dtype, device=META)


def assign(tensor, place, value):
    tensor[place] = value


def found(call) -> dict[str, int]:
    with HostReads(META) as reads:
        call()
    return dict(reads.found)


VALUES, PLACES, MASK, NUMBER = zeros(3), zeros(2, dtype=torch.int64), zeros(3, dtype=torch.bool), torch.tensor(2.0)


@pytest.mark.parametrize(
    ("call", "expected"),
    [(lambda: NUMBER.to(META), "_to_copy"),
     (lambda: torch.zeros(2).to(META), "_to_copy"),
     (lambda: torch.ops.aten.lift_fresh(VALUES), "lift_fresh"),  # the end of torch.tensor([0.0], device=GPU)
     (lambda: VALUES.clone().copy_(NUMBER), "copy_"),
     (lambda: torch.where(MASK, VALUES, NUMBER), "where"),
     (lambda: VALUES[torch.tensor([0, 1])], "index"),
     (lambda: assign(VALUES, PLACES, NUMBER), "index_put_"),  # as torch gives a number to places on a GPU
     (lambda: assign(VALUES, MASK, zeros()), "index_put_"),
     (lambda: VALUES.masked_fill(MASK, zeros()), "masked_fill"),
     (lambda: torch.linalg.inv(zeros(2, 2)), "_linalg_check_errors")],
)  # fmt: skip
def test_what_waits_is_found(call, expected):
    assert expected in found(call)


@pytest.mark.parametrize(
    "call",
    [lambda: VALUES.clone().add_(1).mul_(NUMBER), lambda: VALUES.clone().fill_(NUMBER), lambda: VALUES * NUMBER,
     lambda: NUMBER.double(), lambda: VALUES.double(), lambda: torch.where(MASK, VALUES, 0), lambda: VALUES[PLACES],
     lambda: VALUES.masked_fill(MASK, 0), lambda: NUMBER + 1,
     lambda: assign(VALUES, MASK, NUMBER),
     lambda: assign(VALUES, PLACES, zeros(2)), lambda: assign(VALUES, PLACES, zeros()),
     lambda: VALUES.clone().index_fill_(0, PLACES, 1.0)],
)  # fmt: skip
def test_what_a_kernel_takes_does_not_wait(call):
    assert not found(call)
