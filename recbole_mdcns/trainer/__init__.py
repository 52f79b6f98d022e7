"""The training loop: one model or several at once, with the negatives of a strategy or over the whole catalogue."""

from recbole_mdcns.trainer.trainer import NegativeSamplingTrainer

__all__ = ["NegativeSamplingTrainer"]
