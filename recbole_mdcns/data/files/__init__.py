"""Atomic files: read, checked, refused."""
