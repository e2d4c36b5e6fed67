"""Describe an outcome in words, for people only: programs read its fields instead of parsing these sentences."""

from __future__ import annotations

from collections.abc import Callable

from slurmtf.job.contract.attempt.outcome import CanceledBy, Cause, End, Outcome, format_signal

MOST_NAMES = 8


def describe_outcome(outcome: Outcome) -> str:
    """Describe how an attempt ended, with the last lines of its log; empty for a success without anything to report."""
    head = describe_outcome_briefly(outcome)
    if not outcome.tail:
        return head
    return f"{head}; the last lines of {outcome.log}:\n{outcome.tail}"


def describe_outcome_briefly(outcome: Outcome) -> str:
    """Describe how an attempt ended, without the last lines of its log."""
    return _HEADS[outcome.cause](outcome)


def describe_process_end(end: End) -> str:
    """Describe how a process ended."""
    if end.signal:
        return f"was killed by signal {end.signal} ({format_signal(end.signal)})"
    return f"ended with exit code {end.exit_code}"


def _format_task(outcome: Outcome) -> str:
    return f"{outcome.task or 'the script'}{f' on {outcome.host}' if outcome.host else ''}"


def _format_names(outcome: Outcome, key: str) -> str:
    found = outcome.detail.get(key)
    names = [str(name) for name in found] if isinstance(found, list) else []
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _format_seconds(outcome: Outcome, key: str) -> str:
    value = outcome.detail.get(key)
    return f"{value:.0f} s" if isinstance(value, (int, float)) else "some time"


def _get_error(outcome: Outcome) -> str:
    return str(outcome.detail.get("error") or "")


def _describe_script(outcome: Outcome) -> str:
    if not outcome.succeeded:
        return f"{_format_task(outcome)} {describe_process_end(outcome.end)}"
    late = _format_names(outcome, "late")
    return f"{late} had not ended {_format_seconds(outcome, 'grace_s')} after the training had succeeded" if late else ""


def _describe_straggler(outcome: Outcome) -> str:
    return f"{_format_names(outcome, 'late')} had not ended {_format_seconds(outcome, 'grace_s')} after the first success"


def _describe_not_connected(outcome: Outcome) -> str:
    return (
        f"{_format_names(outcome, 'missing')} did not connect within {_format_seconds(outcome, 'waited_s')} of the first task"
    )


def _describe_staging(outcome: Outcome) -> str:
    error = _get_error(outcome)
    return f"staging failed on the node of {_format_task(outcome)}" + (f": {error}" if error else "")


def _describe_not_begun(outcome: Outcome) -> str:
    return f"the job could not be started: {_get_error(outcome)}"


def _describe_launcher(outcome: Outcome) -> str:
    if _get_error(outcome):
        return _describe_not_begun(outcome)
    name = outcome.detail.get("launcher")
    head = "the task's agent" if name == "none" else str(name or "the launcher")
    missing = _format_names(outcome, "missing")
    return f"{head} {describe_process_end(outcome.end)}" + (f", and {missing} never reported" if missing else "")


def _describe_results(outcome: Outcome) -> str:
    hosts, failed = _format_names(outcome, "hosts"), _format_names(outcome, "failed")
    parts = [f"all those of {hosts}: the last task there ended before it could copy them" if hosts else "", failed]
    return "results have not been copied back: " + "; ".join(filter(None, parts))


def _describe_node_failure(outcome: Outcome) -> str:
    return f"{outcome.host} failed" if outcome.host else "a node of the job failed"


def _describe_not_started(outcome: Outcome) -> str:
    line = outcome.detail.get("line")
    if outcome.detail.get("unlaunched"):
        return "Slurm could not start the batch script on the node"
    head = "the batch script ended before slurmtf's supervisor began"
    if line:
        return f"{head}; the last line of job.sh that it reached is {line}"
    return f"{head}, and before its own first command: what bash reads first (~/.bash_profile, ~/.profile, $BASH_ENV) ended it"


def _describe_lost(outcome: Outcome) -> str:
    if outcome.detail.get("by") == "slurm":
        return "Slurm no longer knows the job, and its journal does not say how it ended"
    if outcome.detail.get("by") == "disk":
        return "the run folder could not be written any more when it ended"
    return "the supervisor was killed before it could say how the run ended"


_CANCELED = {
    CanceledBy.SLURMTF: "canceled by {user} through slurmtf{place}",
    CanceledBy.OWNER: "canceled by {user}, its own user, with scancel",
    CanceledBy.OTHER: "canceled by another user, {user}: an administrator, or somebody else who may cancel other users' jobs",
    CanceledBy.SLURM: "canceled by Slurm itself: no user asked for it",
    CanceledBy.UNKNOWN: "canceled; it is not known by whom",
}


def _describe_canceled(outcome: Outcome) -> str:
    """Describe who canceled it. Accounting knows that only seconds later."""
    facts = outcome.detail
    known = next((text for by, text in _CANCELED.items() if by.value == facts.get("by")), "canceled")
    return known.format(user=facts.get("user") or "its user", place=f" on {facts['host']}" if facts.get("host") else "")


def _say_always(text: str) -> Callable[[Outcome], str]:
    return lambda _: text


def _say_unless_noticed(text: str, what: str) -> Callable[[Outcome], str]:
    noticed = f"the script ended by itself when it was warned of {what}, and was not restarted"
    return lambda outcome: noticed if outcome.detail.get("noticed") else text


_HEADS: dict[Cause, Callable[[Outcome], str]] = {
    Cause.SCRIPT: _describe_script,
    Cause.STRAGGLER: _describe_straggler,
    Cause.NOT_CONNECTED: _describe_not_connected,
    Cause.TASK_LOST: lambda outcome: f"{_format_task(outcome)} disappeared: its process or its node died",
    Cause.STAGING: _describe_staging,
    Cause.LAUNCHER: _describe_launcher,
    Cause.AGENT: _describe_not_begun,
    Cause.RESULTS: _describe_results,
    Cause.TIME_LIMIT: _say_unless_noticed("the job reached its time limit", "the time limit"),
    Cause.CANCELED: _describe_canceled,
    Cause.CALLED_OFF: _say_always("it was stopped early"),
    Cause.PREEMPTED: _say_unless_noticed("the job was preempted, and Slurm did not requeue it", "its preemption"),
    Cause.REQUEUED: _say_always("the job was requeued, and was not restarted"),
    Cause.NODE_FAILURE: _describe_node_failure,
    Cause.OUT_OF_MEMORY: _say_always("the job used more memory than it requested"),
    Cause.STALL: lambda outcome: f"nothing happened on any task for {outcome.detail.get('minutes')} minutes",
    Cause.DEPENDENCY: lambda outcome: f"it was to follow {_format_names(outcome, 'after')}, which did not end as required",
    Cause.SOFTWARE: lambda outcome: _get_error(outcome) or "the environment could not be built",
    Cause.NOT_STARTED: _describe_not_started,
    Cause.LOST: _describe_lost,
    Cause.UNKNOWN: lambda outcome: (
        f"it ended for a reason that this version of slurmtf does not know: {outcome.detail.get('cause')}"
    ),
}
