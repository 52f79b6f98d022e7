"""Where candidates come from: uniform pools, popularity, rejection."""
