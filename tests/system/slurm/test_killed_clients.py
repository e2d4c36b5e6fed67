"""A client that is killed leaves either a run with a job, or leftovers that the next submission removes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from slurmtf import Run, RunStatus
from slurmtf.runs.workspaces.workspace import list_run_folders
from slurmtf.submit.submission import tidy
from tests.cluster import Cluster
from tests.integration.job.jobs import age
from tests.patience import HANG_S, until

from . import killing
from .support import (
    COMMAND,
    HELLO,
    Lab,
    call,
    get_job,
    prepend_to_path,
    read_files,
    read_journal,
    wait_until_ended,
    write_program,
)

pytestmark = pytest.mark.slurm

CLIENTS = 12

SLOW_SBATCH = """#!/bin/sh
touch "{notes}/begun-$$"
{before}
"{sbatch}" "$@"
code=$?
sleep {seconds}
touch "{notes}/done-$$"
exit $code
"""


def slow_sbatch(cluster: Cluster, folder: Path, seconds: float, gated: bool = False) -> dict[str, str]:
    """Return the environment of a client whose sbatch is slow before and after the submission. If ``gated``, it waits before it
    for a file ``gate`` in the folder."""
    (folder / "notes").mkdir()
    before = f"while [ ! -e '{folder}/gate' ]; do sleep 0.1; done" if gated else f"sleep {seconds}"
    real = cluster.directory / "bin/sbatch"
    text = SLOW_SBATCH.format(notes=folder / "notes", sbatch=real, seconds=seconds, before=before)
    write_program(folder / "slow/sbatch", text)
    return {**os.environ, "PATH": prepend_to_path(folder / "slow"), "SLURMTF_WORKSPACE": str(folder / "workspace")}


def begun(folder: Path) -> int:
    return len(list((folder / "notes").glob("begun-*")))


def none_is_left(folder: Path) -> bool:
    return begun(folder) == len(list((folder / "notes").glob("done-*")))


def two_hours_later(workspace: Path) -> None:
    """Make everything two hours old. Jobs may still run, and remove files while this lists them."""
    long_ago = time.time() - 7200
    age(workspace, long_ago)


def living(folder: Path) -> list[bytes]:
    """Return the command lines of the agents of runs in a folder."""
    commands = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            commands.append((process / "cmdline").read_bytes())
    return [words for words in commands if b"/agent.pyz\0" in words and os.fsencode(folder) in words]


def jobs_by_folder(workspaces: Path) -> dict[str, list[str]]:
    """Wait until the jobs in a folder have ended, and return all jobs by folder."""
    until(lambda: str(workspaces) not in call("squeue", "--noheader", "--format=%Z"), "the end of all jobs")
    found: dict[str, list[str]] = {}
    for line in call("squeue", "--noheader", "--states=all", "--format=%i|%Z").splitlines():
        job_id, _, folder = line.partition("|")
        found.setdefault(folder, []).append(job_id)
    return found


def jobs_in_journals(folder: Path) -> dict[str, list[str]]:
    found = [Run(path.parent) for path in folder.glob("*/lab/*/journal")]
    return {str(run.folder): [event["job_id"] for event in read_journal(run) if event["event"] == "started"] for run in found}


def is_in_order(workspace: Path, jobs: dict[str, list[str]]) -> list[Run]:
    """Check that each run has its job, each job its run, and nothing else is left. Returns the runs."""
    runs = [Run(folder) for folder in list_run_folders([workspace])]
    own = {folder: ids for folder, ids in jobs.items() if folder.startswith(f"{workspace}/")}
    assert {str(run.folder): [get_job(run)] for run in runs} == own
    others = [name for name in read_files(workspace) if not any(run.id in name for run in runs)]
    kept = {".slurmtf", ".slurmtf/intents", ".slurmtf/staging", ".slurmtf/snapshots", "lab", "train"}
    assert [name for name in others if name not in kept and not name.startswith(".slurmtf/snapshots/")] == []
    assert not [name for name in others if ".partial" in name]
    return runs


@pytest.mark.parametrize("target", ["slurm", "local"])
def test_killed_at_every_step(lab: Lab, target: str) -> None:
    (lab.folder / "source").mkdir()
    (lab.folder / "source/train.py").write_text(HELLO)
    subprocess.run([sys.executable, killing.__file__, lab.folder, target], timeout=HANG_S, check=True)
    workspaces = sorted((path for path in lab.folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    assert len(workspaces) > 20
    until(lambda: not living(lab.folder), "the end of all that was started here")
    jobs = jobs_by_folder(lab.folder) if target == "slurm" else jobs_in_journals(lab.folder)
    runs = []
    for workspace in workspaces:
        two_hours_later(workspace)
        tidy(workspace)
        runs.append(is_in_order(workspace, jobs))
    assert [] in runs
    assert len(runs[-1]) == 1
    submitted = [run for found in runs for run in found]
    assert len(submitted) > 3  # the last ones were killed after the job's start
    assert {state.status for state in wait_until_ended(*submitted)} == {RunStatus.COMPLETED}


def test_killed_at_any_moment(lab: Lab, slurm: Cluster, tmp_path: Path) -> None:
    environ = slow_sbatch(slurm, tmp_path, 0.3)
    script = lab.source(HELLO) / "train.py"
    seed = random.randrange(10**6)
    print("seed", seed)
    moments = random.Random(seed)
    for number in range(CLIENTS):
        earlier = begun(tmp_path)
        client = subprocess.Popen([COMMAND, "submit", "--site", "slurm", script], env=environ, stderr=subprocess.DEVNULL)
        if number % 3:  # the others: at any moment after the start
            until(lambda earlier=earlier, client=client: begun(tmp_path) > earlier or client.poll() is not None, "sbatch")  # type: ignore[misc]
        time.sleep(moments.uniform(0, 0.8))
        client.kill()
        client.wait()
    until(lambda: none_is_left(tmp_path), "the end of the last sbatch")
    two_hours_later(lab.workspace)
    tidy(lab.workspace)
    runs = is_in_order(lab.workspace, jobs_by_folder(lab.workspace))
    assert runs
    assert {state.status for state in wait_until_ended(*runs)} == {RunStatus.COMPLETED}


def test_an_sbatch_that_outlives_its_client_is_waited_for(lab: Lab, slurm: Cluster, tmp_path: Path) -> None:
    environ = slow_sbatch(slurm, tmp_path, 1, gated=True)
    client = subprocess.Popen([COMMAND, "submit", "--site", "slurm", lab.source(HELLO) / "train.py"], env=environ)
    until(lambda: begun(tmp_path), "sbatch")
    client.kill()
    client.wait()
    two_hours_later(lab.workspace)
    tidy(lab.workspace)
    (folder,) = list_run_folders([lab.workspace])
    assert Run(folder).get_status() == "NotStarted"
    (tmp_path / "gate").touch()
    until(lambda: none_is_left(tmp_path), "the end of sbatch")
    tidy(lab.workspace)
    (run,) = is_in_order(lab.workspace, jobs_by_folder(lab.workspace))
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED


def test_a_submission_settles_earlier_ones(lab: Lab, slurm: Cluster, tmp_path: Path) -> None:
    environ = slow_sbatch(slurm, tmp_path, 60)
    argv: list[str | Path] = [COMMAND, "submit", "--site", "slurm", lab.source(HELLO) / "train.py"]
    client = subprocess.Popen(argv, env=environ, start_new_session=True)
    until(lambda: begun(tmp_path), "sbatch")
    os.killpg(client.pid, signal.SIGKILL)
    client.wait()
    two_hours_later(lab.workspace)
    run = lab.submit(HELLO)
    assert [found.id for found in is_in_order(lab.workspace, jobs_by_folder(lab.workspace))] == [run.id]
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED
