"""With what software: the environment that an estimator asks for, brought about."""

from __future__ import annotations

from slurmtf.environments.existing import existing
from slurmtf.environments.software import Software
from slurmtf.estimator import Estimator
from slurmtf.sites import Site

__all__ = ["Software", "software_of"]


def software_of(estimator: Estimator, site: Site) -> Software:
    """Return the software that an estimator asks for on a site. Raises SpecError when it is not there."""
    version = getattr(estimator, "framework_version", None)
    return existing(estimator.environment, of_version=version in site.modules.tensorflow)
