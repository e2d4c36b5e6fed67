"""The programs that run in the job."""
