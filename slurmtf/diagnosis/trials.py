"""Explain why trials of a sweep failed, once for all that failed alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from slurmtf.diagnosis.dying import explain
from slurmtf.diagnosis.evidence import read_logs
from slurmtf.diagnosis.explanation import Explanation, TaskFailure
from slurmtf.diagnosis.kinds import Kind
from slurmtf.job.contract.attempt.outcome import Outcome, parse_cause
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.sweep.records import FAILED, Result, get_trial_folder, is_same_error

MOST = 5
"""How many errors are explained, the most frequent first."""


@dataclass(frozen=True)
class SameFailure:
    """Trials that failed with the same error, and why the first of them did."""

    results: tuple[Result, ...]
    explanation: Explanation

    @property
    def trials(self) -> list[int]:
        return [result.trial for result in self.results]


def explain_trials(layout: RunLayout, results: Iterable[Result]) -> list[SameFailure]:
    """Return why trials of a sweep failed, the most frequent error first."""
    return [SameFailure(alike, _explain(layout, alike[0])) for alike in group_by_error(results)[:MOST]]


def group_by_error(results: Iterable[Result]) -> list[tuple[Result, ...]]:
    """Group the failed trials by error, the largest group first. Pure."""
    groups: list[list[Result]] = []
    for result in sorted((one for one in results if one.status == FAILED), key=lambda one: one.trial):
        known = next((group for group in groups if is_same_error(group[0].error, result.error)), None)
        if known is None:
            groups.append([result])
        else:
            known.append(result)
    return [tuple(group) for group in sorted(groups, key=len, reverse=True)]


def _explain(layout: RunLayout, result: Result) -> Explanation:
    outcome = Outcome(parse_cause(result.why), result.task, result.host, result.exit_code, result.signal, tail=result.error)
    own = layout.launch(get_trial_folder(result.trial))
    failures = [TaskFailure(result.task, outcome.end)]
    found = explain(outcome, failures, read_logs(own, [result.task])[1:])
    if found.kind is Kind.UNKNOWN:
        found = explain(outcome, failures, read_logs(own, [result.task], whole=True)[1:])
    return found
