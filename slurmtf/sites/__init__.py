"""Site profiles, which describe where a training job may run."""

from __future__ import annotations

from slurmtf.sites.model import Site
from slurmtf.sites.search import list_profiles, load, resolve_target

__all__ = ["Site", "list_profiles", "load", "resolve_target"]
