"""Correct the command that submits a failed run again. Pure."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from slurmtf.diagnosis.explanation import Explanation
from slurmtf.diagnosis.kinds import Kind
from slurmtf.estimator.quantities import format_slurm_time
from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.plan.model import Resources
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.spelling import parse_values

MORE_MEMORY, MORE_TIME = 1.5, 2
MOST_AT_ONCE = 16
"""An array larger than this many times the requested memory is a mistake in its shape, not what the script needs."""
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
ALLOCATION = re.compile(rf"Unable to allocate (\d+\.?\d*) ({'|'.join(UNITS)}) ")
AS_IT_WAS = (Kind.NODE, Kind.PREEMPTED, Kind.REQUEUED, Kind.LOST, Kind.CANCELED)
"""Failures that are not the script's: the run is submitted again unchanged."""
UNLIKE = (Kind.GPU_HARDWARE, Kind.NODE)
"""Failures that may repeat on the same node."""


def correct_command(run_id: str, death: Explanation, settings: Mapping[str, object], asked: Resources) -> str:
    """Return the command that submits a run again with the necessary changes; empty if their values are unknown.

    ``settings`` are the estimator's; ``asked`` is what the job got.
    """
    changes = choose_changes(death, settings, asked)
    if not changes and (death.kind not in AS_IT_WAS or (death.kind is Kind.CANCELED and death.evidence)):
        return ""
    words = ["slurmtf", "rerun", run_id]
    for name, value in changes.items():
        words += ["--with", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(words)


class FollowedRun(NamedTuple):
    """A run that another one follows: how it was required to end, and its current state."""

    run_id: str
    condition: str
    state: RunState

    @property
    def is_in_the_way(self) -> bool:
        """Whether it has ended, but not as required."""
        done = self.state.status is RunStatus.COMPLETED
        return self.state.status.final and self.condition != "any" and done is (self.condition == "notok")


def follow_again(run_id: str, followed: Sequence[FollowedRun]) -> tuple[str, str]:
    """Return what to do about a run whose earlier runs did not end as required, and the command for it.

    If no earlier run is in its way, Slurm judged by a job that one of them had already replaced with another. The command is
    empty if no single command helps: several runs are in the way, or the one that is waited in vain itself.
    """
    wrong = [one for one in followed if one.is_in_the_way]
    waits = [f"{one.run_id}:{one.condition}" for one in followed if not one.state.status.final]
    if followed and not wrong:
        again = ["slurmtf", "rerun", run_id, *(word for name in waits for word in ("--after", name))]
        return "what it was to follow has ended as required, or goes on in another job: submit it again", shlex.join(again)
    remedy = "; ".join(f"find out why {one.run_id} ended that way: slurmtf why {shlex.quote(one.run_id)}" for one in wrong)
    if len(wrong) != 1 or wrong[0].state.cause is Cause.DEPENDENCY:
        return remedy, ""
    first = [] if wrong[0].condition == "notok" else ["slurmtf", "rerun", wrong[0].run_id]
    then = ["slurmtf", "rerun", run_id]
    for name in (["last"] if first else []) + waits:
        then += ["--after", name]
    return f"{remedy}; when that is fixed, submit {'both' if first else 'it'} again", " && ".join(
        map(shlex.join, filter(None, (first, then)))
    )


def choose_changes(death: Explanation, settings: Mapping[str, object], asked: Resources) -> dict[str, object]:
    """Return the settings to change, with their values."""
    if death.kind is Kind.HOST_MEMORY and asked.memory_mb:
        return _increase_memory(asked.memory_mb, max((_read_wanted_mb(one.text) for one in death.evidence), default=0.0))
    if death.kind is Kind.TIME_LIMIT and asked.time_s:
        return {"time": format_slurm_time(asked.time_s * MORE_TIME)}
    if death.kind in UNLIKE and death.host:
        given = _as_dict(settings.get("sbatch"))
        nodes = [node for node in (given.get("exclude"), death.host) if node]
        return {"sbatch": {**given, "exclude": ",".join(nodes)}}
    return _choose_settings(death.remedy, settings)


def _increase_memory(asked_mb: int, wanted_mb: float) -> dict[str, object]:
    """Return the memory to request, including what the script wanted at once; empty if that is so much that it is a mistake."""
    enough = max(asked_mb * MORE_MEMORY, asked_mb + wanted_mb)
    return {"memory": f"{math.ceil(enough / 1024)}G"} if wanted_mb <= asked_mb * MOST_AT_ONCE else {}


def _read_wanted_mb(text: str) -> float:
    """Return the size in MiB that numpy's message says could not be allocated; 0 if the text has no such message."""
    found = ALLOCATION.search(text)
    return float(found[1]) * 1024.0 ** (UNITS.index(found[2]) - UNITS.index("MiB")) if found else 0.0


def _choose_settings(remedy: str, settings: Mapping[str, object]) -> dict[str, object]:
    """Return the first setting in a remedy that has a value and that the run did not already have; empty if none."""
    for name, key, value in parse_values(remedy):
        given = _as_dict(settings.get(name)).get(key) if key else settings.get(name)
        if "..." in value or "/path" in value or value in (given, json.dumps(given)):
            continue
        return {name: {**_as_dict(settings.get(name)), key: value}} if key else {name: value}
    return {}


def _as_dict(value: object) -> JsonObject:
    return dict(value) if isinstance(value, Mapping) else {}
