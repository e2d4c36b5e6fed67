"""Each Slurm command as a function that returns its arguments and one that parses its output. Nothing else calls Slurm."""
