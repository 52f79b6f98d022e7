"""LinRec: SASRec with L2-normalised linear attention."""

from __future__ import annotations

import torch.nn.functional as F
from recbole.config import Config
from recbole.data.dataset import Dataset
from recbole.model.layers import MultiHeadAttention
from recbole.model.sequential_recommender import SASRec
from torch import Tensor


def linear_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attend in linear time: ``Q~ (K~^T V) / sqrt(D)`` with ``Q~ = elu(Q) / |elu(Q)|`` and K~ alike.

    The norms run over the D features of a head, position by position, as in the released code; the paper's text
    speaks of row-wise norms for Q and column-wise ones for K. Neither masks the future or the padding.

    Args:
        query: Shape [B, heads, L, D].
        key: Shape [B, heads, L, D].
        value: Shape [B, heads, L, D].

    Returns:
        Contexts, shape [B, heads, L, D].
    """
    query, key = (F.normalize(F.elu(x), dim=-1) for x in (query, key))
    summary = key.transpose(-1, -2) @ value  # [B, heads, D, D]
    return query @ summary / query.size(-1) ** 0.5


class LinearAttention(MultiHeadAttention):
    """RecBole's attention layer, its softmax attention replaced by :func:`linear_attention`."""

    def forward(self, input_tensor: Tensor, attention_mask: Tensor) -> Tensor:
        """Attend over states [B, L, H]; the mask is not used. Dropout and residual norm as in RecBole's layer."""
        heads = [
            self.transpose_for_scores(project(input_tensor)).transpose(1, 2)  # [B, heads, L, D]
            for project in (self.query, self.key, self.value)
        ]
        context = linear_attention(*heads).transpose(1, 2).flatten(2)  # [B, L, H]
        return self.LayerNorm(self.out_dropout(self.dense(context)) + input_tensor)


class LinRec(SASRec):
    """SASRec's architecture with linear attention (Liu et al., SIGIR 2023), bidirectional as released.

    Not causal, and not to be trimmed: the last state depends on all positions, padding included, so a prefix needs a
    pass of its own. ``pad_side: left`` is the released form.

    Args:
        config: Keys of ``properties/model/LinRec.yaml``.
        dataset: Gives the number of items.
    """

    def __init__(self, config: Config, dataset: Dataset):
        super().__init__(config, dataset)
        for layer in self.trm_encoder.layer:
            layer.multi_head_attention = LinearAttention(
                self.n_heads, self.hidden_size, self.hidden_dropout_prob, self.attn_dropout_prob, self.layer_norm_eps
            )
        self.apply(self._init_weights)
