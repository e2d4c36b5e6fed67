"""The logs of many tasks as one."""

from __future__ import annotations

import pytest

from slurmtf import ParameterServer, Run, RunStatus
from tests.system.slurm.support import findings

from .support import Faults, end_of

# Each task speaks after the one before has, and once the logs' clock has recorded that.
TALK = """
def noted():
    clock = pathlib.Path("logs", f".{label}.clock")
    sizes = [str(os.path.getsize(f"logs/{label}.{end}")) for end in ("out", "err")]
    return clock.exists() and clock.read_text().split()[-2:] == sizes
def say(turn, text, end="\\n"):
    outputs = pathlib.Path("outputs")
    while turn and not (outputs / f"turn-{turn - 1}").exists():
        time.sleep(0.05)
    print(text, end=end, flush=True)
    while not noted():
        time.sleep(0.05)
    (outputs / f"turn-{turn}").touch()
"""
ACTS = {
    "ps-0": f"{TALK}\nsay(1, 'second')\nsay(4, 'cut short', end='')\nstay()",
    "worker-0": f"{TALK}\nsay(0, 'first')\nsay(3, 'fourth')\nstay()",
    "worker-1": f"{TALK}\nsay(2, 'third')\nsay(5, 'cut too', end='')\nos.kill(os.getpid(), signal.SIGKILL)",
}
WHOLE = ["worker-0 | first", "ps-0 | second", "worker-1 | third", "worker-0 | fourth"]


@pytest.fixture(scope="module")
def run(here: Faults) -> Run:
    made = here.submit(ParameterServer(2, 1, layout="original"), ACTS)
    assert end_of(made).status is RunStatus.FAILED
    return made


def lines(here: Faults, run: Run, *options: str) -> list[str]:
    done = here.lab.slurmtf("logs", str(run.folder), *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_logs_are_merged_in_time_order_without_loss(here: Faults, run: Run) -> None:
    found = lines(here, run)
    assert found[:4] == WHOLE
    assert sorted(found[4:]) == ["ps-0 | cut short", "worker-1 | cut too"]


def test_logs_of_one_role_are_shown(here: Faults, run: Run) -> None:
    assert lines(here, run, "--role", "worker") == [WHOLE[0], WHOLE[2], WHOLE[3], "worker-1 | cut too"]
    assert lines(here, run, "--role", "worker-0") == ["first", "fourth"]


@pytest.mark.parametrize(
    ("rank", "expected"), [(0, ["second", "cut short"]), (1, ["first", "fourth"]), (2, ["third", "cut too"])]
)
def test_logs_of_one_rank_are_shown(rank: int, expected: list[str], here: Faults, run: Run) -> None:
    assert lines(here, run, "--rank", str(rank)) == expected


def test_a_rank_that_does_not_exist_is_refused(here: Faults, run: Run) -> None:
    (finding,) = findings(here.lab.slurmtf("logs", str(run.folder), "--rank", "3", "--json"))
    assert finding["code"] == "unknown-rank"
