"""Datasets: checked atomic files, rows as in RecBole, and the full history of every row."""
