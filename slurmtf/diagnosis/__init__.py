"""Why a run waits or died, and what to do about it."""
