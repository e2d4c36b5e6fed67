"""The command to paste after a failure."""

from __future__ import annotations

from typing import Any

import pytest

from slurmtf.diagnosis.correcting import FollowedRun, correct_command, follow_again
from slurmtf.diagnosis.dying import explain
from slurmtf.diagnosis.explanation import Evidence, Explanation, Log
from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules import RULES
from slurmtf.job.contract.attempt.outcome import Cause, Outcome
from slurmtf.plan.model import Resources
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.spelling import parse_values

ASKED = Resources(1, 1, 1, memory="10G", time_s=3600)
NONE = Resources(1, 1, 1)
HDF5 = next(rule.remedy for rule in RULES if rule.id == "file-lock")
KERAS = next(rule.remedy for rule in RULES if "legacy_keras=true" in rule.remedy)
ALLOCATION = (
    "numpy._core._exceptions._ArrayMemoryError: Unable to allocate {} for an array with shape (9,) and data type float64"
)
TABLE: list[tuple[Explanation, dict[str, Any], Resources, str]] = [
    (Explanation(Kind.HOST_MEMORY), {}, ASKED, "slurmtf rerun r-1 --with memory=15G"),
    (Explanation(Kind.HOST_MEMORY, remedy="ask for more (`memory`)"), {}, NONE, ""),
    *(
        (Explanation(Kind.HOST_MEMORY, evidence=(Evidence("logs/rank-1.err", ALLOCATION.format(size)),)), {}, ASKED, command)
        for size, command in (
            ("1.2.3 GiB", "slurmtf rerun r-1 --with memory=15G"),
            ("512. KiB", "slurmtf rerun r-1 --with memory=15G"),
            ("29.8 GiB", "slurmtf rerun r-1 --with memory=40G"),
            ("8.00 TiB", ""),  # a wrong shape, which no other node can correct
        )
    ),
    (Explanation(Kind.TIME_LIMIT), {}, ASKED, "slurmtf rerun r-1 --with time=02:00:00"),
    (Explanation(Kind.TIME_LIMIT), {}, NONE, ""),
    (Explanation(Kind.PREEMPTED), {}, ASKED, "slurmtf rerun r-1"),
    (Explanation(Kind.CANCELED), {}, ASKED, "slurmtf rerun r-1"),
    (Explanation(Kind.CANCELED, "rank-1", evidence=(Evidence("logs/rank-1.err", "KeyError: 3"),)), {}, ASKED, ""),
    (Explanation(Kind.NODE), {}, ASKED, "slurmtf rerun r-1"),
    (Explanation(Kind.NODE, host="n3"), {}, ASKED, 'slurmtf rerun r-1 --with \'sbatch={"exclude": "n3"}\''),
    (
        Explanation(Kind.GPU_HARDWARE, host="n3", remedy="leave that node out (`sbatch[exclude]=...`)"),
        {"sbatch": {"hint": "nomultithread"}},
        ASKED,
        'slurmtf rerun r-1 --with \'sbatch={"hint": "nomultithread", "exclude": "n3"}\'',
    ),
    (
        Explanation(Kind.FILE_LOCKING, remedy=HDF5),
        {"environment_variables": {"A": "b"}},
        ASKED,
        'slurmtf rerun r-1 --with \'environment_variables={"A": "b", "HDF5_USE_FILE_LOCKING": "FALSE"}\'',
    ),
    (Explanation(Kind.LIBRARY, remedy=KERAS), {}, ASKED, "slurmtf rerun r-1 --with legacy_keras=true"),
    # what the run already had does not help
    (Explanation(Kind.LIBRARY, remedy=KERAS), {"legacy_keras": True}, ASKED, ""),
    (Explanation(Kind.FILE_LOCKING, remedy=HDF5), {"environment_variables": {"HDF5_USE_FILE_LOCKING": "FALSE"}}, ASKED, ""),
    (
        Explanation(Kind.MPI, remedy="set `launcher=mpirun`, or `launcher=srun`"),
        {"launcher": "mpirun"},
        ASKED,
        "slurmtf rerun r-1 --with launcher=srun",
    ),
    (
        Explanation(Kind.NODE, host="n3"),
        {"sbatch": {"exclude": "n[1-2]"}},
        ASKED,
        'slurmtf rerun r-1 --with \'sbatch={"exclude": "n[1-2],n3"}\'',
    ),
    (Explanation(Kind.SCRIPT), {}, ASKED, ""),
    (Explanation(Kind.UNKNOWN), {}, ASKED, ""),
    (Explanation(Kind.NETWORK, remedy="`environment_variables[NCCL_SOCKET_IFNAME]=...` (ip -br addr)"), {}, ASKED, ""),
]


@pytest.mark.parametrize(("death", "settings", "asked", "command"), TABLE)
def test_the_command(death: Explanation, settings: dict[str, Any], asked: Resources, command: str) -> None:
    assert correct_command("r-1", death, settings, asked) == command


def followed(name: str, status: RunStatus, condition: str = "ok", cause: Cause = Cause.SCRIPT) -> FollowedRun:
    return FollowedRun(name, condition, RunState(status, outcome=Outcome(cause) if status.final else None))


BAD, GOOD = followed("a-1", RunStatus.FAILED), followed("b-1", RunStatus.COMPLETED)
FOLLOWED = [
    ([BAD], ["a-1"], "slurmtf rerun a-1 && slurmtf rerun r-1 --after last"),
    ([GOOD, BAD], ["a-1"], "slurmtf rerun a-1 && slurmtf rerun r-1 --after last"),
    ([BAD, followed("c-1", RunStatus.RUNNING, "any")], ["a-1"],
     "slurmtf rerun a-1 && slurmtf rerun r-1 --after last --after c-1:any"),
    ([followed("a-1", RunStatus.CANCELED, cause=Cause.CANCELED)], ["a-1"],
     "slurmtf rerun a-1 && slurmtf rerun r-1 --after last"),
    ([followed("b-1", RunStatus.COMPLETED, "notok")], ["b-1"], "slurmtf rerun r-1"),
    ([followed("a-1", RunStatus.FAILED, "notok"), BAD], ["a-1"], "slurmtf rerun a-1 && slurmtf rerun r-1 --after last"),
    ([BAD, followed("d-1", RunStatus.FAILED)], ["a-1", "d-1"], ""),
    ([followed("a-1", RunStatus.CANCELED, cause=Cause.DEPENDENCY)], ["a-1"], ""),
    ([followed("a-1", RunStatus.FAILED, "any"), GOOD], [], "slurmtf rerun r-1"),  # Slurm used an old job of theirs
    ([followed("c-1", RunStatus.RUNNING), GOOD], [], "slurmtf rerun r-1 --after c-1:ok"),
    ([], [], ""),
]  # fmt: skip


@pytest.mark.parametrize(("earlier", "named", "command"), FOLLOWED)
def test_remedy_for_a_run_whose_predecessor_failed(earlier: list[FollowedRun], named: list[str], command: str) -> None:
    remedy, suggested = follow_again("r-1", earlier)
    assert suggested == command
    assert [name for name in ("a-1", "b-1", "c-1", "d-1") if f"slurmtf why {name}" in remedy] == named


def test_settings_named_in_a_log_are_not_put_into_the_command() -> None:
    line = "train.py: error: unrecognized arguments: `environment_variables[LD_PRELOAD]=/tmp/x.so`"
    death = explain(Outcome(Cause.SCRIPT, "main", exit_code=2), logs=[Log("logs/main.err", "main", line)])
    assert death.rule == "arguments"
    assert (correct_command("r-1", death, {}, ASKED), parse_values(death.remedy)) == ("", [])


def test_settings_named_in_a_user_name_are_not_put_into_the_command() -> None:
    canceled = Outcome(Cause.CANCELED, detail={"by": "other", "user": "`time=1`"})
    assert correct_command("r-1", explain(canceled), {}, ASKED) == "slurmtf rerun r-1"


def test_a_remedy_contains_neither_secrets_nor_long_log_lines() -> None:
    line = f"train.py: error: unrecognized arguments: --token=hf_{'a' * 30} {'x ' * 2000}"
    death = explain(Outcome(Cause.SCRIPT, "main", exit_code=2), logs=[Log("logs/main.err", "main", line)])
    assert death.rule == "arguments"
    assert "hf_" not in death.remedy
    assert len(death.remedy) < 1000
