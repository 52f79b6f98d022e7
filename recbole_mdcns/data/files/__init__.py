"""Reading and checking atomic files."""
