"""The checkpoints of a run: finding, writing and reading them."""
