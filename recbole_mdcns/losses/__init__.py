"""Ranking losses: of a positive and its negatives, or over the catalogue."""
