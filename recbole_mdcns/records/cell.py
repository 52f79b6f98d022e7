"""A cell of a table: everything that is compared, without seed and hyperparameters."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from recbole_mdcns.records.entries import Entry


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        dataset: Its name.
        protocol: The protocol of the split.
        model: The self model.
        peer: The peers, separated by commas; None for a method without peer.
        method: A strategy, or a name for a strategy with its keys, as in ``properties/methods.yaml``.
        loss: The ranking loss.
    """

    dataset: str
    protocol: str
    model: str
    peer: str | None
    method: str
    loss: str

    def __str__(self) -> str:
        """Return the cell in one word."""
        peer = f"+{self.peer}" if self.peer else ""
        return f"{self.dataset}/{self.protocol}/{self.model}{peer}/{self.method}/{self.loss}"

    @property
    def shown_method(self) -> str:
        """The method, with its loss unless that is BCE or gives the method its name, as CE gives ``ce``."""
        is_told = self.loss == "BCE" or self.loss.lower() == self.method.lower().replace("_", "")
        return self.method if is_told else f"{self.method}, {self.loss}"

    def to_json(self) -> dict[str, Any]:
        """Return the cell as plain values."""
        return asdict(self)

    @classmethod
    def from_entry(cls, entry: Entry) -> Cell:
        """Read a cell; see :class:`~recbole_mdcns.records.entries.Entry`."""
        entry.allow_only(*AXES)
        return cls(
            dataset=entry["dataset"].file_name(),
            protocol=entry["protocol"].text(),
            model=entry["model"].text(),
            peer=entry["peer"].optional(Entry.text),
            method=entry["method"].text(),
            loss=entry["loss"].text(),
        )


#: The fields of a cell, in order.
AXES = tuple(field.name for field in fields(Cell))
