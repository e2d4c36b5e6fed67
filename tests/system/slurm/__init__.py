"""Real jobs, through the public API and the `slurmtf` command, on the test Slurm."""
