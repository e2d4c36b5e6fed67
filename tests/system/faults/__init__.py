"""Distributed runs whose tasks, agents, launchers and nodes die: the verdict, how fast it comes, and what is left."""
