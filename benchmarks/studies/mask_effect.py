"""The effect of a row's own history on the full ranking: left out, given the score 0, or ranked like any other item.

    python benchmarks/studies/mask_effect.py saved/SASRec-....pth --data_path DIR --out FILE.md

MDCNS evaluates with the history left out; the released baselines give it the score 0, which after training with BCE is
above most items' scores; RecBole ranks it. The script evaluates one saved self model in these three ways.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

import torch
from recbole.model.abstract_recommender import SequentialRecommender
from tabulate import tabulate

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.quick_start import load_data_and_model
from recbole_mdcns.records.environment import environment, versions
from recbole_mdcns.report.escape import text as escaped
from recbole_mdcns.report.sources import run_script
from recbole_mdcns.trainer import NegativeSamplingTrainer

TREATMENTS = ("left out", "score 0", "ranked")
METRICS = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")
KEYS: dict[str, Any] = {"metrics": ["Recall", "NDCG"], "topk": [10, 20], "valid_metric": "NDCG@10"}


class ZeroHistory(NegativeSamplingTrainer):
    """Gives the items of a row's history the score 0 instead of leaving them out."""

    def _full_sort_batch_eval(self, batched_data):
        rows, scores, positive_row, positive_item = super()._full_sort_batch_eval(batched_data)
        out = scores == -torch.inf
        out[:, 0] = False  # the padding stays out
        return rows, scores.masked_fill(out, 0.0), positive_row, positive_item


def main() -> None:
    """Evaluate three times and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model_file", type=Path)
    parser.add_argument("--data_path", default="dataset/")
    parser.add_argument("--out", type=Path, help="file of the page; without, it is only printed")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    loaded, model, _, train, *evaluated = load_data_and_model(options.model_file, data_path=options.data_path, **KEYS)
    rows = []
    for split, data in zip(("valid", "test"), evaluated):
        for treatment in TREATMENTS:
            trainer = evaluator(loaded, model, treatment)
            trainer.eval_collector.data_collect(train)
            metrics = trainer.evaluate(data, load_best_model=False)
            rows.append([split, treatment, *(metrics[name] for name in METRICS)])
    headers = ["part", "history", *METRICS]
    about = ", ".join(f"{key} {value}" for key, value in versions().items() if key in ("torch", "numpy", "recbole"))
    names = ("neg_sampler", "ranking_loss", "peer_model", "protocol", "seed", "epochs", "stopping_step")
    read = loaded.plain()
    trained = ", ".join(f"{name} {read[name]}" for name in names if read.get(name) is not None)
    about += f"; commit {environment(torch.device('cpu')).shown_commit}"
    text = "\n".join([
        f"# The history in the ranking: {loaded['model']} on {escaped(loaded['dataset'])}", "",
        tabulate(rows, headers=headers, tablefmt="github", floatfmt=".4f"), "",
        f"* One model, trained with {escaped(trained)}; `benchmarks/studies/mask_effect.py`; {about}", "",
    ])  # fmt: skip
    print(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


def evaluator(loaded: MDCNSConfig, model: SequentialRecommender, treatment: str) -> NegativeSamplingTrainer:
    """Return a trainer of the self model alone that treats the history so."""
    keys = {
        **loaded.plain(), "mask_history": treatment != "ranked", "neg_sampler": "rns", "ranking_loss": "BCE",
    }  # fmt: skip
    kind = ZeroHistory if treatment == "score 0" else NegativeSamplingTrainer
    return kind(MDCNSConfig.from_plain(keys), model)


if __name__ == "__main__":
    sys.exit(run_script(main))
