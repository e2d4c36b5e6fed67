"""Runs that follow others: what Slurm is told of the jobs that they wait for."""
