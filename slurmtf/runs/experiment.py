"""An experiment: a named series of runs."""

from __future__ import annotations

import getpass
import platform
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slurmtf.environments import Software, software_of
from slurmtf.environments.probe import installed
from slurmtf.estimator import Estimator
from slurmtf.plan import LaunchPlan, RunPlace, render, resolve
from slurmtf.runs.run import Run
from slurmtf.runs.workspace import check_experiment, new_run_id, run_folders, workspace_of
from slurmtf.sites import Site, resolve_target
from slurmtf.sites.search import search_path
from slurmtf.snapshot import Contents, collect, examine
from slurmtf.snapshot.store import reference
from slurmtf.submit.submission import Submission, submit, tidy


@dataclass(frozen=True)
class Experiment:
    """A named series of runs in a workspace.

    ``workspace`` is a folder that the compute nodes see; left out: ``$SLURMTF_WORKSPACE``, the site's, else ``~/slurmtf-runs``.
    """

    name: str
    workspace: str | Path | None = None

    def __post_init__(self) -> None:
        check_experiment(self.name)

    def plan(self, estimator: Estimator, run_id: str | None = None) -> tuple[LaunchPlan, str]:
        """Return the plan of a run and its batch script. Writes nothing, submits nothing, asks no Slurm.

        Raises an InputError with everything that is wrong.
        """
        prepared = self._prepare(estimator, run_id)
        return prepared.plan, prepared.script

    def submit(self, estimator: Estimator) -> Run:
        """Submit a training and return its run at once.

        Raises an InputError when the run can't be had as asked, and then nothing is left behind; SlurmError when Slurm does
        not answer.
        """
        prepared = self._prepare(estimator, None)
        tidy(Path(prepared.plan.run.workspace))
        return Run(submit(prepared).folder)

    def get_runs(self) -> list[Run]:
        """Return the experiment's runs, newest first."""
        workspace = workspace_of(resolve_target(None).storage.workspace, self.workspace)
        return [Run(folder) for folder in run_folders([workspace], self.name)]

    def _prepare(self, estimator: Estimator, run_id: str | None) -> Submission:
        site = resolve_target(estimator.compute_target)
        workspace = workspace_of(site.storage.workspace, self.workspace or estimator.source_directory_data_store)
        place = RunPlace(str(workspace), self.name, run_id or new_run_id(self.name))
        contents = collect(Path(estimator.source_directory), outside=[workspace])
        contents.check_holds(estimator.script)
        facts = examine(Path(estimator.source_directory), estimator.script)
        plan = resolve(estimator, site, _software(estimator, site), reference(contents), place, facts)
        script = render(plan, search_path("templates", "SLURMTF_TEMPLATE_PATH"))
        return Submission(plan, script, contents, _receipt(estimator, site, contents))


def _software(estimator: Estimator, site: Site) -> Software:
    """Return the software of a run; what is installed is looked up where the distribution depends on it."""
    software = software_of(estimator, site)
    if estimator.distribution is None and not estimator.legacy_keras:
        return software
    return replace(software, packages=installed(software.python))


def _receipt(estimator: Estimator, site: Site, contents: Contents) -> dict[str, Any]:
    """Return what is needed to repeat or cite the run, beside its plan and its source."""
    return {
        "submitted": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "user": getpass.getuser(),
        "host": socket.gethostname(),
        "python": platform.python_version(),
        "site": {"name": site.name, "profile": site.source, "verified": site.verified},
        "source": {"folder": estimator.source_directory, "git": _git(Path(estimator.source_directory)),
                   "left_out": list(contents.left_out)},
    }  # fmt: skip


def _git(folder: Path) -> dict[str, Any] | None:
    """Return commit, branch and whether there are uncommitted changes; None outside of a git work tree."""
    command = ["git", "-C", str(folder), "status", "--porcelain=v2", "--branch", "--untracked-files=normal"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    lines = done.stdout.splitlines()
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    dirty = any(not line.startswith("#") for line in lines)
    return {"commit": heads.get("branch.oid"), "branch": heads.get("branch.head"), "dirty": dirty}
