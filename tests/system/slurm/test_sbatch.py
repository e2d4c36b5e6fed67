"""sbatch's answers: on another cluster, through a site's wrapper, without a controller, and for an array in slices."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from slurmtf import RunStatus
from slurmtf.errors import RefusedError
from slurmtf.scheduler import Array, JobState, SubmittedJob, get_scheduler
from slurmtf.submit.record import read_jobs, read_last_job
from tests.cluster import Cluster
from tests.patience import until

from .support import (
    HELLO,
    WAIT,
    Lab,
    call,
    findings,
    get_job,
    prepend_to_path,
    wait_for_status,
    wait_until_ended,
    wait_until_started,
    write_program,
)

pytestmark = pytest.mark.slurm

PLAIN = 'for word; do shift; [ "$word" = --parsable ] || set -- "$@" "$word"; done\n'
"""Removes --parsable from the arguments."""
WRAPPERS = {
    "words": PLAIN + 'exec "$real" "$@"',
    "words and a cluster": PLAIN + 'exec "$real" --clusters=lab "$@"',
    "a line behind": '"$real" "$@" && echo "Your group has used 81 % of its hours."',
    "a line before": 'echo "Job accepted on 2026-11-28"; exec "$real" "$@"',
    "a failure afterwards": '"$real" "$@"; exit 1',
    "nothing": '"$real" "$@" >/dev/null',
    "numbers": '"$real" "$@" && echo 4711 && echo 4712',
}
FILTER = """
echo '-----------------------------------------------------------------'
echo '--> Verifying valid submit host (login2)...OK'
echo '--> Checking available allocation (nosuch)...FAILED'
echo
echo ' [*] You have no active allocation named nosuch'
exit 1
"""
NO_HOST = """
for _ in 1 2 3; do
    echo 'sbatch: error: get_addr_info: getaddrinfo() failed: Temporary failure in name resolution' >&2
    echo 'sbatch: error: slurm_set_addr: Unable to resolve "ctl"' >&2
    echo 'sbatch: error: Unable to establish control machine address' >&2
done
echo 'sbatch: error: Batch job submission failed: Resource temporarily unavailable' >&2
exit 1
"""
"""What sbatch prints, over five minutes, if it can't resolve its controller's address."""


def wrap(cluster: Cluster, folder: Path, body: str) -> str:
    """Write a site's own sbatch, and return a PATH that begins with it."""
    write_program(folder / "wrapped" / "sbatch", f"#!/bin/bash\nreal={cluster.directory}/bin/sbatch\n{body}\n")
    return prepend_to_path(folder / "wrapped")


@pytest.mark.parametrize("kind", WRAPPERS)
def test_the_job_id_is_read_from_a_wrapped_sbatch(
    lab: Lab, slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("PATH", wrap(slurm, tmp_path, WRAPPERS[kind]))
    run = lab.submit(HELLO)
    assert call("squeue", "--states=all", "-h", "-o", "%Z", "-j", get_job(run)) == str(run.folder)
    record = read_last_job(run.layout)
    assert record is not None
    assert record.ref.cluster == ("lab" if "cluster" in kind else None)
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED
    assert run.job.result()["exit_code"] == 0


def test_an_sbatch_that_submits_nothing_is_reported(lab: Lab, slurm: Cluster, tmp_path: Path) -> None:
    path = wrap(slurm, tmp_path, "echo thanks")
    source = lab.source(HELLO) / "train.py"
    found = findings(lab.slurmtf("submit", "--site", "slurm", source, "--json", env={"PATH": path}), 3)
    (folder,) = (lab.workspace / "train").iterdir()
    assert [finding["code"] for finding in found] == ["no-job-id", "hint"]
    assert folder.name in found[1]["what"]


def test_a_refusal_on_standard_output_is_reported(
    lab: Lab, slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", wrap(slurm, tmp_path, FILTER))
    with pytest.raises(RefusedError) as caught:
        lab.submit(HELLO)
    reason = "--> Checking available allocation (nosuch)...FAILED; [*] You have no active allocation named nosuch"
    assert caught.value.findings[0].what == reason
    assert not list(lab.workspace.glob("lab/*"))


def test_a_machine_without_a_cluster_is_reported(
    lab: Lab, slurm: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = lab.source(HELLO) / "train.py"
    monkeypatch.delenv("SLURM_CONF")
    path = wrap(slurm, tmp_path, NO_HOST)
    for environ, words in (({}, "Could not establish a configuration source"), ({"PATH": path}, 'Unable to resolve "ctl"')):
        for command in ("run", "submit"):
            (found,) = findings(lab.slurmtf(command, "--site", "slurm", source, "--json", env=environ), 3)
            assert words in found["what"]
            assert (found["where"], "\n" in found["what"]) == ("sbatch", False)
    assert not list(lab.workspace.glob("train/*"))


@pytest.mark.parametrize("flag", ["clusters", "-M"])
def test_a_cluster_named_by_flag_is_used(lab: Lab, flag: str) -> None:
    held, running = lab.submit(HELLO, sbatch={flag: "lab", "hold": True}), lab.submit(WAIT, sbatch={flag: "lab"})
    wait_until_started(running)
    records = [read_last_job(run.layout) for run in (held, running)]
    assert [record and record.ref.cluster for record in records] == ["lab", "lab"]
    assert [run.state.status for run in (held, running)] == [RunStatus.QUEUED, RunStatus.RUNNING]
    assert running.job.get_info()["State"] == "RUNNING"
    for run in (held, running):
        assert lab.slurmtf("cancel", run.id).returncode == 0
        wait_for_status(run, RunStatus.CANCELED)


def test_a_cluster_named_by_the_shell_is_used(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setenv("SLURM_CLUSTERS", "lab")
        run = lab.submit(HELLO, sbatch={"hold": True})
    record = read_last_job(run.layout)
    assert record is not None
    assert record.ref.cluster == "lab"
    assert run.state.status is RunStatus.QUEUED
    run.cancel()
    wait_for_status(run, RunStatus.CANCELED)


# --- arrays


def test_a_large_array_is_submitted_in_slices(lab_tinyarray: Lab) -> None:
    """MaxArraySize is 5 there."""
    folder = lab_tinyarray.folder / "array"
    folder.mkdir()
    script = folder / "job.sh"
    script.write_text(
        f"#!/bin/bash\n#SBATCH --chdir={folder}\n#SBATCH --output=/dev/null\n#SBATCH --partition=low\n"
        'touch "element-$(($1 + SLURM_ARRAY_TASK_ID))"\n'
    )
    slurm, noted = get_scheduler("slurm"), list[SubmittedJob]()
    jobs = slurm.submit(script, folder, os.environ, Array(12), why="sweep", note=noted.append)
    assert jobs == noted
    assert [(job.elements, job.first, job.why) for job in jobs] == [(5, 0, "sweep"), (5, 5, "sweep"), (2, 10, "sweep")]
    elements = [one for job in jobs for one in job.each]
    until(lambda: all(seen.state is JobState.COMPLETED for seen in slurm.observe(jobs).values()), "the end of all elements")
    assert set(slurm.observe(jobs)) == set(elements)
    assert sorted(path.name for path in folder.glob("element-*")) == sorted(f"element-{number}" for number in range(12))
    assert [slurm.open_job(one, folder).done(force_check=True) for one in elements] == [True] * 12
    assert len(list((folder / "submitit").iterdir())) <= 3 * len(jobs)  # per slice, not per element


def test_an_array_can_be_canceled(lab_tinyarray: Lab) -> None:
    folder = lab_tinyarray.folder / "array"
    folder.mkdir()
    script = folder / "job.sh"
    script.write_text(f"#!/bin/bash\n#SBATCH --chdir={folder}\n#SBATCH --output=/dev/null\nsleep 300\n")
    slurm = get_scheduler("slurm")
    (job,) = slurm.submit(script, folder, {**os.environ}, Array(4), why="sweep", note=lambda job: None)
    until(lambda: JobState.RUNNING in {seen.state for seen in slurm.observe([job]).values()}, "the start of an element")
    assert len(slurm.observe([job])) == 4
    slurm.cancel([job.each[3]])
    until(lambda: slurm.observe([job])[job.each[3]].state is JobState.CANCELLED, "the end of one element")
    assert not slurm.observe([job])[job.each[0]].state.final
    elsewhere = replace(job, folder=str(lab_tinyarray.folder))
    slurm.cancel([elsewhere])
    assert not slurm.observe([job])[job.each[0]].state.final
    slurm.cancel([job])
    until(lambda: all(seen.state is JobState.CANCELLED for seen in slurm.observe([job]).values()), "the end of all elements")
    assert slurm.open_job(job.each[0], folder).done(force_check=True)


def test_the_jobs_of_a_run_are_listed(lab: Lab) -> None:
    run = lab.submit(HELLO, sbatch={"hold": True})
    (job,) = read_jobs(run.layout)
    assert (job.ref.job_id, job.scheduler, job.why, job.folder) == (get_job(run), "slurm", "submitted", str(run.folder))
    run.cancel()
