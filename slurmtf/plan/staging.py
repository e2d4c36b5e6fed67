"""Decide what is staged to the nodes' own disks, and report what prevents it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from slurmtf.environments.packing import Pack
from slurmtf.estimator import Estimator, Input
from slurmtf.findings import Finding, build_warning
from slurmtf.job.contract.plan import DataInput, Stage
from slurmtf.sites.model import Site

NODE_LOCAL: Literal["node-local"] = "node-local"


@dataclass(frozen=True)
class StagingFacts:
    """What was looked up: the environment's pack, or why there can be none; warnings about where the data is, each with its
    code."""

    pack: Pack | None = None
    unpackable: str = ""
    warnings: tuple[Finding, ...] = ()


def is_local(estimator: Estimator, site: Site) -> bool:
    """Return whether software and source are staged to the nodes' own disks."""
    return (estimator.stage or site.storage.stage) == NODE_LOCAL


def build_stage(estimator: Estimator, site: Site, looked_up: StagingFacts) -> Stage:
    local = site.storage.local or ""
    if not is_local(estimator, site):
        return Stage(local=local)
    pack = looked_up.pack
    return Stage(NODE_LOCAL, local, pack.prefix if pack else "", pack.path if pack else "")


def convert_inputs(estimator: Estimator) -> tuple[DataInput, ...]:
    return tuple(DataInput(str(item.name), str(item.path), item.mode) for item in _list_inputs(estimator))


def _list_inputs(estimator: Estimator) -> list[Input]:
    return estimator.inputs or []


def warn_about_stage(estimator: Estimator, site: Site, looked_up: StagingFacts) -> Iterable[Finding]:
    """Yield warnings about staging."""
    yield from looked_up.warnings
    local = is_local(estimator, site)
    if local and looked_up.unpackable:
        yield build_warning(
            "stage", f"only the source is staged to the nodes' own disks, not the software: {looked_up.unpackable}"
        )
    downloads = [item.name for item in _list_inputs(estimator) if item.mode == "download"]
    if site.storage.local_in_ram and (local or downloads):
        what = " and ".join(filter(None, ["software and source" if local else "", ", ".join(map(str, downloads))]))
        yield build_warning(
            "local-in-ram", f"the nodes of {site.name} have no disk of their own: {what} count as the job's memory there"
        )
