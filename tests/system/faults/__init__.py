"""Distributed runs whose tasks, agents, launchers or nodes die: the outcome, how fast it comes, and what is left behind."""
