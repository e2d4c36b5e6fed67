"""Runs that follow others, and Slurm's dependencies for them."""
