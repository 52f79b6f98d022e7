"""Recommend for many sequences: ours against RecBole's full_sort_topk, and against a plain product and topk.

    python benchmarks/speed/recommend.py --items 12000,1000000 --measured 100000,2048 --out FILE.md

SASRec with peer GRU4Rec at their defaults, random weights, random sequences of up to 50 items, k = 10. Every way takes
the same batches: of all sequences, or of the first ``--measured`` ones. Times are measured in one process, batch by
batch in turns, and are sums over all batches after one of warm-up. Memory is measured with one process per way: the
peak while it recommends, less what the process had before. Ours leaves the items of a sequence out of its
recommendations; RecBole's function and the plain product do not.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import torch
from own_process import measure_apart
from peak_above import peak_above
from provenance import Provenance, show_page
from recbole.data.interaction import Interaction
from recbole.utils.case_study import full_sort_topk
from tabulate import tabulate
from torch import Tensor

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.checkpoints.checkpoint import RunFiles
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.names import pack
from recbole_mdcns.data.stand_in import StandInDataset
from recbole_mdcns.encoder.build import build_model
from recbole_mdcns.recommend import Recommender, load
from recbole_mdcns.recommend.sequences import ItemSequences

K, LONGEST = 10, 50
RECBOLE, PLAIN, OURS, PEER, TEACHER = "full_sort_topk", "product and topk", "ours", "ours, peer", "ours, teacher"
WAYS = (RECBOLE, PLAIN, OURS, PEER, TEACHER)
HEADERS = ("items", "way", "sequences", "sequences/s", "faster than full_sort_topk", "peak MiB", "of full_sort_topk")


class RecBoleData:
    """What ``full_sort_topk`` reads of test data: a row per user with a padded sequence.

    Args:
        items: Item numbers, padded with 0 on the right, shape [n, L].
        length: Shape [n].
        item_num: Number of items, the padding counted.
    """

    is_sequential = True
    uid_field = "user_id"

    def __init__(self, items: Tensor, length: Tensor, item_num: int):
        columns = {"user_id": torch.arange(1, len(items) + 1), "item_id_list": items, "item_length": length}
        self.inter_feat, self.item_num, self.dataset = Interaction(columns), item_num, self

    def __getitem__(self, index: Tensor) -> Interaction:
        return self.inter_feat[index]


class Case:
    """Sequences over a number of items, and a way to recommend for a batch of them.

    Args:
        model_file: See :func:`write_models`.
        item_num: Number of items V.
        sequence_num: Number of sequences that there are.
        measured_num: Number of sequences that are recommended for.
        batch_size: Sequences of a batch.
    """

    def __init__(self, model_file: Path, item_num: int, sequence_num: int, measured_num: int, batch_size: int):
        self.recommender: Recommender = load(model_file)
        random = np.random.default_rng(1)
        length = random.integers(1, LONGEST + 1, sequence_num)
        filled = np.arange(LONGEST) < length[:, None]
        items = random.integers(1, item_num + 1, (sequence_num, LONGEST)) * filled
        self.item_num, self.size, self.batch_size = item_num, measured_num, batch_size
        self.items, self.length = torch.from_numpy(items), torch.from_numpy(length)
        of_model = self.recommender.read([]).numbered_by
        ends = length.cumsum()
        self.sequences = ItemSequences(np.arange(sequence_num), items[filled], ends, numbered_by=of_model)
        self.inner = self.recommender.inner_product_model("self")
        self.data = RecBoleData(self.items, self.length, item_num + 1)

    def batches(self) -> Iterator[tuple[int, int]]:
        """Yield where batches begin and end."""
        for begin in range(0, self.size, self.batch_size):
            yield begin, min(begin + self.batch_size, self.size)

    def run(self, way: str, begin: int, end: int) -> np.ndarray:
        """Return the item numbers that a way recommends for a batch, shape [B, K]."""
        if way == RECBOLE:
            users = np.arange(begin + 1, end + 1)
            return full_sort_topk(users, self.inner.model, self.data, K, device="cpu")[1].numpy()
        if way == PLAIN:
            with torch.no_grad():
                encoding = self.inner.model(self.items[begin:end], self.length[begin:end])
                return (encoding @ self.inner.item_table[1 : self.item_num + 1].T).topk(K).indices.numpy() + 1
        role = {OURS: "self", PEER: "peer", TEACHER: "teacher"}[way]
        part = self.sequences.part(begin, end)
        (top,) = self.recommender.top_items(part, K, role, batch_size=self.batch_size)
        return top.items


def write_models(folder: Path, item_num: int) -> Path:
    """Write the files of a self model and its peer with random weights, and return that of the self model."""
    keys = {"use_gpu": False, "peer_model": "GRU4Rec", "checkpoint_dir": str(folder), "seed": 1}
    config = MDCNSConfig("SASRec", f"made-{item_num}", config_dict=keys)
    files = RunFiles(folder / f"made-{item_num}.pth")
    names = {"item_id": pack([str(number) for number in range(1, item_num + 1)])}
    torch.manual_seed(1)
    for role, each in zip(("self", "peer"), (config, *config.peer_configs())):
        model = build_model(each, StandInDataset(each, {"item_id": item_num}))
        content: dict[str, Any] = {"kind": "model", "role": role, "config": each.plain(), "names": names, "epoch": 0}
        content |= {"fingerprints": dict.fromkeys(("sequences", "split", "order"), ""), "cur_step": 0}
        content |= {"best_valid_score": 0.0, "valid": None, "state_dict": model.state_dict(), "other_parameter": {}}
        checkpoint.save(content, files.model(role))
    return files.best


def seconds(case: Case) -> dict[str, dict[str, float]]:
    """Return the seconds of every way over all batches, by the clock and of the cores; ways take turns."""
    spent = {way: {"s": 0.0, "core s": 0.0} for way in WAYS}
    for way in WAYS:
        case.run(way, 0, min(case.batch_size, case.size))
    for begin, end in case.batches():
        for way in WAYS:
            clock, cores = perf_counter(), process_time()
            case.run(way, begin, end)
            spent[way]["s"] += perf_counter() - clock
            spent[way]["core s"] += process_time() - cores
    return spent


def peak_of(case: Case, way: str) -> dict[str, float]:
    """Return the peak memory of a way over all batches."""
    return peak_above(lambda: [case.run(way, begin, end) for begin, end in case.batches()])


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", default="12000,1000000", help="by commas")
    parser.add_argument("--sequences", type=int, default=100_000, help="how many there are")
    parser.add_argument("--measured", default="100000,2048", help="how many are measured, by commas like the items")
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="file of the page; without, it is only printed")
    parser.add_argument("--note", default="", help="a line for the page")
    parser.add_argument("--same_process", action="store_true", help="measure the memory in this process")
    parser.add_argument("--memory_of", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable(logging.WARNING)
    sizes = list(zip(map(int, options.items.split(",")), map(int, options.measured.split(","))))
    if options.memory_of:
        way, file = options.memory_of
        case = Case(Path(file), sizes[0][0], options.sequences, sizes[0][1], options.batch_size)
        print(json.dumps(peak_of(case, way)))
        return
    results = []
    for item_num, measured_num in sizes:
        with tempfile.TemporaryDirectory() as folder:
            file = write_models(Path(folder), item_num)
            results += measured(file, item_num, measured_num, options)
    provenance = Provenance.here()
    show_page(page(results, provenance, options), results, options.out, provenance)


def measured(file: Path, item_num: int, measured_num: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the results of all ways over a number of items."""
    case = Case(file, item_num, options.sequences, measured_num, options.batch_size)
    if options.same_process:
        memory = {way: peak_of(case, way) for way in WAYS}
    else:
        few = min(measured_num, 4 * options.batch_size)  # batches are alike
        shared = [f"--items={item_num}", f"--measured={few}", f"--sequences={options.sequences}"]
        shared += [f"--batch_size={options.batch_size}", f"--threads={options.threads}"]
        memory = {way: measure_apart(__file__, [*shared, "--memory_of", way, str(file)]) for way in WAYS}
    spent = seconds(case)
    return [{"items": item_num, "way": way, "sequences": measured_num, **spent[way], **memory[way]} for way in WAYS]


def page(results: list[dict[str, Any]], provenance: Provenance, options: argparse.Namespace) -> str:
    """Return the page."""
    first = {each["items"]: each for each in results if each["way"] == RECBOLE}
    rows = []
    for each in results:
        usual = first[each["items"]]
        rate, faster = each["sequences"] / each["s"], usual["s"] / each["s"]
        memory = [f"{each['MiB']:.0f}", f"{each['MiB'] / max(usual['MiB'], 0.1):.2f}"]
        rows.append([each["items"], each["way"], each["sequences"], f"{rate:.0f}", f"{faster:.2f} x", *memory])
    cost = ", ".join(
        f"{teacher['s'] / own['s']:.2f} ({own['items']} items)"
        for own, teacher in zip(*([each for each in results if each["way"] == way] for way in (OURS, TEACHER)))
    )
    lines = [
        "# Recommending from a saved model", "",
        f"`{provenance.command_line}`; SASRec (the peer: GRU4Rec), k = {K}, batches of {options.batch_size}, "
        f"{options.sequences} sequences of 1 to {LONGEST} items, of which the first are measured.", "",
        tabulate(rows, headers=HEADERS, tablefmt="github", disable_numparse=True), "",
        "* Seconds are measured in one process, batch by batch in turns. The peak is what a process of its own needs "
        "above the loaded models and sequences.",
        "* `full_sort_topk` is that of RecBole's case study. It and the plain product also rank what a sequence has; "
        "ours leaves it out.",
        f"* The teacher encodes by both models and adds their scores: its seconds over those of the self model are "
        f"{cost}.",
        *([f"* {options.note}"] if options.note else []),
        f"* {provenance.line('torch', 'recbole')}", "",
    ]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
