"""What a run leaves behind: its record, and folders and packed files of records."""
