"""The supervisor: one for each job, in the batch step."""
