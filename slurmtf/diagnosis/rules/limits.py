"""Limits of the node."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

LIMITS: tuple[Rule, ...] = (
    Rule("threads", Kind.LIMIT, ("pthread_create failed", "can't start new thread", "Resource temporarily unavailable",
         "hread creation failed"),
         r"pthread_create failed|can't start new thread|[Tt]hread creation failed|"
         r"(?:fork: (?:retry: )?|std::system_error'\s+what\(\): +)Resource temporarily unavailable",
         "the node allows no more threads or processes: use fewer (`environment_variables[OPENBLAS_NUM_THREADS]=1`)"),
    Rule("open-files", Kind.LIMIT, ("Too many open files",), r"Too many open files",
         "close what was read, read fewer files at once, or have the site's prologue raise the limit (ulimit -n)"),
)  # fmt: skip
