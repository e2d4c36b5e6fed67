"""200 trials on a cluster where everything fails that can fail: each is done exactly once."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from slurmtf import Experiment, RandomParameterSampling, RunStatus, Sweep, TensorFlow, uniform
from slurmtf.job.contract.sweep.records import COMPLETED, SweepLayout
from slurmtf.tune.run import SweepRun
from tests.cluster import Cluster
from tests.patience import until

from .support import Lab, call

pytestmark = pytest.mark.slurm

TRIALS, ELEMENTS, AT_ONCE = 200, 12, 8

QUICK = """
import argparse, time
from slurmtf import Run
parser = argparse.ArgumentParser()
parser.add_argument("--x", type=float)
Run.get_context().log("score", parser.parse_args().x)
time.sleep(0.3)
"""


def submitted(lab: Lab) -> SweepRun:
    estimator = TensorFlow(
        lab.source(QUICK), compute_target=lab.target, partition="low", cpus_per_task=3, sbatch={"requeue": True}, time=10
    )
    sampling = RandomParameterSampling({"x": uniform(0, 1)}, seed=1)
    sweep = Sweep(estimator, sampling, "score", "maximize", TRIALS, AT_ONCE, elements=ELEMENTS)
    return Experiment("proof", lab.workspace).submit(sweep)  # type: ignore[return-value]


def events(run: SweepRun) -> Iterator[dict[str, Any]]:
    for path in Path(SweepLayout(str(run.folder)).elements).glob("*.jsonl"):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def results(run: SweepRun) -> int:
    return len(list(Path(SweepLayout(str(run.folder)).results).glob("[0-9]*.json")))


def at_work(run: SweepRun) -> list[str]:
    """Return the running jobs that hold a trial without a result."""
    files, running = SweepLayout(str(run.folder)), nodes()
    open_ones = [path for path in Path(files.leases).glob("[0-9]*") if not Path(files.result(int(path.stem))).exists()]
    return [job for job in {json.loads(path.read_text())["job"] for path in open_ones} if job in running]


def nodes() -> dict[str, str]:
    """Return the node of each running job."""
    lines = call("squeue", "--me", "--noheader", "--array", "--states=RUNNING", "--format=%i %N").splitlines()
    return dict(line.split() for line in lines)


def at_once(find: Callable[[], Any]) -> Any:
    """Wait until something is found, and return it: there may be moments when no job is at work."""
    return until(find, "a trial that runs")


class Troubles:
    """What is done to the sweep. It doesn't matter if a job ends just before it is hit."""

    def __init__(self, run: SweepRun, slurm: Cluster) -> None:
        self._run = run
        self._slurm = slurm
        self.killed: set[str] = set()

    def kill(self) -> None:
        for job in self._busy()[:2]:
            self._slurm.run("scancel", "--batch", "--signal=KILL", job)  # the batch script becomes the supervisor
            self.killed.add(job)

    def requeue(self) -> None:
        for job in self._busy()[:2]:
            self._slurm.run("scontrol", "requeue", job)

    def _busy(self) -> list[str]:
        return at_once(lambda: at_work(self._run))  # type: ignore[no-any-return]

    def preempt(self) -> None:
        node = Counter(at_once(nodes).values()).most_common(1)[0][0]
        call("sbatch", "--partition=high", "--exclusive", f"--nodelist={node}", "--output=/dev/null", "--wrap=sleep 2")

    def cut(self) -> None:
        node = at_once(lambda: nodes().get(self._busy()[0]))
        self._slurm.kill_node(node)
        self._slurm.start_node(node)

    def restart(self) -> None:
        """Restart slurmctld after it has saved its state: it would forget jobs submitted since, which is not tested here."""
        since = time.time()
        call("scontrol", "update", f"JobId={self._busy()[0].partition('_')[0]}", "Comment=known")
        self._slurm.wait_until_saved(since)
        self._slurm.restart_controller()


TROUBLES: list[tuple[int, Callable[[Troubles], None]]] = [
    (10, Troubles.restart), (30, Troubles.kill), (45, Troubles.requeue), (60, Troubles.preempt), (80, Troubles.cut),
    (120, Troubles.kill), (140, Troubles.preempt),
]  # fmt: skip
"""How many trials are done, and what happens then. The restart comes first: soon after the others, slurmctld would come back
with an
older state, and take dead jobs for running until it has asked their nodes, which takes two minutes."""


def test_two_hundred_trials_are_done_exactly_once(lab: Lab, slurm: Cluster) -> None:
    run = submitted(lab)
    troubles = Troubles(run, slurm)
    for count, trouble in TROUBLES:
        until(lambda count=count: results(run) >= count, f"the end of {count} trials")  # type: ignore[misc]
        trouble(troubles)
    until(lambda: run.state.status.final, f"the end of {run.id}")

    assert run.state.status is RunStatus.COMPLETED, run.state.message
    done = [trial.result for trial in run.facts.trials if trial.result]
    assert [(result.trial, result.status) for result in done] == [(number, COMPLETED) for number in range(TRIALS)]
    recorded = list(events(run))
    ends = Counter(event["trial"] for event in recorded if event["kind"] == "ended")
    assert set(ends.values()) == {1}
    assert len(ends) >= TRIALS - len(troubles.killed)  # an element that is killed after the result can't record the end
    again = [event for event in recorded if event["kind"] == "took" and event.get("attempt")]
    assert len(again) >= len(TROUBLES) - 2, "hardly any trial was started again: nothing was proved"
