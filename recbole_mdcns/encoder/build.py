"""A model as its configuration describes it, on its device."""

from __future__ import annotations

from recbole.model.abstract_recommender import SequentialRecommender

from recbole_mdcns import compat
from recbole_mdcns.config.model_config import ModelConfig
from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.stand_in import StandInDataset
from recbole_mdcns.encoder.item_start import start_items
from recbole_mdcns.encoder.pretrained import check_pretrained
from recbole_mdcns.errors import ConfigError
from recbole_mdcns.kernels.layers import fuse_layers
from recbole_mdcns.support.declared import is_known
from recbole_mdcns.support.foreign_code import ForeignCall
from recbole_mdcns.support.import_path import line_of


def build_model(config: ModelConfig, dataset: HistoryDataset | StandInDataset) -> SequentialRecommender:
    """Build the model that a configuration names, on its device.

    Raises:
        ConfigError: The model does not accept its keys, or has no item table for ``item_init_range``.
    """
    check_pretrained(config)
    dataset.counted.clear()
    build = config.model_class
    with compat.numpy_long(), ForeignCall(lambda error: _not_built(config, error)):
        model = build(config, dataset)
    if "n_items" not in vars(model):  # the constructor of SequentialRecommender sets it
        raise ConfigError(
            f"model {config['model']} cannot be built: its __init__ does not call super().__init__(config, dataset)"
        )
    model = model.to(config["device"])
    model.counted_columns = frozenset(dataset.counted)  # it has tables for these: a checkpoint needs their names
    if config["item_init_range"] is not None:
        start_items(model, config)
    if config["fuse_layers"]:
        fuse_layers(model)
    return model


def _not_built(config: ModelConfig, error: Exception) -> ConfigError:
    if isinstance(error, KeyError):
        return ConfigError(
            f"model {config['model']} cannot be built: it needs {error}, which neither keys nor data have"
        )
    reason = str(error) or type(error).__name__
    where = "" if is_known(config.model_class) else line_of(error)
    return ConfigError(f"model {config['model']} cannot be built from its keys{where}: {reason}")
