"""A sweep: what is written of it and its trials, and who works on which."""
