"""LinRec: SASRec with L2-normalised linear attention."""

from __future__ import annotations

import torch.nn.functional as F
from recbole.config import Config
from recbole.model.layers import MultiHeadAttention
from torch import Tensor

from recbole_mdcns.model.window_model import WindowModel, states_at


def linear_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend in linear time: ``Q~ (K~^T V) / sqrt(D)`` with ``Q~ = elu(Q) / |elu(Q)|``, and the same for K~.

    The norms run over the D features of a head, position by position, as in the released code; the text of the paper
    has row-wise norms for Q and column-wise norms for K. Nothing masks the future or the padding.

    Args:
        query: Shape [B, heads, Q, D], of any number of positions Q.
        key: Shape [B, heads, L, D].
        value: Shape [B, heads, L, D].

    Returns:
        Contexts, shape [B, heads, Q, D].
    """
    query, key = (F.normalize(F.elu(x), dim=-1) for x in (query, key))
    summary = key.transpose(-1, -2) @ value  # [B, heads, D, D]
    return query @ summary / query.size(-1) ** 0.5


class LinearAttention(MultiHeadAttention):
    """RecBole's attention layer with :func:`linear_attention` instead of softmax attention."""

    def forward(self, input_tensor: Tensor, position: Tensor | None = None) -> Tensor:
        """Attend from the given positions [B], or from all, to states [B, L, H]; the rest is as in RecBole's layer.

        Returns:
            Shape [B, 1, H], or [B, L, H].
        """
        asking = states_at(input_tensor, position)
        heads = [
            self.transpose_for_scores(projected).transpose(1, 2)  # [B, heads, 1 or L, D]
            for projected in (self.query(asking), self.key(input_tensor), self.value(input_tensor))
        ]
        context = linear_attention(*heads).transpose(1, 2).flatten(2)
        return self.LayerNorm(self.out_dropout(self.dense(context)) + asking)


class LinRec(WindowModel):
    """SASRec's architecture with linear attention (Liu et al., SIGIR 2023), bidirectional as released.

    ``pad_side: left`` is the released form.

    Args:
        config: Keys of ``properties/model/LinRec.yaml``, and ``MAX_ITEM_LIST_LENGTH``.
        dataset: Gives the number of items.
    """

    def make_mixer(self, config: Config) -> LinearAttention:
        """Return a new attention layer."""
        return LinearAttention(
            config["n_heads"], self.hidden_size, config["hidden_dropout_prob"], config["attn_dropout_prob"],
            config["layer_norm_eps"],
        )  # fmt: skip
