"""Files of saved models and trainings, and the checks before they are loaded."""
