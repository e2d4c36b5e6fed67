"""All known facts about a run in one document: its settings, where and with which software it ran, and how it ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slurmtf.files import load_json, read_json, write_json
from slurmtf.job.contract.attempt import journal
from slurmtf.job.contract.interchange import JsonObject, JsonView
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs.metrics.reading import MetricsReader
from slurmtf.runs.states.history import Attempt, History, read_history
from slurmtf.runs.states.records import read_records
from slurmtf.runs.states.reduce import read_end
from slurmtf.runs.states.state import RunState
from slurmtf.runs.states.sweeps import get_recorded_end, is_sweep
from slurmtf.runs.usage import compute_times


@dataclass(frozen=True)
class Account:
    """A run as data, to compare, cite or repeat it. ``metrics`` are the last values of rank 0; ``training`` is how long its
    script ran, in seconds (runs/usage.py)."""

    run_id: str
    plan: Mapping[str, object]
    receipt: JsonView
    state: RunState
    metrics: Mapping[str, float] = field(default_factory=dict)
    training: float = 0.0

    @property
    def settings(self) -> dict[str, object]:
        """The estimator's settings that are not the default."""
        found = _get_nested(self.plan, "provenance", "estimator")
        return dict(found) if isinstance(found, Mapping) else {}

    @property
    def attempts(self) -> list[Mapping[str, object]]:
        found = self.receipt.get("attempts")
        return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []

    @property
    def last_attempt(self) -> JsonView:
        return self.attempts[-1] if self.attempts else {}

    @property
    def packages(self) -> dict[str, str]:
        """The versions of packages that the script loaded, and the installed versions of all others."""
        installed, loaded = _get_nested(self.receipt, "software", "packages"), _get_nested(self.receipt, "loaded", "packages")
        found = {**_to_strings(installed), **_to_strings(loaded)}
        for line in self.receipt.get("lock") or []:
            name, equals, version = str(line).partition("==")
            if equals:
                found.setdefault(name.replace("-", "_").lower(), version)
        return found

    @property
    def builds(self) -> dict[str, object]:
        found = _get_nested(self.receipt, "loaded", "builds")
        return dict(found) if isinstance(found, Mapping) else {}


def read_account(layout: RunLayout, state: RunState) -> Account:
    """Return the known facts about a run. Raises OSError or ValueError if its plan can't be read."""
    reader = MetricsReader(layout)
    reader.read_new()
    metrics = {name: series.points[-1].value for name, series in reader.series().items() if series.points}
    training = compute_times(journal.read_attempts(layout), state, time.time()).training
    return Account(Path(layout.folder).name, load_json(layout.plan), read_receipt(layout, state), state, metrics, training)


def read_receipt(layout: RunLayout, state: RunState | None = None) -> JsonObject:
    """Return a run's receipt, completed with facts that could not be written into it.

    Those are the lock of an environment that was built after the submission, attempts that were killed, from their journals,
    and how the run ended: according to its current ``state``, or without that to the folder alone. Raises OSError or
    ValueError if the receipt can't be read.
    """
    receipt = read_json(layout.receipt)
    if not receipt:
        return receipt
    if not receipt.get("lock"):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            receipt["lock"] = _read_lock(load_json(layout.plan))
    records, history = read_records(layout), read_history(layout)
    end = state or (get_recorded_end(records) if is_sweep(layout) else read_end(records, history))
    receipt.pop("outcome", None)  # its attempt may no longer be the last one
    return {**receipt, **complete(receipt, history, end, is_sweep(layout))}


def note_completed(layout: RunLayout, state: RunState) -> None:
    """Complete the receipt in the folder of a run whose end only Slurm knows, if that is possible."""
    with contextlib.suppress(OSError, ValueError):
        receipt = read_receipt(layout, state)
        if receipt != read_json(layout.receipt):
            write_json(layout.receipt, receipt)


def complete(receipt: Mapping[str, object], history: History, state: RunState | None, of_sweep: bool = False) -> JsonObject:
    """Return the attempts and the outcome of a run from its receipt, completed from its journals and its state. Pure.

    In a sweep, one element's attempt stands for all.
    """
    noted = {(one["job"], one["number"]): one for one in _read_attempts(receipt.get("attempts"))}
    journaled = history.attempts[: 0 if noted else 1] if of_sweep else history.attempts
    journals: dict[tuple[str, int], Mapping[str, object]] = {
        (one.job, one.number): _build_attempt(one, state) for one in journaled
    }
    attempts = [
        *(one for key, one in noted.items() if key not in journals),
        *(noted.get(key, one) for key, one in journals.items()),
    ]
    if state is None or state.outcome is None or not state.status.final:
        return {"attempts": attempts}
    return {"attempts": attempts, "outcome": {"status": state.status.value, **state.outcome.to_dict()}}


def _read_attempts(attempts: object) -> list[Mapping[str, object]]:
    """Return the attempts in a receipt, without damaged ones."""
    found = [one for one in attempts if isinstance(one, Mapping)] if isinstance(attempts, list) else []
    return [one for one in found if isinstance(one.get("job"), str) and isinstance(one.get("number"), int)]


def _build_attempt(attempt: Attempt, state: RunState | None) -> dict[str, object]:
    """Return the journal's facts about an attempt that was killed before it wrote the receipt; Slurm may know its end."""
    is_last = state is not None and (state.job_id, state.attempt) == (attempt.job, attempt.number)
    outcome = attempt.outcome or (state.outcome if state and is_last else None)
    return {
        "job": attempt.job,
        "number": attempt.number,
        "cluster": attempt.cluster,
        "nodes": attempt.nodes,
        "started": round(attempt.started, 3),
        "ended": attempt.ended or (state.ended if state and is_last else None),
        "outcome": outcome.to_dict() if outcome else None,
    }


def _read_lock(plan: Mapping[str, object]) -> list[str] | None:
    from slurmtf.environments.store import EnvironmentStore, find_environment  # noqa: PLC0415 - seldom needed

    folder = find_environment(plan)
    return EnvironmentStore(folder.parent).record(folder.name).get("lock") if folder else None


def _get_nested(facts: object, *keys: str) -> object:
    for key in keys:
        facts = facts.get(key) if isinstance(facts, Mapping) else None
    return facts


def _to_strings(found: object) -> dict[str, str]:
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, Mapping) else {}


def list_source_files(layout: RunLayout) -> dict[str, str]:
    """Return the files of a run's source, each with its mode and a content hash; empty if the source can't be read."""
    from slurmtf.job.contract.snapshot import read_stored  # noqa: PLC0415 - imports tarfile, seldom needed

    with contextlib.suppress(OSError, ValueError), Path(layout.source).open("rb") as file:
        return {one.name: f"{one.mode:o} {one.content[:12]}" for one in read_stored(file) if one.kind != "folder"}
    return {}
