"""Where candidates are drawn from."""
