"""The examples, run for real: every way to launch, on two nodes of the test Slurm and on this machine."""
