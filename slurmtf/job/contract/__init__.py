"""What login node and job agree on: the only part of the job that others import."""
