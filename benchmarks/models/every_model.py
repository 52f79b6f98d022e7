"""Train every supported model through the command line, the paper's backbones in all pairs, and list the results.

    python benchmarks/models/every_model.py --out FOLDER --dataset=ml-100k --epochs=2

Arguments that it does not know go to ``run_recbole_mdcns`` as they are. Runs whose record is in OUT are skipped; a run
that fails is listed with its error. The models are those that ``model_table.py`` finds supported.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from model_table import SUPPORTED, measure_model
from tabulate import tabulate

from recbole_mdcns.config.checks import LEFT_PADDED
from recbole_mdcns.errors import UserError
from recbole_mdcns.model.registry import model_names
from recbole_mdcns.records.files import read_records
from recbole_mdcns.records.record import Record
from recbole_mdcns.report.escape import text as escaped
from recbole_mdcns.report.needs import need_metrics
from recbole_mdcns.report.sources import run_script

ROOT = Path(__file__).resolve().parents[2]
BACKBONES = ("SASRec", "GRU4Rec", "FMLP4Rec", "LinRec", "Mamba4Rec")
METRIC = "ndcg@10"
ROLES = ("self", "peer", "teacher")


def all_pairs() -> list[tuple[str, str]]:
    """Return the self models and their peers: the backbones in all pairs, every other model with GRU4Rec."""
    others = [name for name in model_names() if name not in BACKBONES and measure_model(name)[1] == SUPPORTED]
    return [(model, peer) for model in BACKBONES for peer in BACKBONES if model != peer] + [
        (model, "GRU4Rec") for model in others
    ]


def pair(text: str) -> tuple[str, str]:
    """Return the two models of an option."""
    model, _, peer = text.partition("+")
    if not (model and peer):
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: give two models, such as SASRec+GRU4Rec")
    return model, peer


def record_of(file: Path, keys: list[str]) -> Record:
    """Return the record of a pair.

    Raises:
        UserError: Another command made it, or it lacks a metric.
    """
    (record,) = read_records(file)
    assert isinstance(record, Record)  # of a single run, which leaves no other
    if not set(keys) <= set(record.command):
        raise UserError(f"{file} was made by another command, {' '.join(record.command)}: give another --out")
    for role in ROLES:
        need_metrics(record, [METRIC], role, splits=("valid",))
    return record


def main() -> None:
    """Run what is missing, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the records and of README.md")
    parser.add_argument("--pairs", nargs="+", type=pair, metavar="SELF+PEER", help="these alone, as SASRec+GRU4Rec")
    options, keys = parser.parse_known_args()
    options.out.mkdir(parents=True, exist_ok=True)
    files = {each: options.out / f"{'-'.join(each)}.json" for each in options.pairs or all_pairs()}
    for file in files.values():
        if file.exists():
            record_of(file, keys)
    rows = []
    for (model, peer), file in files.items():
        error = ""
        if not file.exists():
            own_keys = ["--pad_side=left"] if model in LEFT_PADDED else []
            own = [f"--model={model}", f"--peer_model={peer}", f"--result_file={file}", *own_keys]
            command = [sys.executable, str(ROOT / "run_recbole_mdcns.py"), *keys, *own]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            error = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["?"])[-1]
            print(model, peer, error or "done", flush=True)
        if error:
            rows.append([model, peer, escaped(error)])
            continue
        record = record_of(file, keys)
        scores = [f"{record.valid[role][METRIC]:.4f}" for role in ROLES]
        rows.append([model, peer, *scores, escaped(record.environment.short_commit)])
    headers = ["self", "peer", *(f"valid {METRIC}, {role}" for role in ROLES), "commit"]
    text = f"# Every model, through the command line\n\n`python benchmarks/models/every_model.py {' '.join(keys)}`\n\n"
    text += "That each runs, not how good it is: seed and values are the defaults, and training is short.\n\n"
    text += tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True) + "\n"
    (options.out / "README.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    sys.exit(run_script(main))
