"""One for each job, in the batch step."""
