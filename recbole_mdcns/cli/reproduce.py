"""``recbole-mdcns reproduce``: train what a table of the paper lacks, and write its page."""

from recbole_mdcns.report.reproduce import add_arguments, run

__all__ = ["add_arguments", "run"]
