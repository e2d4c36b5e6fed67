"""Commands shown for pasting: anyone who can write to a workspace may give a run's folder any name."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import slurmtf
from slurmtf.diagnosis.correcting import FollowedRun, follow_again
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.runs.folder import RunFolder
from slurmtf.runs.states.state import RunState, RunStatus

FILES = sorted(Path(slurmtf.__file__).parent.rglob("*.py"))
BARE = re.compile(r"slurmtf (?:sweep )?[a-z]+ [^\"\n]*\{[\w.]*(?:\.id|run_id)\}")
"""A command with a run's name in it, as it is."""
NAMES = ["x;touch y", "x $(touch y)", "x'y", "x\ny"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_quoted_as_one_word_of_a_command(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "plan.json").write_text("{}")
    assert shlex.split(f"slurmtf why {RunFolder(tmp_path / name).word}")[2:] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_also_quoted_if_a_run_followed_another(name: str) -> None:
    died = RunState(RunStatus.FAILED, outcome=Outcome(Cause.SCRIPT))
    remedy, command = follow_again(name, [FollowedRun(name, "ok", died)])
    assert name in shlex.split(remedy.rpartition("slurmtf why")[2].partition(" ended")[0].partition("; when")[0])
    assert shlex.split(command) == ["slurmtf", "rerun", name, "&&", "slurmtf", "rerun", name, "--after", "last"]


def test_no_shown_command_has_an_unquoted_name() -> None:
    found = {path.name: BARE.findall(path.read_text(encoding="utf-8")) for path in FILES}
    assert {name: commands for name, commands in found.items() if commands} == {}
    assert BARE.search('f"slurmtf logs -f {run.id}"')
