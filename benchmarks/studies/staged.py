"""Train in stages, and keep what validation and test say at the end of each: one record with all of them.

    python benchmarks/studies/staged.py --stages 5,10,20,40 --result_file run.json \\
        --model=SASRec --dataset=amazon-beauty --protocol=paper --data_path=DIR

A stage is one ordinary run that goes on from the one before. Its test metrics are those of the epoch that validation
chose so far; nothing is chosen on them. Its ``seconds`` are those of all runs up to it, from the first import to the
record. All other arguments are those of ``run_recbole_mdcns``.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

from recbole_mdcns.cli.main import train_main as run_command
from recbole_mdcns.records.files import read_records, write_record
from recbole_mdcns.records.record import Record
from recbole_mdcns.report.sources import script_command


def main() -> None:
    """Run the stages, then write the last record with a line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", required=True, help="epochs after which test is read, by commas")
    parser.add_argument("--result_file", type=Path, required=True)
    options, arguments = parser.parse_known_args()
    stages: dict[str, dict] = {}
    record: Record | None = None
    try:
        ends = sorted(map(int, options.stages.split(",")))
    except ValueError:
        parser.error(f"--stages {options.stages} is not allowed: give whole numbers of epochs by commas")
    start = time.perf_counter()
    for epochs in ends:
        resume = ["--resume"] if stages else []
        status = run_command([*arguments, f"--epochs={epochs}", f"--result_file={options.result_file}", *resume])
        if status:
            sys.exit(status)
        (left,) = read_records(options.result_file)
        assert isinstance(left, Record)  # of a single run, which leaves no other
        record = left
        stages[str(epochs)] = {
            "best_epoch": record.best_epoch,
            "seconds": time.perf_counter() - start,
            "valid": record.valid,
            "test": record.test,
        }
    assert record is not None
    staged = replace(record, command=script_command(), study={"stages": stages})
    write_record(staged, options.result_file)


if __name__ == "__main__":
    main()
