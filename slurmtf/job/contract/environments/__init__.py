"""A store of environments: its names, the claims of builders, and the questions to an interpreter."""
