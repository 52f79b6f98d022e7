"""MDCNS for RecBole: sequential recommenders trained on negatives that two models and their ensemble choose."""

__version__ = "0.1.0"
