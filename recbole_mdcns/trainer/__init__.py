"""Training of one or several models, on the negatives of a strategy or over the whole catalogue."""

from recbole_mdcns.trainer.trainer import NegativeSamplingTrainer

__all__ = ["NegativeSamplingTrainer"]
