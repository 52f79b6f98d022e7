"""Files that models and trainings are saved in, and what is checked before they are loaded."""
