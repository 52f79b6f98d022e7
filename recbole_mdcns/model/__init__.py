"""Backbones, and models by name or import path."""
