"""A store of environments: its names, who builds, and what an interpreter is asked."""
