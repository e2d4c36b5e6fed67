"""Runs that follow others, on the real Slurm: they follow the run, whatever has become of its job."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path

import pytest

from slurmtf import Experiment, Run
from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.states.state import RunStatus
from slurmtf.submit.submission import Submission, submit
from tests.cluster import Cluster

from .support import HELLO, Lab, call, findings, get_job, prepend_to_path, read_facts, wait_until_ended, write_program

pytestmark = pytest.mark.slurm

FAILS = "import sys\nsys.exit(5)\n"
# The earlier run continues in another job just before the new one is submitted. Then the client is killed: before it has the
# new job's id, or when it would update that job.
SBATCH = '#!/bin/sh\ncat {more} >>{jobs}\n{real} "$@"\n{then}\n'
SCONTROL = '#!/bin/sh\ncase "$*" in *update*) kill -9 $PPID; exit 1 ;; esac\nexec {real} "$@"\n'


def submit_after(lab: Lab, script: str, *names: str) -> Run:
    flags = [word for name in names for word in ("--after", name)]
    done = lab.slurmtf("submit", str(lab.source(script) / "train.py"), "-s", "slurm", "-x", "lab", *flags)
    assert done.returncode == 0, done.stderr
    return Run.find(done.stdout.strip(), lab.workspace)


def another_job(run: Run) -> str:
    """Submit another job of a run, as its supervisor does, and return the line of jobs.jsonl that records it."""
    was = json.loads(Path(run.layout.jobs).read_text().splitlines()[-1])
    number = call("sbatch", "--parsable", "--hold", run.layout.script)
    return json.dumps({**was, "ref": {**was["ref"], "job_id": number.strip()}, "why": "restart"}) + "\n"


def in_another_job(run: Run) -> None:
    """Have a run continue in another job, without telling the runs that follow the old job."""
    line = another_job(run)
    with Path(run.layout.jobs).open("a") as file:
        file.write(line)


def test_a_run_that_follows_others(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lab.submit(HELLO, sbatch={"hold": True})
    was = get_job(first)

    def just_before(submission: Submission) -> RunLayout:
        in_another_job(first)
        return submit(submission)

    with monkeypatch.context() as patched:
        patched.setattr("slurmtf.experiments.experiment.submit", just_before)
        second = lab.submit(HELLO, after=[first])
    assert get_job(first) != was
    call("scancel", was)
    third = submit_after(lab, FAILS, f"{second.id}:any", "last")
    last = submit_after(lab, HELLO, f"{third.id}:notok")
    assert read_facts(get_job(second))["Dependency"].startswith(f"afterok:{get_job(first)}")
    assert lab.data("why", last.id)["waiting"]["after"] == [third.id]
    call("scontrol", "release", get_job(first))
    states = wait_until_ended(first, second, third, last)
    assert [state.status for state in states] == [
        RunStatus.COMPLETED, RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.COMPLETED,
    ]  # fmt: skip
    starts = [state.started or 0 for state in states]
    assert starts == sorted(starts)


@pytest.mark.parametrize(("then", "command"), [("kill -9 $PPID", "ls"), ("", "status")])
def test_a_client_that_is_killed_before_its_second_look(
    lab: Lab, slurm: Cluster, tmp_path: Path, then: str, command: str
) -> None:
    first = lab.submit(HELLO, sbatch={"hold": True})
    was, line = get_job(first), tmp_path / "line"
    line.write_text(another_job(first))
    real, jobs = slurm.directory / "bin", shlex.quote(first.layout.jobs)
    write_program(tmp_path / "bin/sbatch", SBATCH.format(more=line, jobs=jobs, real=real / "sbatch", then=then))
    write_program(tmp_path / "bin/scontrol", SCONTROL.format(real=real / "scontrol"))
    argv = ["submit", str(lab.source(HELLO) / "train.py"), "-s", "slurm", "-x", "lab", "--after", first.id]
    done = lab.slurmtf(*argv, env={"PATH": prepend_to_path(tmp_path / "bin")})
    assert done.returncode == -signal.SIGKILL, done.stderr
    (second,) = (run for run in Experiment("lab", lab.workspace).get_runs() if run.id != first.id)
    lab.data(*([command] if command == "ls" else [command, second.id]))
    assert get_job(first) != was
    assert read_facts(get_job(second))["Dependency"].startswith(f"afterok:{get_job(first)}")
    call("scancel", was)
    call("scontrol", "release", get_job(first))
    states = wait_until_ended(first, second)
    assert [state.status for state in states] == [RunStatus.COMPLETED] * 2
    assert call("squeue", "--noheader", "--states=all", "--format=%i|%Z").count(f"|{second.folder}") == 1
    assert not Path(second.layout.follows).exists()


def test_a_run_that_can_no_longer_follow_is_canceled(lab: Lab) -> None:
    held = lab.submit(FAILS, sbatch={"hold": True})
    follower = submit_after(lab, HELLO, held.id)
    call("scontrol", "release", get_job(held))
    wait_until_ended(held)
    (state,) = wait_until_ended(follower)
    assert (state.status, state.cause) == (RunStatus.CANCELED, Cause.DEPENDENCY)
    assert held.id in state.message
    death = lab.data("why", follower.id)["death"]
    assert (death["class"], death["after"]) == ("dependency", [held.id])
    assert death["command"] == f"slurmtf rerun {held.id} && slurmtf rerun {follower.id} --after last"
    before = sorted(lab.workspace.glob("lab/*"))
    refused = lab.slurmtf(
        "submit", str(lab.source(HELLO) / "train.py"), "-s", "slurm", "-x", "lab", "--after", held.id, "--json"
    )
    assert [one["code"] for one in findings(refused)] == ["never-starts"]
    assert sorted(lab.workspace.glob("lab/*")) == before
