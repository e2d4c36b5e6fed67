"""``slurmtf why``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from slurmtf.cli import completing
from slurmtf.cli.options import FLAGS
from slurmtf.cli.output import clock, emit, json_option, workspace_option
from slurmtf.cli.present import headline, in_rows
from slurmtf.diagnosis.dying import Explanation
from slurmtf.diagnosis.evidence import explain_run
from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.trials import FailedAlike, explain_trials
from slurmtf.diagnosis.waiting import Waiting, explain_reason
from slurmtf.runs import Run, RunState, RunStatus
from slurmtf.runs.sweeps import SweepFacts, is_sweep, read_sweep
from slurmtf.spelling import spelled

MOST_NAMED = 10
"""Trials that are named of those that failed alike."""


@click.command("why")
@click.argument("run", default="last", shell_complete=completing.runs)
@workspace_option
@json_option
def command(run: str, workspace: str | None) -> None:
    """Tell why RUN waits, or why it died: a run id, the end of one, a job id, a run folder, or 'last'. Of a sweep: why its
    trials failed."""
    found = Run.find(run, workspace)
    state = found.state
    waiting = explain_reason(state.reason, state.job_id or "") if state.status is RunStatus.QUEUED else None
    if is_sweep(found.layout):
        facts = read_sweep(found.layout)
        failed = explain_trials(found.layout, [trial.result for trial in facts.trials if trial.result])
        data = {**_data(found, state, waiting, None), "trials": [_trials_data(one) for one in failed]}
        emit(data, _sweep_text(found, state, facts, waiting, failed))
        return
    death = explain_run(found.layout, state) if state.status in (RunStatus.FAILED, RunStatus.CANCELED) else None
    emit(_data(found, state, waiting, death), _text(found, state, waiting, death))


def _data(run: Run, state: RunState, waiting: Waiting | None, death: Explanation | None) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": state.status.value,
        "waiting": waiting and _waiting_data(state, waiting),
        "death": death and _death_data(state, death),
    }


def _trials_data(failed: FailedAlike) -> dict[str, Any]:
    first = failed.results[0]
    return {
        "trials": failed.trials,
        "error": first.error,
        "cause": first.why,
        "exit_code": first.exit_code,
        "signal": first.signal,
        **_explanation_data(failed.explanation),
    }


def _waiting_data(state: RunState, waiting: Waiting) -> dict[str, Any]:
    return {
        "reason": state.reason,
        "class": waiting.wait.value,
        "meaning": waiting.meaning,
        "remedy": waiting.hint,
        "expected_start": state.expected_start,
    }


def _death_data(state: RunState, death: Explanation) -> dict[str, Any]:
    end = {"cause": state.cause.value if state.cause else None, "exit_code": state.exit_code, "signal": state.signal}
    return {**_explanation_data(death), **end}


def _explanation_data(death: Explanation) -> dict[str, Any]:
    return {
        "class": death.kind.value,
        "meaning": death.kind.meaning,
        "task": death.task,
        "host": death.host,
        "evidence": [{"log": one.log, "text": one.text} for one in death.evidence],
        "remedy": spelled(death.remedy, FLAGS),
        "rule": death.rule,
    }


def _text(run: Run, state: RunState, waiting: Waiting | None, death: Explanation | None) -> str:
    rows = {"run": run.id, "status": headline(state)}
    if waiting:
        rows |= _waiting_rows(state, waiting)
    elif death:
        rows |= _death_rows(run, state, death)
    else:
        rows["why"] = "nothing to explain: it neither waits nor failed"
    return in_rows(rows)


def _sweep_text(run: Run, state: RunState, facts: SweepFacts, waiting: Waiting | None, failed: Sequence[FailedAlike]) -> str:
    rows = {"run": run.id, "status": headline(state), "trials": facts.summary}
    if waiting:
        rows |= _waiting_rows(state, waiting)
    elif not failed:
        rows["why"] = state.message if state.status is RunStatus.FAILED else "nothing to explain: no trial has failed"
    return "\n\n".join([in_rows(rows), *(in_rows(_failed_rows(run, one)) for one in failed)])


def _failed_rows(run: Run, failed: FailedAlike) -> dict[str, str]:
    death, numbers = failed.explanation, ", ".join(map(str, failed.trials[:MOST_NAMED]))
    more = f" and {len(failed.trials) - MOST_NAMED} more" if len(failed.trials) > MOST_NAMED else ""
    return {
        "failed": f"trial{'s' * (len(failed.trials) > 1)} {numbers}{more}",
        "why": f"{death.kind.meaning} [{death.kind.value}]" + (f" [{death.rule}]" if death.rule else ""),
        "seen": "\n".join(f"{one.log}: {one.text}" for one in death.evidence) or failed.results[0].error,
        "do": spelled(death.remedy, FLAGS) or f"read the log: slurmtf sweep logs {failed.trials[0]} {run.id}",
    }


def _waiting_rows(state: RunState, waiting: Waiting) -> dict[str, str]:
    expected = f"{clock(state.expected_start)}, by Slurm's estimate" if state.expected_start else "Slurm has no estimate"
    return {"why": waiting.meaning, "starts": f"{waiting.wait.value}; {expected}", "do": waiting.hint or "wait"}


def _death_rows(run: Run, state: RunState, death: Explanation) -> dict[str, str]:
    seen = "\n".join(f"{one.log}: {one.text}" for one in death.evidence)
    who = f"{death.task} on {death.host}" if death.host and death.task else death.task or death.host
    logs = f"slurmtf logs{' --role ' + death.task if death.task else ''} {run.id}"
    return {
        "why": f"{death.kind.meaning} [{death.kind.value}]" + (f" [{death.rule}]" if death.rule else ""),
        "first": who,
        "seen": seen if seen or death.kind is Kind.CANCELED else state.message,
        "do": spelled(death.remedy, FLAGS) or ("" if death.kind is Kind.CANCELED else f"read the log: {logs}"),
    }
