"""The overlap of the neighbourhoods of two items in the transition graph of the training sequences."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from recbole_mdcns.data.dataset import HistoryDataset
from recbole_mdcns.data.history import HISTORY_END, HISTORY_START

#: Items within this distance in a sequence are neighbours.
REACH = 3


class NeighbourOverlap:
    """Jaccard's index of the neighbour sets of two items, stored for pairs that share a neighbour.

    Neighbours occur within 3 steps of each other in a training sequence. ``J(i, j) = |N(i) n N(j)| / |N(i) u N(j)|``,
    1 for an item with itself. Memory: 12 bytes per pair of items with a common neighbour; no table of V x V.
    """

    def __init__(self, dataset: HistoryDataset, device: torch.device):
        self.item_num = dataset.item_num
        adjacency = neighbours(dataset)
        common = (adjacency @ adjacency.T).tocoo()
        degree = np.asarray(adjacency.sum(1)).reshape(-1)
        overlap = common.data / (degree[common.row] + degree[common.col] - common.data)
        keys = common.row.astype(np.int64) * self.item_num + common.col
        order = np.argsort(keys)
        self.keys = torch.from_numpy(keys[order]).to(device)
        self.values = torch.from_numpy(overlap[order].astype(np.float32)).to(device)

    def __call__(self, target: Tensor, items: Tensor) -> Tensor:
        """Return the overlaps of targets [T] with items [T, N], shape [T, N]."""
        keys = target[:, None] * self.item_num + items
        if not len(self.keys):
            return (items == target[:, None]).float()
        place = torch.searchsorted(self.keys, keys).clamp_(max=len(self.keys) - 1)
        overlap = torch.where(self.keys[place] == keys, self.values[place], 0.0)
        return overlap.masked_fill(items == target[:, None], 1.0)


def neighbours(dataset: HistoryDataset) -> scipy.sparse.csr_matrix:
    """Return the neighbourhood of items as a symmetric matrix of ones, shape [V + 1, V + 1].

    Args:
        dataset: The training part; its transitions end in a target or lie inside a history.
    """
    rows = dataset.inter_feat
    start, end = rows[HISTORY_START].numpy(), rows[HISTORY_END].numpy()
    items = dataset.history.items.cpu().numpy()
    left, right = [], []
    for distance in range(1, REACH + 1):
        reaches = end - distance >= start  # a training target, and the item so far before it
        left.append(items[end[reaches] - distance])
        right.append(items[end[reaches]])
    one, other = np.concatenate(left + right), np.concatenate(right + left)
    differs = one != other
    shape = (dataset.item_num, dataset.item_num)
    pairs = (one[differs], other[differs])
    adjacency = scipy.sparse.csr_matrix((np.ones(differs.sum(), np.float32), pairs), shape=shape)
    adjacency.data[:] = 1.0  # summed where a pair occurs again
    return adjacency
