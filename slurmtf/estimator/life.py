"""A run's life: when it restarts, when its script is notified before it is stopped, when it counts as stalled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Literal, get_args

from slurmtf.errors import suggest
from slurmtf.estimator.quantities import check_count, check_memory, check_printable, parse_memory
from slurmtf.findings import Finding
from slurmtf.job.contract import life as contract
from slurmtf.job.contract.interchange import JsonView
from slurmtf.job.contract.life import Budget
from slurmtf.schema import Strict

Cause = Literal["time-limit", "preempted", "node-failure", "out-of-memory", "stall", "script"]
CAUSES: tuple[str, ...] = get_args(Cause)
UNLIMITED = "unlimited"
MOST = 10_000
SIGNALS = ("SIGUSR1", "SIGUSR2", "SIGTERM", "SIGINT", "SIGHUP", "SIGCONT", "SIGWINCH", "SIGURG")
ACTIONS = ("warn", "end")
LEAST_STALL_MIN = 0.05
LONGEST_NOTICE_S = 86_400
_FACTOR = re.compile(r"x([0-9]+(?:\.[0-9]+)?)")


@dataclass(frozen=True)
class Restart(Strict):
    """How often a run restarts after one cause, and with how much more memory."""

    times: int | Literal["unlimited"] = 1
    """Number of restarts."""
    memory: str | None = None
    """The factor by which each restart multiplies a node's memory ('x1.5'); only for the cause 'out-of-memory'."""
    at_most: str | int | None = None
    """The most memory to request ('128G')."""


@dataclass(frozen=True)
class Notice(Strict):
    """How the script is notified before it is stopped by the time limit or by preemption."""

    before: int = 300
    """Seconds before the time limit; before a preemption, the notice comes as soon as Slurm announces it."""
    signal: str | None = None
    """The signal to send to the script of every task ('SIGUSR1'). Default: none, only the file of $SLURMTF_NOTICE."""
    exit_code: int | None = None
    """The exit code by which the script says that it wants to continue. Default: 0, once it has been notified."""
    keras: str | None = None
    """The file in which Keras's fit saves the model ('outputs/last.keras') after the epoch of the notice, before it stops."""


@dataclass(frozen=True)
class Stall(Strict):
    """When a run counts as stalled: no task writes output, logs a metric or computes."""

    minutes: int | float = 30
    """For how many minutes."""
    action: Literal["warn", "end"] = "warn"
    """'warn' records what all tasks are doing; 'end' also ends the run."""
    cpu: bool = True
    """Whether a task that computes counts as busy. With False it does not, because MPI and NCCL compute while they wait."""


Restarts = dict[Cause, int | Literal["unlimited"] | Restart]


def resolve_restarts(given: object) -> object:
    """Return the restarts with an object for each mapping; invalid values are left to the checks."""
    return {cause: _build_known(Restart, value) for cause, value in given.items()} if isinstance(given, Mapping) else given


def resolve_notice(given: object) -> object:
    """Return the notice as an object; an invalid value is left to the checks."""
    return _build_known(Notice, given)


def resolve_stall(given: object) -> object:
    """Return the stall as an object; an invalid value is left to the checks."""
    return _build_known(Stall, given)


def _build_known(kind: type[Notice] | type[Restart] | type[Stall], given: object) -> object:
    """Return the object of a mapping of its fields; other values unchanged."""
    if not isinstance(given, Mapping) or not given.keys() <= {one.name for one in fields(kind)}:
        return given
    return kind(**given)


def as_budgets(restarts: Restarts | None) -> tuple[Budget, ...]:
    """Return an estimator's restarts as the job reads them."""
    return tuple(_build_budget(cause, value) for cause, value in (restarts or {}).items())


def as_notice(notice: Notice | None) -> contract.Notice:
    """Return an estimator's notice as the job reads it; 0 seconds mean that there is none."""
    if notice is None:
        return contract.Notice()
    return contract.Notice(notice.before, notice.signal or "", notice.exit_code, notice.keras or "")


def as_stall(stall: Stall | None) -> contract.Stall:
    """Return an estimator's stall as the job reads it; 0 minutes mean that the run never counts as stalled."""
    return contract.Stall() if stall is None else contract.Stall(stall.minutes, stall.action == "end", stall.cpu)


def _build_budget(cause: str, given: int | Literal["unlimited"] | Restart) -> Budget:
    value = given if isinstance(given, Restart) else Restart(given)
    factor = float(value.memory[1:]) if value.memory else 1.0
    at_most = 0 if value.at_most is None else int(parse_memory(value.at_most))
    return Budget(cause, None if isinstance(value.times, str) else value.times, factor, at_most)


def check_life(given: JsonView) -> Iterable[Finding]:
    """Yield what is wrong with the user's parameters for a run's life, given by name."""
    yield from _check_restarts(given.get("restarts"))
    yield from _check_notice(given.get("notice"))
    yield from _check_stall(given.get("stall"))
    several = given.get("distributed_backend") or given.get("distributed_training")
    if isinstance(given.get("notice"), Notice) and given["notice"].keras is not None and several:
        what = "stops one process: several would stop after different epochs, and wait for each other"
        yield Finding("keras-of-several", "notice.keras", what, "have the script agree on it: should_stop() of rank 0 decides")


def _check_stall(stall: object) -> Iterable[Finding]:
    if stall is None:
        return
    if not isinstance(stall, Stall):
        yield Finding(
            "bad-stall", "stall", f"{stall!r} is not a stall setting", "it has minutes and action: {minutes: 30, action: end}"
        )
        return
    is_number = isinstance(stall.minutes, int | float) and not isinstance(stall.minutes, bool)
    if not is_number or not LEAST_STALL_MIN <= stall.minutes <= MOST:
        what = f"{stall.minutes!r} is not a number of minutes between {LEAST_STALL_MIN} and {MOST}"
        yield Finding("bad-minutes", "stall.minutes", what, "use 30, and more for a script that is silent for long")
    if not isinstance(stall.cpu, bool):
        yield Finding("bad-stall", "stall.cpu", f"{stall.cpu!r} is not yes or no", "use true or false")
    if stall.action not in ACTIONS:
        remedy = f"use one of {', '.join(ACTIONS)}"
        yield Finding("unknown-action", "stall.action", f"{stall.action!r} is not a stall action", remedy)


def _check_notice(notice: object) -> Iterable[Finding]:
    if notice is None:
        return
    if not isinstance(notice, Notice):
        remedy = "it has before, signal, exit_code and keras: {signal: SIGUSR1, before: 300}"
        yield Finding("bad-notice", "notice", f"{notice!r} is not a notice setting", remedy)
        return
    yield from check_count("notice.before", notice.before, 1, LONGEST_NOTICE_S)
    yield from check_printable("notice.keras", notice.keras)
    yield from check_count("notice.exit_code", notice.exit_code, 1, 255)
    if notice.signal is not None and notice.signal not in SIGNALS:
        remedy = suggest(str(notice.signal), SIGNALS) or f"use one of {', '.join(SIGNALS)}"
        yield Finding("unknown-signal", "notice.signal", f"{notice.signal!r} is not a signal for a script", remedy)


def _check_restarts(restarts: object) -> Iterable[Finding]:
    if restarts is None:
        return
    if not isinstance(restarts, Mapping):
        yield Finding("bad-restarts", "restarts", f"{restarts!r} is not a mapping", "set `restarts[time-limit]=10`")
        return
    for cause, value in restarts.items():
        where = f"restarts[{cause!r}]"
        if cause not in CAUSES:
            remedy = suggest(str(cause), CAUSES) or f"use one of {', '.join(CAUSES)}"
            yield Finding("unknown-cause", where, "is not a cause after which a run can restart", remedy)
        elif isinstance(value, Restart):
            yield from _check_times(f"{where}.times", value.times)
            yield from _check_memory_growth(where, cause, value)
        elif isinstance(value, Mapping):
            remedy = "it has `times`, `memory` and `at_most`"
            yield Finding("bad-restart", where, f"{dict(value)!r} has unknown keys", remedy)
        else:
            yield from _check_times(where, value)


def _check_times(where: str, times: object) -> Iterable[Finding]:
    if isinstance(times, str) and times != UNLIMITED:
        yield Finding("not-a-count", where, f"{times!r} is not a whole number", f"use 0 or more, or {UNLIMITED}")
    elif times != UNLIMITED:
        yield from check_count(where, times, 0, MOST)


def _check_memory_growth(where: str, cause: str, value: Restart) -> Iterable[Finding]:
    if (value.memory, value.at_most) != (None, None) and cause != "out-of-memory":
        yield Finding("memory-misplaced", where, "asks for more memory, which does not help after this cause", "leave it out")
    factor = _FACTOR.fullmatch(value.memory) if isinstance(value.memory, str) else None
    if value.memory is not None and (factor is None or not 1 < float(factor[1]) <= 100):
        remedy = "write it as x1.5: half as much again"
        yield Finding("bad-factor", f"{where}.memory", f"{value.memory!r} is not a factor between 1 and 100", remedy)
    if value.at_most is not None and value.memory is None:
        yield Finding("at-most-alone", f"{where}.at_most", "bounds memory that does not grow", "set its `memory` too, as x1.5")
    yield from check_memory(f"{where}.at_most", value.at_most)
