r"""A metric of one's own: how often the target is ranked first.

    cd examples/own_metric
    python ../../run_recbole_mdcns.py --model=SASRec --dataset=ml-100k \
        --metrics="['Recall', 'NDCG', 'first_place:FirstPlace']" --valid_metric=FirstPlace@10

A metric has RecBole's form. ``used_info`` gives, for each row, which of the highest K items are its targets. The name
of the class, in lower case, is what its values are reported as: ``firstplace@10``.
"""

from recbole.evaluator.base_metric import TopkMetric


class FirstPlace(TopkMetric):
    """Share of the rows whose target is ranked first; the same at every cut-off."""

    def calculate_metric(self, dataobject):
        """Return the share by name, such as ``firstplace@10``."""
        is_target, _ = self.used_info(dataobject)  # [rows, K]
        first = is_target[:, :1].repeat(is_target.shape[1], axis=1)
        return self.topk_result("firstplace", first)
