"""A point of a Bayesian sweep: proposed by any Python that has Optuna, or drawn at random, with the reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from slurmtf.job.contract.sweep.leases import Owner
from slurmtf.job.contract.sweep.ledger import Ledger
from slurmtf.job.contract.sweep.records import EarlierTrial, Point, Result, Settings, SweepLayout
from slurmtf.job.sweep import asking
from slurmtf.job.sweep.asking import Asker
from tests.patience import until

PROPOSES = """
import json, os, sys, time
first, known = json.loads(sys.stdin.readline()), {}
for line in sys.stdin:
    question = json.loads(line)
    known.update({trial["number"]: trial["value"] for trial in question["trials"]})
    facts = {"ended": sum(filter(None, known.values())), "known": len(known), "new": len(question["trials"])}
    print(json.dumps({"values": dict(facts, pid=os.getpid())}), flush=True)
"""
ONCE = """
import os, sys, time
if not os.path.exists(__file__ + ".was-here"):
    open(__file__ + ".was-here", "w")
    """
Asks = Callable[..., Asker]


@pytest.fixture
def asks(tmp_path: Path) -> Iterator[Asks]:
    """Returns an asker that gets the points of a sweep of four trials from this program."""
    started: list[Asker] = []

    def start(program: str, python: str = sys.executable, points: tuple[Point, ...] = (), earlier: str = "") -> Asker:
        layout = SweepLayout(str(tmp_path / "run"))
        Path(layout.folder).mkdir(parents=True)
        settings = Settings("bayesian", 1, "score", asker=python, total=4)
        Path(layout.settings).write_text(json.dumps({**settings.to_dict(), "space": {"lr": ["uniform", [0, 1]]}}))
        drawn = [*points, *(Point({"lr": n / 10}, "random") for n in range(len(points), 4))]
        Path(layout.points).write_text("".join(json.dumps(point._asdict()) + "\n" for point in drawn))
        Path(layout.ask).write_text(program)
        if earlier:
            Path(layout.earlier).write_text(earlier)
        ledger = Ledger(layout)
        ledger.join(Owner("a", "a"), 1.0)
        started.append(Asker(ledger, os.environ))
        return started[-1]

    yield start
    for asker in started:
        asker.close()


def take(asker: Asker, trial: int, best: float | None = None) -> Point:
    """Start a trial at the proposed point; if a best value is given, end it."""
    ledger = asker._ledger
    ledger.leases.claim(trial, 0)
    point = asker.ask(trial)
    ledger.points.propose(trial, point)
    if best is not None:
        ledger.finish(Result(trial, "Completed", best=best))
    return point


def facts(point: Point) -> tuple[float, int, int]:
    assert point.by == "bayesian", point.note
    return point.values["ended"], point.values["known"], point.values["new"]


def test_points_follow_from_earlier_results_and_each_result_is_sent_once(asks: Asks) -> None:
    asker = asks(PROPOSES, earlier=json.dumps(EarlierTrial({"lr": 0.5}, (1.0,), 1.0)._asdict()) + "\n")
    assert facts(take(asker, 0)) == (1.0, 1, 1)
    assert facts(take(asker, 1, best=0.25)) == (1.0, 2, 1)
    assert facts(take(asker, 2)) == (1.25, 3, 1)  # the first one is still running
    asker._ledger.finish(Result(0, "Failed", best=float("nan")))
    assert facts(take(asker, 3)) == (1.25, 4, 2)


def test_a_trial_without_a_point_is_sent_later_and_a_resumed_one_keeps_its_point(asks: Asks) -> None:
    asker = asks(PROPOSES, points=(Point({"lr": 0.9}, "resumed", resumes="/earlier/outputs"),))
    ledger = asker._ledger
    ledger.leases.claim(0, 0)
    ledger.leases.claim(1, 0)
    assert (ledger.points.is_fixed(0), ledger.points.is_fixed(1)) == (True, False)
    assert facts(take(asker, 2)) == (0, 1, 1)
    ledger.points.propose(1, Point({"lr": 0.3}, "bayesian"))
    assert facts(take(asker, 3)) == (0, 3, 2)


@pytest.mark.parametrize(
    ("python", "program", "why"),
    [
        ("", PROPOSES, "no Optuna at submission"),
        ("/nowhere/python", PROPOSES, "No such file"),
        (sys.executable, "raise SystemExit('no module named optuna')", "no module named optuna"),
        (sys.executable, "print('hello')", "could not be asked"),
        (sys.executable, "import sys\nfor line in sys.stdin: print(1, flush=True)", "could not be asked"),
    ],
)
def test_a_random_point_is_used_instead_with_the_reason(asks: Asks, python: str, program: str, why: str) -> None:
    asker = asks(program, python)
    for trial in (2, 3):
        point = asker.ask(trial)
        assert (point.values, point.by) == ({"lr": trial / 10}, "random")
        assert why in point.note


@pytest.mark.parametrize(
    "program",
    [
        ONCE + "sys.exit('at its start')" + PROPOSES,
        ONCE + "sys.stdin.readline(); sys.exit('before it is asked')" + PROPOSES,
        ONCE + "sys.stdin.readline(); sys.stdin.readline(); sys.exit('when it is asked')" + PROPOSES,
        ONCE
        + "sys.stdin.readline(); sys.stdin.readline(); print('{\"val', end='', flush=True); sys.exit('halfway')"
        + PROPOSES,
    ],
)
def test_a_dead_proposer_is_started_again(asks: Asks, program: str) -> None:
    assert facts(take(asks(program), 0)) == (0, 0, 0)


def test_a_proposer_killed_between_questions_gets_all_results_again(asks: Asks) -> None:
    asker = asks(PROPOSES)
    first = take(asker, 0, best=0.5).values["pid"]
    take(asker, 1, best=0.25)
    os.kill(first, signal.SIGKILL)
    point = take(asker, 2)
    assert facts(point) == (0.75, 2, 2)
    assert point.values["pid"] != first


def test_a_silent_proposer_is_replaced_for_the_next_question(asks: Asks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "TIMEOUT_S", 0.2)
    asker = asks(ONCE + "time.sleep(3600)" + PROPOSES)
    until(Path(asker._ledger.layout.ask + ".was-here").exists, "its start")
    point = take(asker, 0)
    assert (point.by, point.note.endswith("timed out")) == ("random", True)
    monkeypatch.setattr(asking, "TIMEOUT_S", 60.0)
    assert facts(take(asker, 1)) == (0, 1, 1)


STAYS = """
import os, sys, time
from slurmtf.job.common.process import Child
from slurmtf.job.contract.sweep.ledger import Ledger
from slurmtf.job.contract.sweep.records import SweepLayout
from slurmtf.job.sweep.asking import Asker
asker = Asker(Ledger(SweepLayout(sys.argv[1])), os.environ)
first = asker.ask(0).values["pid"]
launch = Child(["true"], ".", dict(os.environ))
while launch.poll() is None:
    time.sleep(0.01)
print(first, asker.ask(1).values["pid"])
asker.close()
"""


def test_the_proposer_outlives_a_launch(asks: Asks) -> None:
    """Runs in its own process: the end of a launch ends all children, including the test Slurm."""
    folder = Path(asks(PROPOSES)._ledger.layout.folder).parent
    done = subprocess.run([sys.executable, "-c", STAYS, folder], stdout=subprocess.PIPE, text=True, check=True)
    first, second = done.stdout.split()
    assert first == second


DIES = """
import os, sys
from slurmtf.job.contract.sweep.ledger import Ledger
from slurmtf.job.contract.sweep.records import SweepLayout
from slurmtf.job.sweep.asking import Asker
print(Asker(Ledger(SweepLayout(sys.argv[1])), os.environ).ask(0).values["pid"], flush=True)
os.kill(os.getpid(), 9)
"""


def test_the_proposer_dies_with_its_element(asks: Asks) -> None:
    folder = Path(asks(PROPOSES)._ledger.layout.folder).parent
    died = subprocess.run([sys.executable, "-c", DIES, folder], stdout=subprocess.PIPE, text=True, check=False)
    helper = int(died.stdout)
    until(lambda: not Path(f"/proc/{helper}/exe").exists(), "the helper's end")
