"""Records of runs, and folders and packed files of records."""
