"""A sweep: the records of it and its trials, and which element works on which trial."""
