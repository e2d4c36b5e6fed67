"""Each Slurm command as "arguments out, text in". No other package calls Slurm."""
