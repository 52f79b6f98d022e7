# RecBole's own class defines __getattribute__, so that a type checker would take any attribute.
from typing import Any

import torch
from recbole.config import Config
from recbole.data.dataset import Dataset
from recbole.data.interaction import Interaction
from torch.utils.data import DataLoader

class AbstractDataLoader(DataLoader[Any]):
    shuffle: bool
    config: Config
    generator: torch.Generator
    transform: Any
    is_sequential: bool
    step: int
    sample_size: int
    _dataset: Dataset
    _sampler: Any
    _batch_size: int
    def __init__(self, config: Config, dataset: Dataset, sampler: Any, shuffle: bool = False) -> None: ...
    def _init_batch_size_and_step(self) -> None: ...
    def update_config(self, config: Config) -> None: ...
    def set_batch_size(self, batch_size: int) -> None: ...
    def collate_fn(self, index: Any) -> Interaction: ...

class NegSampleDataLoader(AbstractDataLoader): ...
