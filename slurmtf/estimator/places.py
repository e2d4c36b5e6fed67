"""Check where a job runs, and where its files are."""

from __future__ import annotations

from collections.abc import Iterable

from slurmtf.estimator.quantities import check_choice
from slurmtf.findings import Finding

STAGES = ("node-local", "shared")


def check_places(compute_target: object, stage: object) -> Iterable[Finding]:
    """Yield what is wrong with the site (a name, a path or a Site), and with the place of software and source."""
    if compute_target is not None and not isinstance(compute_target, str) and not hasattr(compute_target, "scheduler"):
        what = f"{compute_target!r} is neither a name, a path nor a Site"
        yield Finding("bad-target", "compute_target", what, "use 'local' or a site's name")
    yield from check_choice("stage", stage, STAGES)
