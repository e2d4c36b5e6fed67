"""Build environments, on the login node or in a job."""
