"""Commands that are refused, in this process: a traceback fails the test."""

from pathlib import Path

from helpers.runs import TINY

#: A run on the tiny dataset, without a model and with one.
BASE = ["--dataset=tiny", *(f"--{key}={value}" for key, value in {**TINY, "epochs": 1}.items())]
SASREC = ["--model=SASRec", *BASE]


def refused(main, arguments, capsys, *culprits) -> str:
    """Run a command, and return the one sentence that it ends with; nothing has been trained by then."""
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    for culprit in culprits:
        assert culprit in error, error
    assert len(error) < 1000, error
    assert not list(Path("saved").glob("*.pth"))
    return error
