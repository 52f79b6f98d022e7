"""Raw files for tests, and the preparing of them."""

from __future__ import annotations

import gzip
from pathlib import Path

from helpers.runs import HEADER

from recbole_mdcns.cli.main import main
from recbole_mdcns.errors import USER_ERROR

ALL = ("--min_user=0", "--min_item=0")
KUAIRAND = "user_id,video_id,date,hourmin,time_ms,is_click,long_view,play_time_ms,is_rand,tab\n"
#: Four ratings: u's b and c at the same time, in that order.
AMAZON = "u,a,5.0,30\nv,a,1.0,20\nu,b,3.0,10\nu,c,4.0,10\n"
AMAZON_OUT = ["u\tb\t10", "u\tc\t10", "u\ta\t30", "v\ta\t20"]
KUAIRAND_ROWS = [
    "7,b,20220422,100,1650565030100,0,1,0,0,1\n",
    "7,a,20220421,100,1650475030100,1,1,900,0,1\n",
    "8,a,20220423,100,1650655030100,1,0,10,0,2\n",
    "7,a,20220423,100,1650655030101,1,0,10,0,2\n",
]


def raw(text: str | bytes, name: str = "raw.csv") -> str:
    """Write a raw file, packed if its name says so, and return its name."""
    content = text.encode() if isinstance(text, str) else text
    Path(name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return name


def run(name: str, *arguments: str) -> int:
    return main(["prepare", name, "--raw", *arguments, "--out=out"])


def output(name: str) -> list[str]:
    """Return the lines of the output after the header, which is checked."""
    text = (Path("out") / name / f"{name}.inter").read_text()
    assert text.startswith(HEADER) and text.endswith("\n")
    return text.split("\n")[1:-1]  # not splitlines, to which more characters of an id are ends of lines


def prepared(name: str, *arguments: str) -> list[str]:
    assert run(name, *arguments) == 0
    return output(name)


def mistake(capsys, name: str, *arguments: str) -> str:
    """Return the one line on stderr that a run with a mistake ends in; it leaves no folder behind."""
    assert run(name, *arguments) == USER_ERROR
    error = capsys.readouterr().err
    assert error.startswith("recbole-mdcns prepare: ") and error.count("\n") == 1
    assert not Path("out", name).exists()
    return error
