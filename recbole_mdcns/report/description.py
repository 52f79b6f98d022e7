"""What a page of results shows, as a yaml file describes it: rows, columns, a reference, and which method is ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recbole_mdcns.errors import UserError, nearest
from recbole_mdcns.records.cell import Cell
from recbole_mdcns.report.description_file import read_description_file
from recbole_mdcns.report.reference import Ranges, Reference
from recbole_mdcns.support.yaml_files import nearest_file, properties_dir

Budget = tuple[int, int]


@dataclass(frozen=True)
class Method:
    """A method of a table.

    Attributes:
        name: As the page shows it.
        method: Its name in records: a strategy, or a name for a strategy with keys.
        loss: Its loss, if it differs from that of the table.
        peer: Its peer by backbone; a backbone without one takes any.
        role: Whose test metrics count: ``self``, ``peer`` or ``teacher``.
        note: What its name does not tell a reader.
        is_ours: Whether the others are compared with it.
        is_extra: Whether it is below the rule: it is not in the reference, and does not count as a baseline.
    """

    name: str
    method: str
    loss: str | None = None
    peer: dict[str, str] = field(default_factory=dict, hash=False)
    role: str = "self"
    note: str = ""
    is_ours: bool = False
    is_extra: bool = False


@dataclass(frozen=True)
class Row:
    """A line of a table: one method on one backbone and dataset.

    Attributes:
        dataset: As the page shows it.
        dataset_name: Its name in records.
        model: The backbone.
        protocol: The protocol.
        loss: The loss of the table.
        method: The method.
    """

    dataset: str
    dataset_name: str
    model: str
    protocol: str
    loss: str
    method: Method

    @property
    def peer(self) -> str | None:
        """The peer; None where any will do."""
        return self.method.peer.get(self.model)

    @property
    def block(self) -> tuple[str, str, str]:
        """The block of the line; the lines of one block are compared with each other."""
        return self.dataset, self.model, self.loss

    def is_cell(self, cell: Cell) -> bool:
        """Whether a cell of records holds the value of this line."""
        return (
            cell.dataset == self.dataset_name
            and cell.protocol == self.protocol
            and cell.model == self.model
            and cell.method == self.method.method
            and cell.loss == (self.method.loss or self.loss)
            and (self.peer is None or cell.peer == self.peer)
        )


@dataclass(frozen=True)
class Description:
    """A page of results; ``docs/report.md`` explains the keys of its file.

    Attributes:
        name: The name of its file without the ending; the pages have this name too.
        source: How a command names it: a name in ``properties/report``, or a path.
        page: ``table``, ``losses``, ``side_by_side`` or ``sensitivity``.
        title: The first line.
        note: One more line, such as what else the machine was doing.
        protocol: The protocol of all lines.
        loss: The loss of all lines whose method sets none.
        datasets: Their names in records by the names shown.
        models: The backbones.
        metrics: The columns; curves and comparisons show the last one.
        methods: Every method by the name shown, of the rows or not.
        rows: The rows, in order.
        reference: Values from elsewhere beside ours, such as a paper's.
        ranges: Published ranges of the values of our method.
        dataset_notes: What a reader must know of a dataset.
        tests: The tests of significance: ``seeds``, ``users``.
        budgets: The most epochs and the patience by name, for commands.
        grid: The sweep whose ``space`` and ``keys`` a reproduction takes.
        dataset_metrics: The columns of the page of a dataset; by default those of the table.
        overview: Title of all tables together, and the text below it.
        keys: The keys that a page of sensitivity varies, and how it shows them.
        settings: Of each method side by side the ``chosen`` setting, or ``all`` that were tried.
    """

    name: str
    source: str
    page: str
    title: str
    note: str
    protocol: str
    loss: str
    datasets: dict[str, str]
    models: list[str]
    metrics: list[str]
    methods: dict[str, Method]
    rows: list[str]
    reference: Reference | None
    ranges: Ranges | None
    dataset_notes: dict[str, str]
    tests: list[str]
    budgets: dict[str, Budget]
    grid: Path | None
    dataset_metrics: list[str]
    overview: tuple[str, str]
    keys: dict[str, str]
    settings: str

    @property
    def our_name(self) -> str:
        """The name of the method that the others are compared with; empty if there is none."""
        return next((method.name for method in self.methods.values() if method.is_ours), "")

    @property
    def reference_name(self) -> str:
        """The name of the source of the reference, such as ``the paper``; empty if there is none."""
        return self.reference.name if self.reference else ""

    def lines(self, datasets: list[str] | None = None) -> list[Row]:
        """Return the lines, by dataset, then backbone, then method; datasets by either of their names.

        Raises:
            UserError: The page has no such dataset.
        """
        known = {*self.datasets, *self.datasets.values()}
        for name in datasets or ():
            if name not in known:
                raise UserError(f"dataset {name} is not in {self.source}; it has {', '.join(self.datasets)}")
        wanted = {shown: own for shown, own in self.datasets.items() if not datasets or {shown, own} & set(datasets)}
        return [
            Row(shown, own, model, self.protocol, self.loss, self.methods[name])
            for shown, own in wanted.items()
            for model in self.models
            for name in self.rows
        ]

    def role_of(self, cell: Cell) -> str:
        """Return the role whose test metrics count in a cell, by its method."""
        return next((known.role for known in self.methods.values() if known.method == cell.method), "self")


def read_description(source: str | Path) -> Description:
    """Read what a page shows, from a yaml file or from one that ``properties/report`` has by this name.

    Raises:
        UserError: There is none, or something in it cannot be used; names the file, the key and what is allowed.
    """
    path = Path(source)
    if path.suffix != ".yaml":
        path = properties_dir() / "report" / f"{source}.yaml"
    if not path.is_file():
        known = shipped()
        hint = nearest(Path(source).stem, known) or nearest_file(Path(source), Path(source).parent.glob("*.yaml"))
        raise UserError(
            f"{source} is not a description of a page{hint}: give a yaml file, or one of {', '.join(known)}"
        )
    content = read_description_file(path)
    return Description(name=path.stem, source=str(source), **_resolved(content, path))


def shipped() -> list[str]:
    """Return the names of the descriptions that the package brings."""
    return sorted(path.stem for path in (properties_dir() / "report").glob("*.yaml") if path.stem != "paper")


def _resolved(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the fields of a description from the checked content of its file."""
    names = content.get("dataset_names", {})
    metrics = [name.lower() for name in content.get("metrics", [])]  # as records name them
    ours, below = content.get("ours", []), content.get("below", [])
    methods = {
        name: Method(
            name,
            entry["method"],
            entry.get("loss"),
            _peers(entry.get("peer"), content.get("models", [])),
            entry.get("role", "self"),
            entry.get("note", ""),
            name in ours,
            name in below,
        )
        for name, entry in content.get("methods", {}).items()
    }
    reference, ranges = content.get("reference"), content.get("ranges")
    overview = content.get("overview", {})
    return {
        "page": content.get("page", "table"),
        "title": content.get("title", path.stem),
        "note": content.get("note", ""),
        "protocol": content.get("protocol", "leave_one_out"),
        "loss": content.get("loss", "BCE"),
        "datasets": {name: names.get(name, name) for name in content.get("datasets", [])},
        "models": content.get("models", []),
        "metrics": metrics,
        "methods": methods,
        "rows": [*content.get("rows", [name for name in methods if name not in below]), *below],
        "reference": Reference.read(path.parent, reference) if reference else None,
        "ranges": Ranges.read(path.parent, ranges) if ranges else None,
        "dataset_notes": content.get("dataset_notes", {}),
        "tests": content.get("tests", ["seeds", "users"]),
        "budgets": {name: (epochs, patience) for name, (epochs, patience) in content.get("budgets", {}).items()},
        "grid": path.parent / content["grid"] if content.get("grid") else None,
        "dataset_metrics": [name.lower() for name in content.get("dataset_metrics", metrics)],
        "overview": (overview.get("title", "Results"), overview.get("text", "")),
        "keys": content.get("keys", {}),
        "settings": content.get("settings", "chosen"),
    }


def _peers(peer: str | dict[str, str] | None, models: list[str]) -> dict[str, str]:
    return peer if isinstance(peer, dict) else dict.fromkeys(models, peer) if peer else {}
