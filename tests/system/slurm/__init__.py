"""Real jobs on the test Slurm, through the public API and the `slurmtf` command."""
