"""The plan becomes a job: a run folder, and submitit executors for Slurm and for this machine."""

from __future__ import annotations

from slurmtf.submit.submission import Submission, submit, tidy

__all__ = ["Submission", "submit", "tidy"]
