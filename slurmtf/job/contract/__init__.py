"""What the login node and the job agree on: the only part of the job that others import."""
