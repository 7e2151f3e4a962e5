"""A run's checkpoints: which there are, and how one is written and read."""
