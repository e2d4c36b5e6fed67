"""A point of a Bayesian sweep: proposed by whatever Python has Optuna, or drawn, with the reason."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from slurmtf.job.contract.ledger import Ledger, Owner
from slurmtf.job.contract.sweep import Point, Result, Settings, SweepLayout
from slurmtf.job.supervisor.asking import ask

PROPOSES = """
import json, sys
question = json.load(sys.stdin)
ended = [trial["value"] for trial in question["trials"] if not trial["runs"]]
print(json.dumps({"values": {"lr": sum(ended), "n": len(question["trials"])}}))
"""


def ledger_at(folder: Path, asker: str, program: str) -> Ledger:
    layout = SweepLayout(str(folder))
    Path(layout.folder).mkdir()
    settings = Settings("bayesian", 1, "score", asker=asker, total=4)
    Path(layout.settings).write_text(json.dumps({**settings.to_dict(), "space": {"lr": ["uniform", [0, 1]]}}))
    Path(layout.points).write_text("".join(json.dumps(Point({"lr": n / 10}, "random")._asdict()) + "\n" for n in range(4)))
    Path(layout.ask).write_text(program)
    ledger = Ledger(layout)
    ledger.join(Owner("a", "a"), 1.0)
    return ledger


def test_a_point_is_proposed_from_what_the_others_reached(tmp_path: Path) -> None:
    ledger = ledger_at(tmp_path, sys.executable, PROPOSES)
    for trial in range(3):
        ledger.claim(trial, 0)
    ledger.finish(Result(0, "Completed", best=0.25))
    ledger.finish(Result(1, "Completed", best=0.5))
    assert ask(ledger, 3, os.environ) == Point({"lr": 0.75, "n": 3}, "bayesian")


@pytest.mark.parametrize(
    ("asker", "program", "why"),
    [
        ("", PROPOSES, "no Optuna at submission"),
        ("/nowhere/python", PROPOSES, "No such file"),
        (sys.executable, "raise SystemExit('no module named optuna')", "no module named optuna"),
        (sys.executable, "print('hello')", "could not be asked"),
    ],
)
def test_a_drawn_point_takes_its_place_and_says_why(tmp_path: Path, asker: str, program: str, why: str) -> None:
    point = ask(ledger_at(tmp_path, asker, program), 2, os.environ)
    assert (point.values, point.by) == ({"lr": 0.2}, "random")
    assert why in point.note
