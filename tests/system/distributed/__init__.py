"""The examples, run for real: every way of training, on two nodes of the test Slurm and on this machine."""
