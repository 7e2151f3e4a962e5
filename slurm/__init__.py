"""Runs stages as SLURM jobs: render, submit, follow, resume."""
