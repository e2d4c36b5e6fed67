"""The plan becomes a job: a run folder, and submitit executors for Slurm and for this machine."""
