"""One for each rank."""
