"""From a trained model to recommendations, without its data."""

from recbole_mdcns.recommend.recommender import Recommender, TopItems, load
from recbole_mdcns.recommend.tables import Columns

__all__ = ["Columns", "Recommender", "TopItems", "load"]
