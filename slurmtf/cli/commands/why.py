"""``slurmtf why``"""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass

import click

from slurmtf.cli import completing
from slurmtf.cli.flags import FLAGS
from slurmtf.cli.output import emit, format_duration, format_time, json_option, workspace_option
from slurmtf.cli.present import describe_attempt, describe_doubt, format_headline, format_rows
from slurmtf.cli.sweeps import suggest_resume
from slurmtf.diagnosis.correcting import FollowedRun, correct_command, follow_again
from slurmtf.diagnosis.evidence import explain_hung_run, explain_run
from slurmtf.diagnosis.explanation import Explanation
from slurmtf.diagnosis.hiding import hide_secrets
from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.trials import SameFailure, explain_trials
from slurmtf.diagnosis.waiting import Wait, Waiting, explain_reason
from slurmtf.errors import SlurmtfError
from slurmtf.estimator.quantities import format_memory
from slurmtf.experiments import Run
from slurmtf.job.contract.attempt.outcome import Cause
from slurmtf.runs import RunState, RunStatus
from slurmtf.runs.chains.dependencies import parse
from slurmtf.runs.reporting import find_ahead, measure
from slurmtf.runs.states.sweeps import SweepFacts, is_sweep, read_sweep
from slurmtf.runs.usage import parse_resources
from slurmtf.runs.workspaces.listing import ListedRun
from slurmtf.scheduler.books import Ahead
from slurmtf.spelling import spell

MOST_NAMED = 10
"""Trials that are named of those that failed alike."""


@click.command("why")
@click.argument("run", default="last", shell_complete=completing.complete_runs)
@workspace_option
@json_option
def command(run: str, workspace: str | None) -> None:
    """Explain why RUN waits or died; for a sweep, why its trials failed. RUN is a run id, the end of one, a job id, a run
    folder, or 'last'."""
    found = Run.find(run, workspace)
    state = found.state
    waiting = explain_reason(state.reason, state.job_id or "") if state.status is RunStatus.QUEUED else None
    if is_sweep(found.layout):
        facts = read_sweep(found.layout)
        failed = explain_trials(found.layout, [trial.result for trial in facts.trials if trial.result])
        data = {
            **_build_data(found, state, waiting, None),
            "canceled": _get_canceler(state),
            "trials": [_build_trials_data(one) for one in failed],
        }
        emit(data, _format_sweep(found, state, facts, waiting, failed))
        return
    death = explain_run(found.layout, state) if state.status in (RunStatus.FAILED, RunStatus.CANCELED) else None
    if state.status is RunStatus.RUNNING and (stays := explain_hung_run(found.layout)):
        data = {**_build_data(found, state, None, None), "hung": _build_explanation_data(stays)}
        emit(data, _format_explanation(found, state, None, stays, NO_CONTEXT))
        return
    beside = _collect_beside(found, state, death)
    emit(_build_data(found, state, waiting, death, beside), _format_explanation(found, state, waiting, death, beside))


@dataclass(frozen=True)
class _Context:
    """Facts in addition to the reason: the jobs ahead, the runs that it follows; the memory that it used and requested
    (bytes; 0: unknown), and the source of that; the corrected command."""

    ahead: Ahead | None = None
    after: tuple[str, ...] = ()
    memory: tuple[int, int, str] | None = None
    command: str = ""
    remedy: str = ""


NO_CONTEXT = _Context()


def _collect_beside(run: Run, state: RunState, death: Explanation | None) -> _Context:
    if death is None:
        waits = state.status is RunStatus.QUEUED
        ahead = find_ahead(run.layout) if waits and not state.doubt else None  # after a missing answer, don't query again
        return _Context(ahead, _find_followed(run), command=_build_cancel_command(run, state)) if waits else NO_CONTEXT
    if death.kind is Kind.DEPENDENCY:
        followed = _find_followed(run)
        remedy, command = follow_again(run.id, [found for name in followed for found in _find_run(name, run)])
        return _Context(after=followed, remedy=remedy, command=command)
    try:
        plan = run.plan
        command = correct_command(run.id, death, plan["provenance"]["estimator"], parse_resources(plan))
    except (OSError, ValueError, LookupError, TypeError):  # explain even if the plan can't be read
        return NO_CONTEXT
    of_memory = death.kind in (Kind.HOST_MEMORY, Kind.KILLED)
    used = measure([ListedRun(str(run.folder), state)], time.time()) if of_memory else []
    memory = next(((one.usage.memory, one.usage.requested.memory_mb << 20, one.usage.source) for one in used), None)
    return _Context(memory=memory, command=command)


def _build_cancel_command(run: Run, state: RunState) -> str:
    """Return the command that ends a run which will never start."""
    never = explain_reason(state.reason, "").wait is Wait.NEVER
    return shlex.join(["slurmtf", "cancel", run.id]) if never else ""


def _find_followed(run: Run) -> tuple[str, ...]:
    """Return the runs that a run was submitted to follow."""
    try:
        return tuple(map(str, run.plan["provenance"].get("after", ())))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ()


def _find_run(name: str, follower: Run) -> list[FollowedRun]:
    """Return the current state of a followed run; nothing if it is gone."""
    run_id, condition = parse(name)
    try:
        run = Run.find(run_id, str(follower.folder.parents[1]))
        return [FollowedRun(run.id, condition, run.state)]
    except SlurmtfError:
        return []


def _build_data(
    run: Run, state: RunState, waiting: Waiting | None, death: Explanation | None, beside: _Context = NO_CONTEXT
) -> dict[str, object]:
    return {
        "id": run.id,
        "status": state.status.value,
        "waiting": waiting and _build_waiting_data(state, waiting, beside),
        "death": death and _build_death_data(state, death, beside),
        "hung": None,
        "doubt": vars(state.doubt) if state.doubt else None,
    }


def _get_canceler(state: RunState) -> dict[str, object] | None:
    """Return who canceled it: see :class:`..job.contract.attempt.outcome.CanceledBy`."""
    return dict(state.outcome.detail) if state.outcome and state.cause is Cause.CANCELED else None


def _build_trials_data(failed: SameFailure) -> dict[str, object]:
    first = failed.results[0]
    return {
        "trials": failed.trials,
        "error": hide_secrets(first.error),
        "cause": first.why,
        "exit_code": first.exit_code,
        "signal": first.signal,
        **_build_explanation_data(failed.explanation),
    }


def _build_waiting_data(state: RunState, waiting: Waiting, beside: _Context) -> dict[str, object]:
    return {
        "reason": state.reason,
        "class": waiting.wait.value,
        "meaning": waiting.meaning,
        "remedy": waiting.hint,
        "expected_start": state.expected_start,
        "ahead": beside.ahead and beside.ahead._asdict(),
        "after": [parse(name)[0] for name in beside.after],
        "command": beside.command or None,
    }


def _build_death_data(state: RunState, death: Explanation, beside: _Context) -> dict[str, object]:
    end = {"cause": state.cause.value if state.cause else None, "exit_code": state.exit_code, "signal": state.signal}
    memory = dict(zip(("used", "asked", "source"), beside.memory, strict=True)) if beside.memory else None
    data = {
        **_build_explanation_data(death),
        **end,
        "canceled": _get_canceler(state),
        "memory": memory,
        "after": [parse(name)[0] for name in beside.after],
    }
    return {**data, "remedy": beside.remedy or data["remedy"], "command": beside.command or None}


def _build_explanation_data(death: Explanation) -> dict[str, object]:
    return {
        "class": death.kind.value,
        "meaning": death.kind.meaning,
        "task": death.task,
        "host": death.host,
        "evidence": [{"log": one.log, "text": one.text} for one in death.evidence],
        "remedy": spell(death.remedy, FLAGS),
        "rule": death.rule,
    }


def _format_explanation(run: Run, state: RunState, waiting: Waiting | None, death: Explanation | None, beside: _Context) -> str:
    rows = {"run": run.id, "status": format_headline(state)}
    if waiting:
        rows |= _build_waiting_rows(state, waiting)
        rows |= {"attempt": describe_attempt(state), "follows": ", ".join(beside.after), "before": _format_ahead(beside.ahead)}
        rows["command"] = beside.command
    elif death:
        rows |= _build_death_rows(run, state, death)
        rows |= {"do": beside.remedy or rows["do"], "memory": _format_memory(beside.memory), "command": beside.command}
    else:
        rows["why"] = "nothing to explain: it neither waits nor failed"
    rows["doubt"] = describe_doubt(state)
    return format_rows(rows)


def _format_ahead(ahead: Ahead | None) -> str:
    if ahead is None:
        return ""
    seen = "" if ahead.sees_others else " that you may see"
    mine = f", {ahead.mine} of them yours" if ahead.jobs else ""
    return f"{ahead.jobs or 'no'} job{'s' * (ahead.jobs != 1)} in {ahead.partitions}{seen}{mine}"


def _format_memory(memory: tuple[int, int, str] | None) -> str:
    if memory is None or not memory[0]:
        return ""
    used, asked, source = memory
    of = f" of {format_memory(asked)} requested" if asked else ""
    return f"at most {format_memory(used)}{of} on a node ({'MaxRSS of ' if source == 'sacct' else ''}{source})"


def _format_sweep(run: Run, state: RunState, facts: SweepFacts, waiting: Waiting | None, failed: Sequence[SameFailure]) -> str:
    rows = {"run": run.id, "status": format_headline(state), "trials": facts.summary}
    if waiting:
        rows |= _build_waiting_rows(state, waiting)
    elif not failed:
        ended = state.message if state.status in (RunStatus.FAILED, RunStatus.CANCELED) else ""
        rows["why"] = ended or "nothing to explain: no trial has failed"
    rows["do"] = rows.get("do") or suggest_resume(run.word, state, facts)
    return "\n\n".join([format_rows(rows), *(format_rows(_build_failed_rows(run, one)) for one in failed)])


def _build_failed_rows(run: Run, failed: SameFailure) -> dict[str, str]:
    death, numbers = failed.explanation, ", ".join(map(str, failed.trials[:MOST_NAMED]))
    more = f" and {len(failed.trials) - MOST_NAMED} more" if len(failed.trials) > MOST_NAMED else ""
    return {
        "failed": f"trial{'s' * (len(failed.trials) > 1)} {numbers}{more}",
        "why": _format_class(death),
        "seen": "\n".join(f"{one.log}: {one.text}" for one in death.evidence) or hide_secrets(failed.results[0].error),
        "do": spell(death.remedy, FLAGS) or f"read the log: slurmtf sweep logs {failed.trials[0]} {run.word}",
    }


def _build_waiting_rows(state: RunState, waiting: Waiting) -> dict[str, str]:
    expected = f"{format_time(state.expected_start)}, by Slurm's estimate" if state.expected_start else "Slurm has no estimate"
    starts = waiting.wait.value if state.doubt else f"{waiting.wait.value}; {expected}"
    meaning = waiting.meaning if state.reason or not state.doubt else "not known while Slurm does not answer"
    return {"why": meaning, "starts": starts, "do": waiting.hint or "wait"}


def _build_death_rows(run: Run, state: RunState, death: Explanation) -> dict[str, str]:
    seen = "\n".join(f"{one.log}: {one.text}" for one in death.evidence)
    who = f"{death.task} on {death.host}" if death.host and death.task else death.task or death.host
    logs = f"slurmtf logs{' --role ' + shlex.quote(death.task) if death.task else ''} {run.word}"
    return {
        "why": state.message + f" [{death.kind.value}]" if death.kind is Kind.CANCELED else _format_class(death),
        "when": _format_cancel_time(state) if death.kind is Kind.CANCELED else "",
        "first": who,
        "seen": seen if seen or death.kind is Kind.CANCELED else state.message,
        "do": spell(death.remedy, FLAGS) or ("" if death.kind is Kind.CANCELED else f"read the log: {logs}"),
    }


def _format_cancel_time(state: RunState) -> str:
    """Return when the run was canceled, if recorded, else when it ended; and how long after its start."""
    noted = state.outcome.detail.get("time") if state.outcome else None
    asked = noted if isinstance(noted, (int, float)) else None
    ran = f" after {format_duration(state.ended - state.started)}" if state.ended and state.started else ""
    return format_time(asked or state.ended) + (ran or " before it had started")


def _format_class(death: Explanation) -> str:
    """Return the class of a death, and its rule if that says more."""
    rule = f" [{death.rule}]" if death.rule not in ("", death.kind.value) else ""
    return f"{death.kind.meaning} [{death.kind.value}]{rule}"
