"""Fingerprints tell what a training reads, and not how its file is written."""

from __future__ import annotations

import random

import pytest
from helpers.runs import cycle_lines, tiny_config, write_inter

from recbole_mdcns.data.fingerprint import fingerprints
from recbole_mdcns.data.load import dataset_of, load_splits

LINES = cycle_lines()
*REST, (USER, FIRST, _), (_, SECOND, _) = [line.split() for line in LINES]
#: Its last two lines have the same time, at which the order of the file counts.
TIED = [*LINES[:-2], f"{USER}\t{FIRST}\t10\n", f"{USER}\t{SECOND}\t10\n"]


def of(lines: list[str], **keys) -> dict[str, str]:
    """Return the fingerprints of the training part of a file with these lines."""
    write_inter(lines)
    _, splits = load_splits(tiny_config(neg_sampler="rns", **keys))
    return fingerprints(dataset_of(splits["train"]))


def differing(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one if one[name] != other[name]}


def test_the_order_of_the_lines_changes_only_the_numbers_of_the_names():
    shuffled = list(LINES)
    random.Random(1).shuffle(shuffled)
    assert differing(of(LINES), of(shuffled)) == {"order"}
    assert of(LINES) == of(list(LINES))


@pytest.mark.parametrize(
    ("lines", "changed"),
    [
        (TIED, [*TIED[:-2], TIED[-1], TIED[-2]]),  # the order of a sequence, and nothing else
        (LINES, [*LINES[:-1], LINES[-1].replace("\t11\n", "\t12\n")]),  # a time
        (LINES, [*LINES[:-1], LINES[-1].replace(f"\t{SECOND}\t", f"\t{FIRST}\t")]),  # an item
        (LINES, [*LINES, LINES[-1].replace("\t11\n", "\t12\n")]),  # a line more
    ],
)
def test_what_a_sequence_holds_changes_the_sequences_and_what_is_trained_on(lines, changed):
    assert differing(of(lines), of(changed)) == {"sequences", "split"}


def test_two_users_who_change_places_are_told_by_what_they_are_trained_on():
    other = [
        line.replace("u0\t", "x\t").replace("u1\t", "u0\t").replace("x\t", "u1\t") if line[:3] in ("u0\t", "u1\t")
        else line for line in LINES
    ]  # fmt: skip
    assert differing(of(LINES), of(other)) == {"split", "order"}


def test_another_split_of_the_same_sequences_is_told():
    assert differing(of(LINES), of(LINES, protocol="paper")) == {"split"}
    first, second = (of(LINES, protocol="paper", split_seed=seed) for seed in (1, 2))
    assert differing(first, second) == {"split"}
