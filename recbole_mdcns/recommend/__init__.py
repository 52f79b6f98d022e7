"""From a trained model to recommendations, without its data."""

from recbole_mdcns.recommend.recommender import Recommender, load
from recbole_mdcns.recommend.tables import Columns
from recbole_mdcns.recommend.top_items import TopItems

__all__ = ["Columns", "Recommender", "TopItems", "load"]
