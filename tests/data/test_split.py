"""Leave-one-out and the split over users as functions; files of splits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recbole_mdcns.data.split import leave_one_out, read_split, split_users, write_split
from recbole_mdcns.errors import DataError


def test_leave_one_out_by_hand():
    """Rows of users a (4), b (1), c (2), interleaved: a gives a row to each part, c one to the test, b none."""
    users = np.array([0, 1, 0, 2, 0, 2, 0])
    assert [part.tolist() for part in leave_one_out(users)] == [[0, 1, 2, 3], [4], [5, 6]]


def test_the_users_of_a_seed_never_change():
    """Those of numpy's ``RandomState(42).permutation(10)``, as in the released code."""
    parts = split_users([f"u{user}" for user in range(10)], (0.7, 0.2, 0.1), 42)
    assert parts == {"train": ["u8", "u1", "u5", "u0", "u7", "u2", "u9"], "valid": ["u4", "u3"], "test": ["u6"]}


@pytest.mark.parametrize(
    ("user_num", "ratio", "counts"),
    [
        (22_363, (0.7, 0.2, 0.1), (15_654, 4_472, 2_237)),  # Beauty
        (19_412, (0.7, 0.2, 0.1), (13_588, 3_882, 1_942)),  # Toys
        (35_598, (0.7, 0.2, 0.1), (24_918, 7_120, 3_560)),  # Sports
        (18_642, (0.7, 0.2, 0.1), (13_049, 3_728, 1_865)),  # KuaiRand
        (1_090, (0.8, 0.1, 0.1), (872, 109, 109)),  # LastFM
        (10, (0.7, 0.2, 0.1), (7, 2, 1)),
    ],
)
def test_counts_are_the_published_ones(user_num, ratio, counts):
    parts = split_users([str(user) for user in range(user_num)], ratio, 42)
    assert tuple(map(len, parts.values())) == counts
    assert len({user for users in parts.values() for user in users}) == user_num


@given(st.sets(st.text(min_size=1, max_size=3), min_size=1, max_size=30), st.integers(0, 5), st.randoms())
def test_a_split_depends_on_the_names_and_the_seed_alone(users, seed, random):
    names = sorted(users)
    parts = split_users(names, (0.5, 0.3, 0.2), seed)
    assert sorted(name for part in parts.values() for name in part) == names
    random.shuffle(names)
    assert split_users(names, (0.5, 0.3, 0.2), seed) == parts


def test_another_seed_gives_another_split():
    users = [f"u{user}" for user in range(50)]
    assert split_users(users, (0.7, 0.2, 0.1), 1) != split_users(users, (0.7, 0.2, 0.1), 2)


def test_a_written_split_is_read_back(tmp_path):
    parts = split_users([f"u{user}" for user in range(20)], (0.7, 0.2, 0.1), 3)
    write_split(parts, tmp_path / "new" / "split.tsv")
    assert read_split(tmp_path / "new" / "split.tsv", {f"u{user}" for user in range(20)}) == parts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user\tpart\na\ttrain\n", r"split.tsv, line 1: expected the header .* found 'user\\tpart'"),
        ("", r"line 1: expected the header .* found ''"),
        ("user_id:token\tpart:token\na\tdev\n", r"line 2: expected user, tab and train\|valid\|test, found 'a\\tdev'"),
        ("user_id:token\tpart:token\na\ttrain\nz\ttest\n", r"line 3: user 'z' is not in the data"),
        ("user_id:token\tpart:token\na\ttrain\na\ttest\n", r"line 3: user 'a' was in line 2 already"),
    ],
)
def test_bad_files_are_refused_by_line(tmp_path, text, message):
    (tmp_path / "split.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_split(tmp_path / "split.tsv", {"a", "b"})


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"split_file none.tsv cannot be read: No such file"):
        read_split("none.tsv", set())
