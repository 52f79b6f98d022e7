"""Write docs/models.md: which sequential models can be self or peer, measured on ml-100k.

    python benchmarks/models/model_table.py

--out writes the page to another place.
"""

from __future__ import annotations

import argparse
import logging
import re
from pathlib import Path

from tabulate import tabulate

from recbole_mdcns.config.checks import LEFT_PADDED, RIGHT_PADDED
from recbole_mdcns.config.run_config import MDCNSConfig
from recbole_mdcns.data.load import dataset_of, load_splits
from recbole_mdcns.encoder.adapt import make_scoring_model
from recbole_mdcns.encoder.scoring_model import FullRankingModel
from recbole_mdcns.encoder.selftest import is_causal, is_trimmable
from recbole_mdcns.errors import UserError
from recbole_mdcns.model.registry import model_names
from recbole_mdcns.quick_start import build_model
from recbole_mdcns.support.yaml_files import properties_dir, read_yaml

SUPPORTED, REFUSED = "supported", "refused"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "models.md"
HEAD = """# Models

Every sequential model of RecBole 1.2.1, and ours, as self or peer. `benchmarks/models/model_table.py` writes this page:
it builds each model on ml-100k (user, item and time columns) and measures it on random histories.

* **scores**: models with *inner product* score only the candidate pool; all others use their own `full_sort_predict`,
  V scores per target.
* **causal**: the state inside a longer pass is the encoding of the prefix that ends there.
* **trimmable**: columns that are padding in every row may be cut off.

Training uses the scores of a model and `ranking_loss`. Terms that its own `calculate_loss` adds are not used, for
example the regularisation of Caser. SASRecF, GRU4RecF and FDSA are refused here because these columns hold no features
of items; they train on those that `load_col` and `selected_features` name. A run warns that keys of such terms are
given and not read:

"""


def keys_of_own_losses() -> str:
    """Return a list of the keys that only the models' own losses read, one model a line."""
    table = read_yaml(properties_dir() / "recbole_losses.yaml")
    return "".join(f"* {model}: {', '.join(f'`{key}`' for key in keys)}\n" for model, keys in table.items()) + "\n"


def measure_model(name: str) -> list[str]:
    """Build a model, and return its row of the table: name, whether it is supported, and what was measured."""
    side = "left" if name in LEFT_PADDED else "right" if name in RIGHT_PADDED else ""
    try:
        keys = {"pad_side": side} if side else {}
        config = MDCNSConfig(name, "ml-100k", config_dict={"use_gpu": False, "MAX_ITEM_LIST_LENGTH": 20, **keys})
        _, splits = load_splits(config)
        scoring_model = make_scoring_model(build_model(config, dataset_of(splits["train"])), config)
    except UserError as error:
        return [name, REFUSED, "", "", "", re.sub(r"\S*/(?=\S)", "", str(error)).replace("|", "/")]
    scores = "inner product"
    if isinstance(scoring_model, FullRankingModel):
        scores = "log of its probabilities" if scoring_model.gives_probabilities else "its full ranking"
    answers = ["yes" if test(scoring_model) else "no" for test in (is_causal, is_trimmable)]
    ours = "of recbole_mdcns" if config.model_class.__module__.startswith("recbole_mdcns") else ""
    return [name, SUPPORTED, scores, *answers, f"needs pad_side={side}" if side else ours]


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=model_names(), help="all of RecBole's and ours, unless named")
    parser.add_argument("--out", type=Path, default=PAGE, help="file of the page")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    rows = [measure_model(name) for name in options.models]
    table = tabulate(rows, headers=["model", "", "scores", "causal", "trimmable", "note"], tablefmt="github")
    options.out.write_text(HEAD + keys_of_own_losses() + table + "\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
