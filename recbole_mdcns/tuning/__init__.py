"""Sweeps over datasets, models, samplers, losses, protocols, seeds and settings, on Ray Tune."""
