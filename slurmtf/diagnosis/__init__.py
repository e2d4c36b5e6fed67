"""Explain why a run waits or failed, and what to do about it."""
