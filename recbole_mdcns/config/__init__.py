"""The keys of a run: their sources, their allowed values, and the keys that a run reads."""
