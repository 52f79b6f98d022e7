"""A process that dies, or has a mistake that the others do not have: one sentence, and the finished epochs stay."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from helpers.paths import ROOT
from helpers.processes import dying_strategy, keys, results, to, train

from recbole_mdcns.checkpoints import checkpoint
from recbole_mdcns.errors import FAILURE, USER_ERROR

#: A strategy that comes with scores that are not finite in the rows of process 1 only.
ODD = """
import os
from recbole_mdcns.evaluation.collector import RankCollector
from recbole_mdcns.negatives.dns_plus import DNS

class Odd(DNS):
    pass

if os.environ["RANK"] == "1":
    RankCollector.check = lambda collector, highest: collector._fail("nan in all of them")
"""
LOST = "run_recbole_mdcns: another of the 2 processes has ended ("


def sentences(stderr):
    """Return the lines of a process that are no log."""
    assert "Traceback" not in stderr, stderr[-3000:]
    return [line for line in stderr.splitlines() if line.startswith("run_recbole_mdcns:")]


def test_a_killed_process_ends_the_other_with_a_sentence_and_a_resumed_run_equals_one_that_was_never_stopped():
    """With dropout: it is seeded by epoch and process."""
    of_rank = [[*keys(neg_sampler=dying_strategy(rank)), *to(f"killed-{rank}"), "--resume"] for rank in (0, 1)]
    *killed, (whole, _) = train(
        *(each for each in of_rank for _ in range(2)), [*keys(neg_sampler=dying_strategy(0)), *to("whole")]
    )
    assert whole == [0, 0] and len(results("whole")["epochs"]) == 3
    for rank in (0, 1):
        (codes, said), (again, _) = killed[2 * rank : 2 * rank + 2]
        assert codes[rank] == -9 and codes[1 - rank] == FAILURE
        (sentence,) = sentences(said[1 - rank])
        assert sentence.startswith(LOST) and "--resume" in sentence
        assert again == [0, 0]
        assert results(f"killed-{rank}") == results("whole")


def test_a_mistake_that_all_have_is_said_by_one_and_another_by_the_process_that_has_it():
    Path("odd.py").write_text(ODD)
    mistakes = {
        "--epocs=3": "epocs = 3: there is no key",
        "--dataset=": "--dataset = '' has no value",
        "--data_path=gone": "is not in gone/tiny",
        "--train_batch_size=1": "2 processes share the targets of a step, and each needs at least one",
        "--distributed_backend=nccl": "'nccl' is not allowed on a CPU",
        "--gpu_id=0": "gpu_id = 0 is not allowed with several processes",
    }
    *of_all, (codes, said) = train(
        *(keys(**{mistake[2:].split("=")[0]: mistake.split("=")[1]}) for mistake in mistakes),
        keys(neg_sampler="odd:Odd", eval_batch_size=10),
    )
    for words, (both, everything) in zip(mistakes.values(), of_all):
        assert both == [USER_ERROR, USER_ERROR]
        (sentence,) = [line for stderr in everything for line in sentences(stderr)]
        assert words in sentence
    assert codes == [FAILURE, USER_ERROR] and sentences(said[0]) == []
    (sentence,) = sentences(said[1])
    assert "the scores of the self model are not finite" in sentence


def test_a_signal_to_torchrun_is_one_sentence_and_leaves_the_last_epoch():
    own = keys(neg_sampler="rns", epochs=9999, stopping_step=9999)
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(ROOT / "run_recbole_mdcns.py")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([sys.executable, *launch, *own], stderr=subprocess.PIPE, text=True, env=environment)
    for _ in range(1200):
        if list(Path("saved").glob("*-last.pth")):
            break
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)[1]
    (sentence,) = [line for line in said.splitlines() if line.startswith("run_recbole_mdcns:")]
    assert process.returncode == FAILURE and "interrupted; finished epochs of a training are kept: --resume" in sentence
    (last,) = Path("saved").glob("*-last.pth")
    assert checkpoint.load(last, "training")["epoch"] >= 0
