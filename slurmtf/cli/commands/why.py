"""``slurmtf why``"""

from __future__ import annotations

from typing import Any

import click

from slurmtf.cli import completing
from slurmtf.cli.options import FLAGS
from slurmtf.cli.output import clock, emit, json_option, workspace_option
from slurmtf.cli.present import headline, in_rows
from slurmtf.diagnosis.dying import Explanation
from slurmtf.diagnosis.evidence import explain_run
from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.waiting import Waiting, explain_reason
from slurmtf.runs import Run, RunState, RunStatus
from slurmtf.spelling import spelled


@click.command("why")
@click.argument("run", default="last", shell_complete=completing.runs)
@workspace_option
@json_option
def command(run: str, workspace: str | None) -> None:
    """Tell why RUN waits, or why it died: a run id, the end of one, a job id, a run folder, or 'last'."""
    found = Run.find(run, workspace)
    state = found.state
    waiting = explain_reason(state.reason, state.job_id or "") if state.status is RunStatus.QUEUED else None
    death = explain_run(found.layout, state) if state.status in (RunStatus.FAILED, RunStatus.CANCELED) else None
    emit(_data(found, state, waiting, death), _text(found, state, waiting, death))


def _data(run: Run, state: RunState, waiting: Waiting | None, death: Explanation | None) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": state.status.value,
        "waiting": waiting and _waiting_data(state, waiting),
        "death": death and _death_data(state, death),
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
    return {
        "class": death.kind.value,
        "meaning": death.kind.meaning,
        "cause": state.cause.value if state.cause else None,
        "task": death.task,
        "host": death.host,
        "exit_code": state.exit_code,
        "signal": state.signal,
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
