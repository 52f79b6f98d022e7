"""Draws of candidates: uniform pools, popularity, rejection."""
