r"""Your own ranking loss: the target should score higher than each negative by a margin.

    cd examples/own_loss
    python ../../run_recbole_mdcns.py --model=SASRec --dataset=ml-100k --ranking_loss=hinge:Hinge --hinge_margin=0.5

A loss on negatives receives one model's part of a step: its scores of the T targets and of their K negatives, and the
weights of the negatives. It returns the mean loss of each negative and these weights. A loss over the whole catalogue
is a ``CatalogueLoss``: it receives the model, its encodings and the targets, and returns one number.
The key of this loss is in ``Hinge.yaml`` next to this file.
"""

from recbole_mdcns.losses import LossOfNegatives, ModelScores


class Hinge(LossOfNegatives):
    """``max(0, margin - s+ + s-)`` for each negative; works with every strategy and any number of models."""

    def __init__(self, config, item_num, device):
        super().__init__(config, item_num, device)
        self.margin = config["hinge_margin"]

    def __call__(self, scores: ModelScores):
        """Return the mean loss of each negative and the negatives' weights, shape [K] each."""
        losses = (self.margin - scores.positive[:, None] + scores.negative).clamp(min=0)  # [T, K]
        if scores.factors is not None:
            losses = losses * scores.factors
        return losses.mean(0), scores.weights
