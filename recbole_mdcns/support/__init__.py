"""Tools for every room: yaml files, import paths, names of files, safe writing."""
