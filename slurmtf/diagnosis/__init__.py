"""Why a run waits, and what to do about it."""
