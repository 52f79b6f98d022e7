"""The view of a model in training: encode and score, and self-tests that measure its abilities."""
