"""Turn the plan into a job: the run folder, and submission through submitit, to Slurm or on this machine."""
