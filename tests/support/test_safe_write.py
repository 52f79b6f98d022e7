"""Files are whole or not there, and as open to others as the process's umask says."""

import errno
import os
import stat
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from helpers.runs import TINY

from recbole_mdcns.errors import WriteError
from recbole_mdcns.quick_start import run_recbole_mdcns
from recbole_mdcns.support.safe_write import make_folder, replacing


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


@pytest.fixture(params=[0o077, 0o022, 0o002, 0o027])
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def write(path, text=b"new"):
    with replacing(Path(path)) as file:
        file.write(text)


def test_a_new_file_has_the_mode_that_open_gives(umask):
    Path("opened").write_bytes(b"x")
    write("replaced")
    assert mode("replaced") == mode("opened") == 0o666 & ~umask
    assert os.umask(umask) == umask  # untouched


def test_a_replaced_file_keeps_its_mode(umask):
    Path("f").write_bytes(b"old")
    Path("f").chmod(0o640)
    write("f")
    assert (Path("f").read_bytes(), mode("f")) == (b"new", 0o640)


def test_an_error_leaves_the_old_file_and_nothing_beside_it(umask):
    Path("folder").mkdir(mode=0o755)
    Path("folder/f").write_bytes(b"old")
    with pytest.raises(WriteError, match="full"), replacing(Path("folder/f")) as file:
        file.write(b"half")
        raise OSError("full")
    assert [path.name for path in Path("folder").iterdir()] == ["f"]
    assert Path("folder/f").read_bytes() == b"old"


@pytest.mark.parametrize("writes", [1, 2, 5, 30])
def test_ctrl_c_in_the_middle_of_a_tensor_file_stays_ctrl_c(writes):
    """Torch's writer closes its archive on the way out, fails at that, and raises a RuntimeError instead."""
    Path("file").write_text("old")

    def save():
        left = iter(range(writes))
        with replacing(Path("file")) as file:

            class Interrupted:
                def write(self, data):
                    if next(left, None) is None:
                        raise KeyboardInterrupt
                    return file.write(data)

                flush = file.flush

            torch.save({"weight": torch.zeros(1000)}, cast(Any, Interrupted()))

    with pytest.raises(KeyboardInterrupt):
        save()
    assert [path.name for path in Path().iterdir() if path.name.startswith("file")] == ["file"]
    assert Path("file").read_text() == "old"


def test_the_files_of_a_run_follow_the_umask():
    before = os.umask(0o077)
    try:
        keys = {**TINY, "epochs": 1, "neg_sampler": "rns", "protocol": "paper", "result_file": "r.json"}
        run_recbole_mdcns("SASRec", "tiny", config_dict=keys)
    finally:
        os.umask(before)
    written = [Path("r.json"), Path("r-split.tsv"), *Path("saved").iterdir()]
    assert len(written) == 5 and {mode(path) for path in written} == {0o600}


def test_a_symbolic_link_stays_and_its_target_is_replaced():
    Path("real").mkdir()
    Path("real/file").write_text("old")
    Path("link").symlink_to("real/file")
    with replacing(Path("link")) as file:
        file.write(b"new")
    assert Path("link").is_symlink() and Path("real/file").read_text() == "new"
    assert [path.name for path in Path("real").iterdir()] == ["file"]


def test_a_folder_that_a_full_disk_leaves_unmade_is_no_mistake_of_the_user(monkeypatch):
    make_folder("a/b")
    assert Path("a/b").is_dir()
    Path("file").touch()
    with pytest.raises(NotADirectoryError):
        make_folder("file/x")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(WriteError, match=r"^c cannot be written \(No space left on device\)"):
        make_folder("c")
