"""Software that is already there."""

from __future__ import annotations

import sys
from pathlib import Path

from slurmtf.environments.software import Software
from slurmtf.errors import Problem, SpecError
from slurmtf.estimator import Environment, Estimator


def existing(estimator: Estimator) -> Software:
    """Return the Python and the modules that the estimator names; else the Python that submits.

    Raises SpecError when the interpreter is a path and not there.
    """
    wish = estimator.environment_definition or Environment()
    if wish.python is None and wish.modules:
        return Software("python3", tuple(wish.modules))
    python = str(Path(wish.python).expanduser()) if wish.python else sys.executable
    if "/" in python and not Path(python).is_file():
        remedy = "give the path of an interpreter that the compute nodes see too"
        raise SpecError(Problem("environment_definition.python", f"{python} does not exist", remedy))
    return Software(python, tuple(wish.modules))
