"""What follows a job in Slurm: the same job again or another one; and nothing if the run is canceled meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from slurmtf.job.contract import life
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.plan import Distribution, JobPlan, Run, Size
from slurmtf.job.supervisor.restart import Decision, Possible
from slurmtf.job.supervisor.slurm_job import SlurmJob
from slurmtf.job.supervisor.successor import Successor

PLAN = JobPlan(Run("x-1", "x"), "slurm", Distribution((("main", 1),)), Size(tasks=1), "srun")
LISTED = "JobId=7 JobState={state} Requeue={requeue} Restarts=0 Partition=gpu"


class Slurm:
    """Slurm's commands, which record their arguments."""

    def __init__(self, folder: Path) -> None:
        self._bin, self._calls = folder / "bin", folder / "calls"
        self.layout = RunLayout(str(folder / "run"))
        for path in (self._bin, Path(self.layout.folder)):
            path.mkdir()
        self.says(state="RUNNING", requeue=1)
        for name, text in {"sbatch": "echo 8", "scancel": "true", "squeue": "true"}.items():
            self.program(name, text)

    def says(self, state: str, requeue: int, refuses: bool = False) -> None:
        """Set Slurm's answers; ``refuses``: it refuses a requeue."""
        listed = LISTED.format(state=state, requeue=requeue)
        self.program("scontrol", f'case $1 in requeue) exit {int(refuses)};; esac; echo "{listed}"')

    def program(self, name: str, text: str) -> None:
        (self._bin / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{self._calls}\n{text}\n')
        (self._bin / name).chmod(0o755)

    def successor(self) -> Successor:
        return Successor(PLAN, self.layout, "7", self.job())

    def job(self, **environ: str) -> SlurmJob:
        return SlurmJob({"PATH": f"{self._bin}:/usr/bin:/bin", "SLURM_JOB_ID": "7", **environ})

    def calls(self, name: str) -> list[str]:
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [line for line in lines if line.split()[0] == name]

    def cancel_run(self) -> None:
        Path(self.layout.cancel_mark).write_text("7\n")

    @property
    def jobs(self) -> list[str]:
        path = Path(self.layout.jobs)
        return [json.loads(line)["ref"]["job_id"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    return Slurm(tmp_path)


def test_a_successor_gets_no_variable_of_this_job(slurm: Slurm) -> None:
    slurm.program("sbatch", 'test -z "$SLURM_JOB_ID$SLURMTF_ALLOCATION" && echo 8')
    assert slurm.job(SLURMTF_ALLOCATION="a1").resubmit("job.sh", {}, (), 0).text == "8"


def by_what_is_possible(possible: Possible) -> Decision:
    how = life.REQUEUE if possible.requeue else life.RESUBMIT if possible.resubmit else life.END
    return Decision(how, "node-failure", exclude=("n1",))


@pytest.mark.parametrize(
    ("requeue", "refuses", "how", "job", "is_itself"),
    [
        (1, False, life.REQUEUE, "", True),
        (0, False, life.RESUBMIT, "8", False),
        (1, True, life.RESUBMIT, "8", False),  # Slurm refuses what it reported as possible
    ],
)
def test_a_job_is_requeued_or_resubmitted(
    slurm: Slurm, requeue: int, refuses: bool, how: str, job: str, is_itself: bool
) -> None:
    slurm.says("RUNNING", requeue, refuses)
    successor = slurm.successor()
    decision = successor.arrange(by_what_is_possible, killed=False)
    assert decision
    assert (decision.how, successor.job, successor.is_itself, successor.is_open) == (how, job, is_itself, False)
    assert slurm.jobs == ([job] if job else [])


def test_a_job_killed_by_slurm_is_resubmitted(slurm: Slurm) -> None:
    decision = slurm.successor().arrange(by_what_is_possible, killed=True)
    assert decision
    assert decision.how == life.RESUBMIT


def test_no_node_is_excluded_if_no_other_node_is_left(slurm: Slurm) -> None:
    slurm.says("RUNNING", 0)
    slurm.program("sbatch", 'case "$*" in *--exclude*) echo "node configuration not available" >&2; exit 1;; esac; echo 9')
    decision = slurm.successor().arrange(by_what_is_possible, killed=False)
    assert decision
    assert (decision.how, decision.exclude, slurm.jobs) == (life.RESUBMIT, (), ["9"])


def test_the_run_ends_if_no_job_can_be_submitted(slurm: Slurm) -> None:
    slurm.says("RUNNING", 0)
    slurm.program("sbatch", 'echo "QOS limit" >&2; exit 1')
    decision = slurm.successor().arrange(by_what_is_possible, killed=False)
    assert decision
    assert (decision.how, decision.why, slurm.jobs) == (life.END, life.NOT_POSSIBLE, [])


def canceled_before(slurm: Slurm) -> None:
    slurm.cancel_run()


def canceled_by_scancel(slurm: Slurm) -> None:
    slurm.says("CANCELLED", 1)


@pytest.mark.parametrize("cancel", [canceled_before, canceled_by_scancel])
def test_nothing_follows_a_canceled_run(slurm: Slurm, cancel: Callable[[Slurm], None]) -> None:
    cancel(slurm)
    successor = slurm.successor()
    assert successor.arrange(by_what_is_possible, killed=False) is None
    assert (slurm.calls("sbatch"), slurm.jobs, successor.is_itself) == ([], [], False)


@pytest.mark.parametrize(("requeue", "withdrawn"), [(0, "scancel 8"), (1, "scancel 7")])
def test_a_job_arranged_during_a_cancellation_is_withdrawn(slurm: Slurm, requeue: int, withdrawn: str) -> None:
    """The cancellation came before the new job existed, so it did not include it."""
    slurm.says("RUNNING", requeue)

    def decide(possible: Possible) -> Decision:
        slurm.cancel_run()
        return by_what_is_possible(possible)

    successor = slurm.successor()
    assert successor.arrange(decide, killed=False) is None
    assert slurm.calls("scancel") == [withdrawn]
    assert (successor.job, successor.is_itself) == ("", False)


def test_an_unneeded_job_is_canceled_and_the_run_keeps_its_old_job(slurm: Slurm) -> None:
    slurm.says("RUNNING", 0)
    successor = slurm.successor()
    successor.arrange(by_what_is_possible, killed=False)
    successor.call_off()
    assert (slurm.jobs, slurm.calls("scancel")) == (["8", "7"], ["scancel 8"])
