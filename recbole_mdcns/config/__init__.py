"""The keys of a run: where they come from, what they may be, and what a run reads."""
