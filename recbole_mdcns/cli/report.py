"""``recbole-mdcns report``: pages of tables and figures from records."""

from recbole_mdcns.report.report import add_arguments, run

__all__ = ["add_arguments", "run"]
