"""The examples, really run: every way to launch, on two nodes of the test Slurm and on this machine."""
