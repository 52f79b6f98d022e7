"""The paper's tables from records: what they show, the statistics of a cell, tests, and how they are printed."""
