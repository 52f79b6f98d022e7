"""One very active user against many ordinary ones with as many rows: time and peak memory of an epoch and a validation.

    python benchmarks/speed/active_user.py --data DIR --interactions 100000

DIR takes the data: random items, and users of a geometric length; in one case a single user has a share of all
interactions. Every case runs in a separate process with one thread. It trains one epoch of a small SASRec, in which
draws and windows take most of the time.
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from own_process import measure_apart
from synthetic import write_interactions
from tabulate import tabulate

from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.quick_start import build_trainer
from recbole_mdcns.records.environment import peak_memory

#: A small SASRec.
SMALL = {"hidden_size": 16, "inner_size": 16, "n_layers": 1, "n_heads": 1, "MAX_ITEM_LIST_LENGTH": 20}


def main() -> None:
    """Write the data, run every case, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="folder for the data")
    parser.add_argument("--interactions", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.6, help="of the interactions, that of the active user")
    parser.add_argument("--samplers", default="rns,dns,srns,in_batch", help="by commas")
    parser.add_argument("--batching", default="auto,row", help="by commas")
    parser.add_argument("--same_process", action="store_true", help="quick, for a look: memory is then of all so far")
    parser.add_argument("--out", type=Path, help="file of the table; without, it is only printed")
    parser.add_argument("--case", nargs=3, metavar=("NAME", "SAMPLER", "BATCHING"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        logging.disable(logging.WARNING)
        print(json.dumps(measure(options.data, *options.case)))
        return
    shares = {"ordinary": 0.0, "active": options.share}
    write_data(options.data, shares, options.interactions, options.items)
    rows = []
    for sampler in options.samplers.split(","):
        for batching in options.batching.split(","):
            for name in shares:
                if options.same_process:
                    result = measure(options.data, name, sampler, batching)
                else:
                    result = measure_apart(__file__, ["--data", str(options.data), "--case", name, sampler, batching])
                rows.append({"sampler": sampler, "batching": batching, "users": name, **result})
                print(json.dumps(rows[-1]), flush=True)
    table = tabulate(rows, headers="keys", tablefmt="github", floatfmt=".1f")
    print(table)
    if options.out:
        options.out.write_text(f"# One very active user\n\n{table}\n", encoding="utf-8")


def write_data(out: Path, shares: dict[str, float], interactions: int, items: int) -> None:
    """Write a dataset for each share of the interactions that user 0 has."""
    random = np.random.default_rng(1)
    for name, share in shares.items():
        activity = random.exponential(size=interactions // 20).cumsum()
        by = 1 + np.searchsorted(activity, random.random(interactions) * activity[-1])
        by[random.random(interactions) < share] = 0
        what = random.integers(0, items, interactions)
        write_interactions(out / name / f"{name}.inter", by, what)


def measure(data: Path, name: str, sampler: str, batching: str) -> dict[str, float]:
    """Measure one case in this process."""
    torch.set_num_threads(1)
    keys = {"data_path": str(data), "use_gpu": False, "neg_sampler": sampler, "batching": batching, **SMALL}
    config = MDCNSConfig("SASRec", name, config_dict=keys)
    _, splits = load_splits(config)
    trainer = build_trainer(config, dataset_of(splits["train"]))
    trainer.prepare(splits["train"])
    started = perf_counter()
    trainer._train_epoch(splits["train"], 0)
    trained = perf_counter()
    trainer.evaluate(splits["valid"], load_best_model=False)
    gib = peak_memory(torch.device("cpu"))["resident"] / 2**30
    return {"epoch s": trained - started, "validation s": perf_counter() - trained, "peak GiB": gib}


if __name__ == "__main__":
    main()
