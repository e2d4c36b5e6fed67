"""Sweeps: spaces, samplers, policies, and the sweep from outside."""
