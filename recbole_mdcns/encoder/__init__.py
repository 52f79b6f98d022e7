"""How training sees a model: encode, score, and what a self-test says about it."""
