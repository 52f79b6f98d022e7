"""The one way in which training looks at a model: an encoding per history, and an item table."""

from __future__ import annotations

import torch
from recbole.config import Config
from recbole.data.interaction import Interaction
from recbole.model.abstract_recommender import SequentialRecommender
from torch import Tensor

from recbole_mdcns.errors import ConfigError


class Encoder:
    """A RecBole sequential model seen as ``encode(item_seq, item_length) -> [T, H]`` and an item table [V + 1, H].

    Both come from the model's own ``forward`` and parameters; nothing is copied. That its scores are inner products
    of the two is not assumed but measured once, on random histories.

    Args:
        model: The model, as RecBole builds it.
        config: The configuration that it was built from.
        role: ``self`` or ``peer``, for errors.

    Raises:
        ConfigError: The model's scores are not inner products of these two.
    """

    def __init__(self, model: SequentialRecommender, config: Config, role: str = "self"):
        self.model = model
        self.config = config
        self.role = role
        self._check_inner_product()

    @property
    def item_table(self) -> Tensor:
        """The item embeddings, shape [V + 1, H]; row 0 is the padding."""
        return self.model.item_embedding.weight

    def encode(self, item_seq: Tensor, item_length: Tensor) -> Tensor:
        """Encode padded histories [T, L] of the given lengths [T] into [T, H], in the model's current mode."""
        return self.model.forward(item_seq, item_length)

    @torch.no_grad()
    def _check_inner_product(self, row_num: int = 4) -> None:
        model, name = self.model, type(self.model).__name__
        refusal = f"{name} cannot be the {self.role} model: "
        if not isinstance(getattr(model, "item_embedding", None), torch.nn.Embedding):
            raise ConfigError(refusal + "it has no table item_embedding to score candidates with")
        width = model.max_seq_length
        device = self.item_table.device
        generator = torch.Generator().manual_seed(0)
        seq = torch.randint(1, model.n_items, (row_num, width), generator=generator)
        length = torch.randint(1, width + 1, (row_num,), generator=generator)
        seq = (seq * (torch.arange(width) < length[:, None])).to(device)
        rows = Interaction({model.ITEM_SEQ: seq, model.ITEM_SEQ_LEN: length.to(device)})
        was_training = model.training
        model.eval()
        try:
            expected = model.full_sort_predict(rows).view(row_num, -1)
            found = self.encode(seq, rows[model.ITEM_SEQ_LEN]) @ self.item_table.T
        except (TypeError, KeyError, RuntimeError, NotImplementedError) as error:
            raise ConfigError(refusal + f"it does not score a history of items alone ({error})") from error
        finally:
            model.train(was_training)
        if found.shape != expected.shape or not torch.allclose(found, expected, rtol=1e-4, atol=1e-5):
            raise ConfigError(refusal + "its scores are no inner products of encoding and item table")
