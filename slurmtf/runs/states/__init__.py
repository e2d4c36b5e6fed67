"""Where a run is: its folder, the scheduler's answers, and the state that both amount to."""
