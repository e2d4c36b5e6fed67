"""Sweeps as text and as data."""

from __future__ import annotations

import csv
import io
import json
import time

from slurmtf.cli.output import cut, format_duration, format_table, paint_status
from slurmtf.cli.present import format_headline
from slurmtf.job.contract.sweep.records import BY_DURATION, BY_POLICY, RETIRED
from slurmtf.runs import RunState, RunStatus
from slurmtf.runs.states.sweeps import SweepFacts, TrialState
from slurmtf.tune.run import SweepRun

SHOWN = 20
"""The number of trials that 'sweep status' shows."""
FIELDS = ("trial", "status", "best", "values", "seconds", "attempt", "element", "host", "by", "why", "error")
CANCELED_BY = {BY_POLICY: "Canceled by policy", BY_DURATION: "Canceled: max_duration_minutes"}


def build_trial_data(facts: SweepFacts, trial: TrialState, of_sweep: RunStatus) -> dict[str, object]:
    """Return a trial as the data of the envelope."""
    result = trial.result
    ended = result.ended if result else None
    return {
        "trial": trial.number,
        "status": trial.status(of_sweep).value,
        "best": trial.best(facts.settings.sign),
        "values": result.values if result else len(trial.curve),
        "seconds": round(ended - trial.started, 3) if ended and trial.started else None,
        "attempt": result.attempt if result else trial.attempt,
        "element": (result.element if result else trial.element) or None,
        "host": (result.host if result else trial.host) or None,
        "by": trial.point.by,
        "why": result.why if result else "",
        "error": result.error if result else trial.point.note,
        "parameters": trial.point.values,
        "logged": list(result.names) if result else [],
    }


def build_sweep_data(run: SweepRun, state: RunState, facts: SweepFacts) -> dict[str, object]:
    """Return a sweep as the data of the envelope."""
    best = facts.best
    return {
        "id": run.id,
        "experiment": run.experiment,
        "folder": str(run.folder),
        "status": state.status.value,
        "summary": facts.summary,
        "done": facts.done,
        "total": len(facts.trials),
        "running": facts.running,
        "best": build_trial_data(facts, best, state.status) if best else None,
        "deadline": facts.settings.deadline,
        "elements": {name: {"last": kind, "text": text, "host": host} for name, (kind, text, host) in facts.elements.items()},
        "message": state.message,
    }


def format_sweep(run: SweepRun, state: RunState, facts: SweepFacts) -> str:
    """Return a sweep as text: its state, then the running trials and the best ones."""
    settings = facts.settings
    left = settings.deadline - time.time()
    rows = {
        "sweep": run.id,
        "status": format_headline(state),
        "trials": facts.summary,
        "metric": f"{settings.metric} ({settings.goal})",
        "why": state.message if state.status is RunStatus.FAILED else "",
        "missing": _describe_missing_metric(facts),
        "sampling": _describe_fallback(facts),
        "elements": _format_elements(facts, state),
        "time left": f"{format_duration(left)} (max_duration_minutes)" if left > 0 and not state.status.final else "",
        "advice": suggest_resume(run.word, state, facts),
        "folder": str(run.folder),
    }
    lines = [f"{name:<10} {value.replace(chr(10), chr(10) + ' ' * 11)}" for name, value in rows.items() if value]
    return "\n".join([*lines, "", format_trials(facts, state.status, SHOWN)])


def format_trials(facts: SweepFacts, of_sweep: RunStatus, most: int) -> str:
    """Return a table of the trials: running ones first, then the best ones, then those without a value."""
    sign = facts.settings.sign
    begun = sorted(
        (trial for trial in facts.trials if trial.has_begun),
        key=lambda one: (one.result is not None, one.best(sign) is None, -sign * (one.best(sign) or 0.0), one.number),
    )
    if not begun:
        return "no trial has begun"
    rows: list[tuple[str, ...]] = [("TRIAL", "STATUS", "BEST", "VALUES", "TIME", "NODE", "PARAMETERS")]
    rows += [_format_row(facts, trial, of_sweep) for trial in begun[:most]]
    more = f"\n... and {len(begun) - most} more: slurmtf sweep trials" if len(begun) > most else ""
    return format_table(rows) + more


def _format_row(facts: SweepFacts, trial: TrialState, of_sweep: RunStatus) -> tuple[str, ...]:
    best = trial.best(facts.settings.sign)
    result = trial.result
    until = result.ended if result else time.time() if trial.taken and not of_sweep.final else None
    seconds = until - trial.started if until and trial.started else None
    status = CANCELED_BY.get(result.why, result.status) if result else trial.status(of_sweep).value
    values = " ".join(f"{name}={_format_value(value)}" for name, value in trial.point.values.items())
    count = str(result.values if result else len(trial.curve))
    words = cut(values) + (f"  {cut(result.error)}" if result and result.error else "")
    return (
        str(trial.number),
        paint_status(status),
        "" if best is None else f"{best:.6g}",
        count,
        format_duration(seconds),
        trial.host,
        words,
    )


def _format_value(value: object) -> str:
    return f"{value:.5g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)


def _describe_missing_metric(facts: SweepFacts) -> str:
    """Return what the script logged instead, if trials were completed and none has logged the metric."""
    completed = [trial.result for trial in facts.trials if trial.result and trial.result.status == "Completed"]
    if not completed or any(result.values for result in completed):
        return ""
    names = sorted({name for result in completed for name in result.names})
    logged = f"it logged {', '.join(names)}" if names else "it logged nothing"
    return f"no trial has logged {facts.settings.metric!r}: {logged}"


def _format_elements(facts: SweepFacts, state: RunState) -> str:
    at_work = sum(kind == "started" for kind, _, _ in facts.elements.values())
    retired = sorted({host for kind, text, host in facts.elements.values() if text == RETIRED})
    parts = [f"{at_work} at work"] if at_work and not state.status.final else []
    parts += [f"retired on {', '.join(retired)}: their trials failed at once"] if retired else []
    return "; ".join(parts)


def _describe_fallback(facts: SweepFacts) -> str:
    """Return why points are not those that Optuna proposes, in a Bayesian sweep."""
    notes = [trial.point.note for trial in facts.trials if trial.has_begun and trial.point.note]
    return f"of {len(notes)} trial{'s, the last one' if len(notes) > 1 else ''}: {notes[-1]}" if notes else ""


def suggest_resume(sweep: str, state: RunState, facts: SweepFacts) -> str:
    """Return what to do about the unfinished trials of an ended sweep, unless its script can't run."""
    left = len(facts.trials) - facts.done
    if not state.status.final or not left or (facts.stopped or {}).get("why") == "error":
        return ""
    lost = "no element is left, and " if state.status is RunStatus.FAILED else ""
    return f"{lost}{left} trial{'s are' if left > 1 else ' is'} not done: slurmtf sweep resume {sweep}"


def format_csv(facts: SweepFacts, of_sweep: RunStatus) -> str:
    """Return all trials as CSV: a column for each parameter after those of the trial."""
    names = list(dict.fromkeys(name for trial in facts.trials for name in trial.point.values))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FIELDS, *names])
    for trial in facts.trials:
        data = build_trial_data(facts, trial, of_sweep)
        own = [data[name] for name in FIELDS]
        values = [trial.point.values.get(name, "") for name in names]
        writer.writerow([*own, *(value if isinstance(value, str) else json.dumps(value) for value in values)])
    return text.getvalue().rstrip("\n")
