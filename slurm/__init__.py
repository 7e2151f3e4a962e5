"""Stages to SLURM jobs: render, submit, follow, resume."""
