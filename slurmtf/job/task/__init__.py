"""The program that runs once for each rank."""
