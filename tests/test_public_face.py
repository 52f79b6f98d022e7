"""``import recbole_mdcns``: what it offers, without the cost of what is not used, and with types."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from helpers.paths import ROOT

import recbole_mdcns

NAMES = [name for name in recbole_mdcns.__all__ if name != "__version__"]
#: What takes long to import.
HEAVY = {"torch", "pandas", "numpy", "recbole", "ray", "yaml"}

if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import assert_type

    from recbole_mdcns.config.run_config import MDCNSConfig
    from recbole_mdcns.data.prepare.prepare import Prepared
    from recbole_mdcns.losses.base import RankingLoss
    from recbole_mdcns.negatives.base import NegativeStrategy
    from recbole_mdcns.recommend.recommender import Recommender

    def types_are_seen(path: Path) -> None:
        """Fails the check of types where a name of the public face has another type, or none."""
        assert_type(recbole_mdcns.load(path), Recommender)
        assert_type(recbole_mdcns.load(path).item_ids, list[str])
        assert_type(recbole_mdcns.run_recbole_mdcns("SASRec", "ml-100k"), dict[str, Any])
        assert_type(recbole_mdcns.MDCNSConfig("SASRec", "ml-100k"), MDCNSConfig)
        assert_type(recbole_mdcns.NegativeStrategy, type[NegativeStrategy])
        assert_type(recbole_mdcns.RankingLoss, type[RankingLoss])
        assert_type(recbole_mdcns.prepare_dataframe(None, "mine").path, Path)
        assert_type(recbole_mdcns.prepare_dataframe(None, "mine"), Prepared)
        assert_type(recbole_mdcns.__version__, str)


def in_new_process(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_names():
    assert set(NAMES) == {
        "MDCNSConfig", "NegativeStrategy", "RankingLoss", "Recommender", "load", "prepare_dataframe",
        "run_recbole_mdcns",
    }  # fmt: skip
    assert set(recbole_mdcns.__all__) <= set(dir(recbole_mdcns))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_what_its_module_defines_and_is_explained(name):
    found = getattr(recbole_mdcns, name)
    assert found.__name__ == name and len(found.__doc__) > 40
    assert f"``{name}``" in recbole_mdcns.__doc__


def test_types_and_imports_name_the_same_modules():
    """The block for type checkers, which only they read, and the table that the imports follow."""
    tree = ast.parse((ROOT / "recbole_mdcns/__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body for alias in node.names}  # type: ignore[attr-defined]
    assert typed == recbole_mdcns._MODULES


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="module 'recbole_mdcns' has no attribute 'lood'"):
        recbole_mdcns.lood  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match="lood"):
        exec("from recbole_mdcns import lood")


def test_the_import_alone_is_light():
    code = f"import sys, recbole_mdcns; print(sorted({HEAVY} & set(sys.modules)), recbole_mdcns.__version__)"
    assert in_new_process(code) == f"[] {recbole_mdcns.__version__}"
    assert in_new_process("import sys, recbole_mdcns; recbole_mdcns.load; print('torch' in sys.modules)") == "True"
