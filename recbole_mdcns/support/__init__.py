"""What every room may use: yaml files, import paths, names of files, files written whole."""
