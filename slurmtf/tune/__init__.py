"""Sweeps: spaces, samplers, policies, and the run of a sweep."""
