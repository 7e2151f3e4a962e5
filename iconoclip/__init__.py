"""The contracts of iconoclip and its one command: what the stages agree on, and nothing else."""
