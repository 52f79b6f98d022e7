r"""Your own negative sampler: it draws a candidate with probability softmax(score / temperature).

    cd examples/own_sampler
    python ../../run_recbole_mdcns.py --model=SASRec --dataset=ml-100k --neg_sampler=softened:Softened \
        --softened_temperature=1

``choose`` receives a ``ScoredPool``: the targets and their histories, N candidate ids per target, and for each model
its encodings and scores, with gradient. It returns the scores of the K negatives and the weights of their losses. The
scores are taken from the pool, and the gradient flows through them. The choice itself must not carry a gradient.
``check`` refuses keys that do not go together. The key of this sampler is in ``Softened.yaml`` next to this file.
"""

from recbole_mdcns.errors import ConfigError
from recbole_mdcns.negatives import Negatives, NegativeStrategy, ScoredPool


class Softened(NegativeStrategy):
    """K different candidates per target; the higher the model scores one, the likelier."""

    views = ("softened",)

    @classmethod
    def check(cls, keys):
        """Refuse to draw more than there are candidates."""
        super().check(keys)
        number, most = keys["neg_num"], keys["neg_candidate_num"]
        if number > most:
            raise ConfigError(f"neg_num = {number} is not allowed: it is at most neg_candidate_num = {most}")

    def __init__(self, config, device):
        super().__init__(config, device)
        self.temperature = config["softened_temperature"]

    def choose(self, pool: ScoredPool) -> Negatives:
        """Draw K columns of each row."""
        chance = (pool.scores[0].detach() / self.temperature).softmax(1)  # [T, N]
        columns = chance.multinomial(self.negative_num, generator=self.generator)  # [T, K]
        return Negatives(self.pick(pool, columns), list(self.weights))
