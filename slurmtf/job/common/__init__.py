"""What several of the job's processes share."""
