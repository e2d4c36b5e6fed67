"""The state of a run, derived from its folder and the scheduler's answers."""
