"""Submit, observe and cancel jobs: on Slurm, or on this machine."""
