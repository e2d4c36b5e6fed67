"""Clean the environment that a job is submitted from, which may be that of a job or a run itself."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from slurmtf.job.contract import variables as var
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.schedulers import is_outside_of_job

OURS = re.compile("|".join((*var.SCRIPT_VARIABLES, *var.AGENT_VARIABLES, var.SLURMTF_INPUT + r"\w+", "SLURMTF_[A-Z]+_HOSTS")))
"""The agent's own variables, which identify a task. The user's settings also begin with SLURMTF_."""


def remove_run_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the variables that slurmtf set for a run. The next run gets its own."""
    kept = {name: value for name, value in environ.items() if not OURS.fullmatch(name)}
    folder = environ.get(var.SLURMTF_RUN_FOLDER)
    if not folder:
        return kept
    launch = RunLayout(environ.get(var.SLURMTF_LAUNCH_FOLDER) or folder)
    own = (RunLayout(folder).work, RunLayout(folder).hook, launch.work)
    on_node = f"/{os.path.basename(folder)}/work"  # noqa: PTH119 - a name, not a path on this machine
    entries = kept.pop(var.PYTHONPATH, "").split(os.pathsep)
    path = [entry for entry in entries if entry and entry not in own and not entry.endswith(on_node)]
    others = {name: value for name, value in kept.items() if name not in var.LIBRARY_VARIABLES}
    return {**others, **({var.PYTHONPATH: os.pathsep.join(path)} if path else {})}


def remove_job_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a run on this machine: without the variables of the allocation that we may be in, except for
    its cluster's name."""
    return {name: value for name, value in remove_run_variables(environ).items() if is_outside_of_job(name)}
