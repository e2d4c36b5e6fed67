"""A run's copy in MLflow."""
