"""With what software: the environment that an estimator asks for, brought about."""

from __future__ import annotations

from slurmtf.environments.existing import existing
from slurmtf.environments.software import Software

__all__ = ["Software", "existing"]
