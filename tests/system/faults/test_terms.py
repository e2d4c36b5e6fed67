"""A script gets TERM only once, whoever ends the run, although Slurm sends TERM to all processes of a job, too."""

from __future__ import annotations

import pytest

from slurmtf import ParameterServer, Run
from tests.patience import until

from .support import Faults, end_of, planned, wait_for_process, wait_for_scripts

pytestmark = pytest.mark.slurm

# Counts its TERMs, and ends some seconds after the first one: Slurm's own TERM would come earlier than that.
COUNT = """
terms = pathlib.Path("outputs", label + ".terms")

def count(number, frame):
    with terms.open("a") as file:
        print(time.time(), file=file)

signal.signal(signal.SIGTERM, count)
here()
while not terms.exists():
    time.sleep(0.05)
time.sleep({})
"""
SECONDS = {"cancel": 3, "supervisor": 3, "agent": 3, "launcher": 8, "failure": 8, "success": 8}
"""How long a script lives after its first TERM; Slurm kills 10 s after its own TERM here (KillWait)."""
KILLED = ("supervisor", "launcher")
"""When srun is killed, Slurm kills its step at once. A script may then get no TERM, or two from Slurm at the same moment, for
the
step and for the job. A second TERM of slurmtf's would come five seconds later."""
AT_ONCE_S = 2.5
OTHERS = "wait_for('ps-0', 'worker-1')"
FIRST = {"failure": f"{OTHERS}; work(3)", "success": f"{OTHERS}; work()"}


def end(how: str, run: Run) -> None:
    wait_for_scripts(run, "ps-0", "worker-1", *(() if how in FIRST else ("worker-0",)))
    rank = next(role.rank for role in planned(run) if role.label == "worker-0")
    if how == "cancel":
        run.cancel()
    elif how not in FIRST:
        mode = {"supervisor": "supervise", "agent": "task", "launcher": "srun"}[how]
        wait_for_process(run, mode, rank if how == "agent" else None).kill()


@pytest.fixture(scope="module")
def runs(faults: Faults) -> dict[str, Run]:
    distribution = ParameterServer(2, 1, layout="original", straggler_grace_s=0)
    started = {}
    for how, seconds in SECONDS.items():
        counting = COUNT.format(seconds)
        acts = {"ps": counting, "worker": counting, "worker-0": FIRST.get(how, counting)}
        started[how] = faults.submit(distribution, acts, node_count=2)
    for how, run in started.items():
        end(how, run)
    return started


@pytest.mark.parametrize("how", SECONDS)
def test_a_script_gets_term_only_once(how: str, runs: dict[str, Run]) -> None:
    run = runs[how]
    end_of(run)
    for label in ("ps-0", "worker-1"):
        terms = run.folder / "outputs" / f"{label}.terms"
        if how not in KILLED:
            until(terms.exists, f"{label} was asked to end")
        asked = [float(line) for line in terms.read_text().split()] if terms.exists() else []
        assert len(asked) == 1 or (how in KILLED and (not asked or asked[-1] - asked[0] < AT_ONCE_S)), (label, asked)
