"""From raw data to atomic files."""
