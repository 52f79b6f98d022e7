"""The negatives that MDCNS chooses in training: diversity, overlap of the views, divergence, later items of the user.

    python benchmarks/studies/why_it_works.py --out FOLDER --model=SASRec --dataset=amazon-beauty --protocol=paper

Every other argument goes to the run. Writes a page, a figure and the numbers of every epoch. Needs matplotlib.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tabulate import tabulate
from watched_mdcns import Watched

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.quick_start import build_trainer
from recbole_mdcns.records.building import build_record
from recbole_mdcns.records.files import write_record
from recbole_mdcns.records.record import Record
from recbole_mdcns.report.figure import require_matplotlib, saved_figure
from recbole_mdcns.report.sources import run_script, script_command

SHOWN = (1, 2, 5, 10, 20, 40, 80)


def main() -> None:
    """Train once and write what was chosen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options, arguments = parser.parse_known_args()
    require_matplotlib()
    options.out.mkdir(parents=True, exist_ok=True)
    config = MDCNSConfig(argv=[*arguments, "--neg_sampler=watched_mdcns:Watched", "--show_progress=False"])
    _, splits = load_splits(config)
    trainer = build_trainer(config, dataset_of(splits["train"]))
    trainer.fit(splits["train"], splits["valid"], saved=False)
    strategy = trainer.strategy
    assert isinstance(strategy, Watched)
    strategy.close_epoch()
    trainer.load_best()
    results = {"valid": trainer.evaluate_all(splits["valid"])}
    study = {"chosen": strategy.epochs}
    record = build_record(config, trainer, splits, script_command(), results, study=study)
    write_record(record, options.out / "record.json")
    (options.out / "README.md").write_text(page(record), encoding="utf-8")
    draw(record, options.out / "chosen.png")
    print(page(record))


def page(record: Record) -> str:
    """Return the figures of some epochs as a table, and what made them."""
    chosen = record.study["chosen"]
    shown = sorted({*(epoch for epoch in SHOWN if epoch < len(chosen)), len(chosen)})
    rows = [[name, *(f"{chosen[epoch - 1][name]:.4g}" for epoch in shown)] for name in chosen[0]]
    table = tabulate(
        rows, headers=["", *(f"epoch {epoch}" for epoch in shown)], tablefmt="github", disable_numparse=True
    )
    return "\n".join([
        f"# What MDCNS chooses: {record.model} with {record.peer_model} on {record.dataset}", "",
        "distinct: different items chosen by a view in an epoch; entropy: of the choice, in nats (log of the number of "
        "items if all were chosen alike); divergence: |self - peer| of the chosen and of the pool; later: share of the "
        "chosen, and of the pool, that the user takes later on, and so false negatives; self = peer: share of targets "
        "for which both views choose the same item.", "", table, "", "![what is chosen](chosen.png)", "",
        f"* `{' '.join(record.command)}`",
        f"* validation {record.valid_metric} {record.best_valid_score or 0:.4f}, epoch {(record.best_epoch or 0) + 1}",
        f"* {record.environment.machine['processor']}; commit {record.environment.short_commit}", "",
    ])  # fmt: skip


def draw(record: Record, path: Path) -> None:
    """Draw the figures by epoch in six panels."""
    chosen = record.study["chosen"]
    epochs = range(1, len(chosen) + 1)
    panels = {
        "distinct items": [name for name in chosen[0] if name.endswith("distinct")],
        "entropy, nats": [name for name in chosen[0] if name.endswith("entropy")],
        "same item for two views": [name for name in chosen[0] if " = " in name],
        "divergence": [name for name in chosen[0] if name.endswith("divergence")],
        "taken later (false negatives)": [name for name in chosen[0] if name.endswith("later")],
    }
    with saved_figure(path, nrows=2, ncols=3, figsize=(14, 7)) as axes:
        for axis, (title, names) in zip(axes.flat, panels.items()):
            for name in names:
                axis.plot(epochs, [entry[name] for entry in chosen], label=name)
            axis.set(title=title, xlabel="epoch")
            axis.legend(fontsize=7)
        last, metric = axes.flat[-1], record.valid_metric.lower()
        last.plot(*zip(*record.curve(metric).items()))
        last.set(title=f"validation {metric}", xlabel="epoch")


if __name__ == "__main__":
    sys.exit(run_script(main))
