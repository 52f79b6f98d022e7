r"""Your own metric: the share of targets that are ranked first.

    cd examples/own_metric
    python ../../run_recbole_mdcns.py --model=SASRec --dataset=ml-100k \
        --metrics="['Recall', 'NDCG', 'first_place:FirstPlace']" --valid_metric=FirstPlace@10

A metric has RecBole's form. ``used_info`` tells, for each row, which of the highest K items are its targets. Values are
reported under the name of the class in lower case: ``firstplace@10``.
"""

from recbole.evaluator.base_metric import TopkMetric


class FirstPlace(TopkMetric):
    """Share of the rows whose target is ranked first; the same at every cut-off."""

    def calculate_metric(self, dataobject):
        """Return the share by name, such as ``firstplace@10``."""
        is_target, _ = self.used_info(dataobject)  # [rows, K]
        first = is_target[:, :1].repeat(is_target.shape[1], axis=1)
        return self.topk_result("firstplace", first)
