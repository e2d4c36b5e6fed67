"""What the unit tests of estimators, plans and scripts share."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slurmtf.environments import Software
from slurmtf.errors import SlurmtfError, SpecError
from slurmtf.estimator import Estimator, TensorFlow
from slurmtf.findings import Finding
from slurmtf.plan import LaunchPlan, RunPlace, resolve
from slurmtf.plan.model import Resources
from slurmtf.sites import Site, load
from slurmtf.sites.search import find_data
from slurmtf.snapshot import SnapshotRef

PLACE = RunPlace("/scratch/ada/slurmtf", "digits", "digits-20260101-120000-abc123")
SNAPSHOT = SnapshotRef("0123456789abcdef" * 2, 3, 1000)
SOFTWARE = Software("/opt/env/bin/python3")
SITE = Site(name="here")
PACKAGED = sorted(path.stem for path in find_data("site_configs").glob("*.yaml"))


def tensorflow(source: Path, **settings: Any) -> TensorFlow:
    """Return an estimator of settings that the type checker need not agree with."""
    return TensorFlow(source, **settings)


def refused(source: Path, kind: type[Estimator] = TensorFlow, **settings: Any) -> list[Finding]:
    """Return what is wrong with an estimator of these settings."""
    with pytest.raises(SpecError) as caught:
        kind(source, **settings)
    return list(caught.value.findings)


def unplannable(estimator: Estimator, site: Site, software: Software = SOFTWARE) -> list[Finding]:
    """Return why an estimator has no plan on a site."""
    with pytest.raises(SpecError) as caught:
        plan_of(estimator, site, software)
    return list(caught.value.findings)


def codes(findings: Iterable[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def plan_of(estimator: Estimator, site: Site, software: Software = SOFTWARE) -> LaunchPlan:
    return resolve(estimator, site, software, SNAPSHOT, PLACE)


def planned(source: Path, site: Site = SITE, **settings: Any) -> LaunchPlan:
    return plan_of(tensorflow(source, **settings), site)


def resources(source: Path, site: Site = SITE, **settings: Any) -> Resources:
    return planned(source, site, **settings).resources


def flags(plan: LaunchPlan) -> dict[str, Any]:
    """Return the flags of the header; one that is repeated as a list."""
    values: dict[str, list[Any]] = {}
    for name, value in plan.batch.directives:
        values.setdefault(name, []).append(value)
    return {name: several if len(several) > 1 else several[0] for name, several in values.items()}


@functools.cache
def profile(name: str) -> Site:
    """A profile that comes with slurmtf, whatever profiles the user has."""
    return load(find_data("site_configs") / f"{name}.yaml")


def tells(finding: Finding, *facts: str) -> bool:
    """Whether a finding tells these values (numbers, paths, names, marked settings), in whatever words."""
    return all(fact in f"{finding.what} {finding.remedy}" for fact in facts)


@contextmanager
def refusing(kind: type[SlurmtfError], code: str, *facts: str) -> Iterator[None]:
    """Expect an error of that kind with a finding of that code, which tells the facts."""
    with pytest.raises(kind) as caught:
        yield
    found = caught.value.findings
    assert any(one.code == code and tells(one, *facts) for one in found), f"no {code} of {facts} among {found}"
