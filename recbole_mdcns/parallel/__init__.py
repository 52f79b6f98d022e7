"""One training in several processes, on torch's process groups."""
