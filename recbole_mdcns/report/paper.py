"""What the paper's tables show, and which cells of a sweep hold our values."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import lru_cache

from recbole_mdcns.errors import UserError
from recbole_mdcns.support.yaml_files import properties_dir
from recbole_mdcns.tuning.grid import Cell

PAPER = properties_dir() / "paper"
#: The paper's names of datasets and methods, and ours.
DATASETS = {
    "beauty": "amazon-beauty",
    "sports": "amazon-sports-outdoors",
    "toys": "amazon-toys-games",
    "health": "amazon-health-personal-care",
    "lastfm": "lastfm",
    "kuairand": "kuairand",
}
METHODS = {
    "RNS": "rns",
    "DNS": "dns",
    "MixGCF": "mixgcf",
    "AdaSIR": "adasir",
    "GNNO": "gnno",
    "DNS+": "dns_plus",
    "MixGCF+": "mixgcf_plus",
    "SRNS": "srns",
    "MDCNS": "mdcns",
    "MDCNS-wts": "mdcns",
    "w/o CD": "mdcns_without_cd",
    "w/o CD-DR": "mdcns_without_cd_dr",
    "w/o CD-DR-MS": "dns_plus",
    # not in the paper
    "SSM": "ssm",
    "gBCE": "gbce",
    "CE": "ce",
    "DNS+ x 3": "dns_plus_three_draws",
    "two apart": "two_models_apart",
    "mutual": "mutual_distillation",
    "w/o CD-DR-MS (M = 1)": "dns",
}
#: Methods that a table gets besides the paper's: the softmax family, controls of the second model, and the last step of
#: the ablation without another M.
EXTRA = {"table3": ("SSM", "gBCE", "CE", "DNS+ x 3", "two apart", "mutual"), "table6": ("w/o CD-DR-MS (M = 1)",)}
#: What a reader cannot know of a method by its name.
NOTES = {
    "SSM": "softmax over the target and 100 uniform negatives, logQ-corrected",
    "gBCE": "256 uniform negatives, calibration 0.75",
    "CE": "softmax over all items",
    "DNS+ x 3": "three negatives of one model, as many as MDCNS has",
    "two apart": "two models trained apart on hard negatives, tested as their ensemble, where all others are one "
    "model; epoch and curve are those of the first",
    "mutual": "two models that distil each other, on uniform negatives; the first is tested",
    "w/o CD-DR-MS": "DNS+ as in Table 3, so with another M than the lines above it",
    "w/o CD-DR-MS (M = 1)": "DNS",
}
#: What makes a dataset another one than the paper's.
DATASET_NOTES = {
    "kuairand": "Ours is the log of 25 April to 8 May, 14 days, which is close to the paper's data and not the same "
    "(docs/replication.md): compare the methods within the table, not with the paper's values.",
}
#: Budgets by name: the most epochs, and the patience. A short one would stop methods that learn late, such as gBCE.
BUDGETS = {"paper": (300, 30), "cpu": (80, 80), "smoke": (2, 2)}
#: The role whose test metrics count, by sampler, where it is not the self model.
ROLES = {"two_models_apart": "teacher"}
TITLES = {
    "table3": "Table 3: SASRec, BCE, all samplers",
    "table4": "Table 4: other backbones, BCE",
    "table5": "Table 5: BPR",
    "table6": "Table 6: ablation",
    "table7": "Table 7: weak to strong",
    "figure3": "Figure 3: the parts of the loss over training",
}


@dataclass(frozen=True)
class Row:
    """A line of a table: one method on one backbone and dataset."""

    table: str
    dataset: str
    backbone: str
    peer: str | None
    loss: str
    method: str

    @property
    def is_ours(self) -> bool:
        """Whether the method is MDCNS as a whole, and not something that it is compared with."""
        return self.method in ("MDCNS", "MDCNS-wts")

    @property
    def is_extra(self) -> bool:
        """Whether the paper's table lacks the line."""
        return self.method in EXTRA.get(self.table, ())

    @property
    def block(self) -> tuple[str, str, str]:
        """What the lines have in common that are compared with each other."""
        return self.dataset, self.backbone, self.loss

    def is_cell(self, cell: Cell) -> bool:
        """Whether a cell of a sweep holds our value; a method that sets the loss itself has that."""
        loss_fits = cell.loss == self.loss or self.method in ("CE", "gBCE", "SSM")
        return (
            cell.dataset == DATASETS[self.dataset]
            and cell.model == self.backbone
            and cell.sampler == METHODS[self.method]
            and loss_fits
            and (self.peer is None or cell.peer == self.peer)
            and cell.protocol == "paper"
        )


@lru_cache
def printed() -> dict[Row, dict[str, float]]:
    """Return the paper's values by line and metric, in the paper's order."""
    found: dict[Row, dict[str, float]] = {}
    with open(PAPER / "tables.csv", newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            peer = line["peer"] or None
            row = Row(line["table"], line["dataset"], line["backbone"], peer, line["loss"], line["method"])
            found.setdefault(row, {})[line["metric"]] = float(line["value"])
    return found


def rows(table: str, datasets: list[str] | None = None) -> list[Row]:
    """Return the lines of a table, ours behind the paper's; datasets by our names or the paper's.

    Figure 3 has those lines of Table 3 that are MDCNS.

    Raises:
        UserError: The paper has no such dataset.
    """
    known = {*DATASETS, *DATASETS.values()}
    for name in datasets or ():
        if name not in known:
            raise UserError(f"dataset {name} is not in the paper; it has {', '.join(sorted(DATASETS))}")
    if table == "figure3":
        return [replace(row, table=table) for row in rows("table3", datasets) if row.method == "MDCNS"]
    wanted = {name for name, ours in DATASETS.items() if not datasets or {name, ours} & set(datasets)}
    found = [row for row in printed() if row.table == table and row.dataset in wanted]
    blocks = {(row.dataset, row.backbone): row for row in found}
    extra = [
        replace(row, method=name, peer=peer_of(row.backbone) if name in ("two apart", "mutual") else None)
        for row in blocks.values()
        for name in EXTRA.get(table, ())
    ]
    order = list(blocks)
    return sorted([*found, *extra], key=lambda row: order.index((row.dataset, row.backbone)))


def metrics(table: str) -> list[str]:
    """Return the metrics of a table in the paper's order; those of Table 3 for its curves in Figure 3."""
    table = "table3" if table == "figure3" else table
    return list(next(values for row, values in printed().items() if row.table == table))


def peer_of(backbone: str) -> str:
    """Return the paper's peer of a backbone."""
    return "SASRec" if backbone == "Mamba4Rec" else "Mamba4Rec"


@lru_cache
def released_ranges() -> dict[tuple[str, str, str, str, str], tuple[float, float, float]]:
    """Return lowest, median and highest value of the released grids by dataset, backbone, peer, loss and metric."""
    with open(PAPER / "released_ranges.csv", newline="", encoding="utf-8") as file:
        return {
            (line["dataset"], line["backbone"], line["peer"], line["loss"], line["metric"]): (
                float(line["min"]), float(line["median"]), float(line["max"]),
            )
            for line in csv.DictReader(file)
        }  # fmt: skip
