"""Software that is already there."""

from __future__ import annotations

import sys
from pathlib import Path

from slurmtf.environments.software import Software
from slurmtf.errors import Problem, SpecError
from slurmtf.estimator import Environment, Estimator
from slurmtf.sites import Site


def existing(estimator: Estimator, site: Site) -> Software:
    """Return the Python and the modules that the estimator names; else the Python that submits.

    Modules bring a Python of their own: those that the estimator names, and the site's for a framework_version.

    Raises SpecError when the interpreter is a path and not there.
    """
    wish = estimator.environment_definition or Environment()
    of_version = site.modules.tensorflow.get(getattr(estimator, "framework_version", None) or "")
    if wish.python is None and (wish.modules or of_version):
        return Software("python3", tuple(wish.modules))
    python = str(Path(wish.python).expanduser()) if wish.python else sys.executable
    if "/" in python and not Path(python).is_file():
        remedy = "give the path of an interpreter that the compute nodes see too"
        raise SpecError(Problem("environment_definition.python", f"{python} does not exist", remedy))
    return Software(python, tuple(wish.modules))
