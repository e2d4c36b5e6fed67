"""Each Slurm command as "arguments out, text in". No other part calls Slurm."""
