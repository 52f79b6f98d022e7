"""Datasets: checked atomic files, rows as RecBole makes them, and every row's full history."""
