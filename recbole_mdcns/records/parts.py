"""The parts of a record: the identity of its trial, its epochs, its data, the test ranks, and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.records.entries import Entry

Metrics = dict[str, float]


@dataclass(frozen=True)
class TrialId:
    """The identity of a trial.

    Attributes:
        key: Identifies everything that its result depends on; it is also the name of a file.
        cell: The cell of a table that it belongs to.
        setting: Its hyperparameters.
        seed: Its seed.
    """

    key: str
    cell: Cell
    setting: dict[str, Any]
    seed: int

    def __str__(self) -> str:
        """Return cell and seed."""
        return f"{self.cell}, seed {self.seed}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"key": self.key, "cell": self.cell.to_json(), "setting": self.setting, "seed": self.seed}

    @classmethod
    def from_entry(cls, entry: Entry) -> TrialId:
        """Read it; see :class:`Entry`."""
        entry.allow_only("key", "cell", "setting", "seed")
        return cls(
            key=entry["key"].file_name(),
            cell=Cell.from_entry(entry["cell"]),
            setting=entry["setting"].mapping(),
            seed=entry["seed"].whole(),
        )


@dataclass(frozen=True)
class Epoch:
    """One epoch of a training.

    Attributes:
        epoch: Its number, from 0.
        train_seconds: Seconds of training, without validation.
        parts: The parts of the loss by name, their means over the targets.
        loss: The whole loss.
        targets: The number of training targets.
        valid: Metrics of the self model on validation; None for an epoch without validation.
        valid_peers: Metrics of peers and teacher by role, with ``evaluate_peers``.
    """

    epoch: int
    train_seconds: float
    parts: dict[str, float]
    loss: float | None = None
    targets: int | None = None
    valid: Metrics | None = None
    valid_peers: dict[str, Metrics] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without those that are None."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_entry(cls, entry: Entry) -> Epoch:
        """Read it; see :class:`Entry`."""
        entry.allow_only("epoch", "train_seconds", "parts", "loss", "targets", "valid", "valid_peers")
        return cls(
            epoch=entry["epoch"].whole(),
            train_seconds=entry["train_seconds"].number(),
            parts=entry["parts"].metrics(),
            loss=entry.get("loss").optional(Entry.number),
            targets=entry.get("targets").optional(Entry.whole),
            valid=entry.get("valid").optional(Entry.metrics),
            valid_peers=entry.get("valid_peers").optional(lambda peers: peers.each(Entry.metrics)),
        )


#: The fields of :class:`Data` that identify data.
FINGERPRINTS = ("fingerprint", "split_fingerprint", "sampler_fingerprint")


@dataclass(frozen=True)
class Data:
    """The data of a run.

    Attributes:
        sizes: Users, items and interactions.
        rows: Rows by split.
        split_users: Users by split, if users are split.
        fingerprint: Fingerprint of the sequences; records of version 0.1.0 have none.
        split_fingerprint: Fingerprint of what is trained on and who is evaluated; older records have none.
        sampler_fingerprint: Fingerprint of further data of the sampler, such as exposures; None without any.
    """

    sizes: dict[str, float]
    rows: dict[str, int]
    split_users: dict[str, int] = field(default_factory=dict)
    fingerprint: str | None = None
    split_fingerprint: str | None = None
    sampler_fingerprint: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        every = {name: getattr(self, name) for name in FINGERPRINTS}
        known = {name: value for name, value in every.items() if value is not None}
        return {**self.sizes, **known, "rows": self.rows, "split_users": self.split_users}

    @classmethod
    def from_entry(cls, entry: Entry) -> Data:
        """Read it; see :class:`Entry`."""
        named = ("rows", "split_users", *FINGERPRINTS)
        rows = entry["rows"].each(Entry.whole)
        entry["rows"]["test"].whole()
        return cls(
            sizes={name: value.number() for name, value in entry.items() if name not in named},
            rows=rows,
            split_users=entry.get("split_users").optional(lambda users: users.each(Entry.whole)) or {},
            **{name: entry.get(name).optional(Entry.text) for name in FINGERPRINTS},
        )


@dataclass(frozen=True)
class TestRows:
    """The rank of each test target, and the user of its row.

    Attributes:
        places: For each role, the places of all rows' targets, separated by commas: 1 is the first, 0 is beyond the
            ranked.
        names: The names of the users, each once, separated by line feeds, in the order of the rows; None where the
            record has none, as in version 0.1.0.
        row_nums: How many rows each of ``names`` has, separated by commas; None where each has one.
        user_numbers: In records without names, the user of each row as a number, separated by commas; None where each
            user has one row.
    """

    __test__ = False  # no test, though pytest might think so

    places: dict[str, str]
    names: str | None = None
    row_nums: str | None = None
    user_numbers: str | None = None

    def of_role(self, role: str) -> np.ndarray | None:
        """Return the places of a role, shape [rows]; None where there are none."""
        places = self.places.get(role)
        return np.array(places.split(","), dtype=np.int64) if places else None

    def user_of_row(self) -> np.ndarray | None:
        """Return a number for the user of each row, shape [rows]; None where each user has one row."""
        if self.row_nums is not None:
            row_nums = np.array(self.row_nums.split(","), dtype=np.int64)
            return np.repeat(np.arange(len(row_nums)), row_nums)
        return None if self.user_numbers is None else np.array(self.user_numbers.split(","), dtype=np.int64)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without those that are None."""
        return {name: value for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_entry(cls, entry: Entry, row_num: int) -> TestRows:
        """Read it, and compare the number of rows with that of the data; see :class:`Entry`."""
        entry.allow_only("places", "names", "row_nums", "user_numbers")
        rows = cls(
            places=entry["places"].each(Entry.numbers),
            names=entry.get("names").optional(Entry.text),
            row_nums=entry.get("row_nums").optional(Entry.numbers),
            user_numbers=entry.get("user_numbers").optional(Entry.numbers),
        )
        if rows.row_nums is not None:
            counts = [int(each) for each in rows.row_nums.split(",") if each]
            if rows.names is None or len(counts) != len(rows.names.split("\n")) or min(counts, default=0) < 1:
                raise entry["row_nums"].refuse("a number from 1 for each of the names")
            row_num = sum(counts)
        elif rows.names is not None:
            row_num = len(rows.names.split("\n"))
        elif rows.user_numbers is not None:
            row_num = len(rows.user_numbers.split(","))
        for role, places in rows.places.items():
            count = len(places.split(",")) if places else row_num
            if count != row_num:
                where = f"record {entry.where}: test_rows.places.{role}"
                raise ConfigError(f"{where} has {count} rows, expected {row_num}")
        return rows


@dataclass(frozen=True)
class Environment:
    """The environment of a result.

    Attributes:
        versions: Versions of packages by name.
        commit: Commit of the clone that the package ran from; None if it was installed.
        is_clean: Whether the clone had no changed files; None without commit, or if unknown.
        machine: A description: system, processor, cores, threads, memory, GPU.
        peak_memory: The highest memory in use, in bytes: ``resident``, and ``gpu``.
    """

    versions: Mapping[str, str | None]
    commit: str | None
    is_clean: bool | None
    machine: dict[str, Any]
    peak_memory: dict[str, int]

    @property
    def shown_commit(self) -> str:
        """The commit, and whether files differed from it; empty outside of git."""
        return named_commit(self.commit or "", self.is_clean)

    @property
    def short_commit(self) -> str:
        """The same with the start of the commit; ``none`` outside of git."""
        return named_commit((self.commit or "none")[:10], self.is_clean)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        is_clean = {} if self.is_clean is None else {"clean": self.is_clean}
        git = None if self.commit is None else {"commit": self.commit, **is_clean}
        return {"versions": dict(self.versions), "git": git, "machine": self.machine, "peak_memory": self.peak_memory}

    @classmethod
    def from_entry(cls, entry: Entry) -> Environment:
        """Read it; see :class:`Entry`."""
        entry.allow_only("versions", "git", "machine", "peak_memory")
        git = entry["git"]
        is_clean = None if git.value is None else git.get("clean")
        if is_clean is not None and not isinstance(is_clean.value, (bool, type(None))):
            raise is_clean.refuse("true, false or null")
        entry["machine"]["processor"].text()
        entry["machine"]["torch_threads"].whole()
        return cls(
            versions=entry["versions"].each(lambda version: version.optional(Entry.text)),
            commit=None if git.value is None else git["commit"].text(),
            is_clean=None if is_clean is None else is_clean.value,
            machine=entry["machine"].each(Entry.plain),
            peak_memory=entry["peak_memory"].each(Entry.whole),
        )


def named_commit(commit: str, is_clean: bool | None) -> str:
    """Return a commit, and whether files differed from it."""
    return commit + (" (modified)" if is_clean is False else "")
