"""Training loops: one model with a strategy, and the Teacher-Peer-Self loop."""

from recbole_mdcns.trainer.mdcns import MDCNSTrainer
from recbole_mdcns.trainer.negative_sampling import NegativeSamplingTrainer

__all__ = ["MDCNSTrainer", "NegativeSamplingTrainer"]
