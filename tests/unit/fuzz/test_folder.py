"""Whatever stands in a run folder's journal and records, the run's state is known and can be told, and so is that of others."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from slurmtf.cli.output import escape, strip_colours
from slurmtf.cli.present import build_run_data, format_details
from slurmtf.experiments import Run
from slurmtf.job.contract.attempt import events, journal
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs import RunStatus
from slurmtf.runs.status import read_states

from .bounded import JUNK, fuzzed, mutated

OUTCOME = {"cause": "script", "task": "main-0", "host": "n1", "exit_code": 1, "signal": None, "log": "logs/x", "tail": "y"}
EVENTS: list[dict[str, Any]] = [
    {"time": 1760000000.0, "event": "started", "job_id": "33", "attempt": 0, "nodes": "n1", "host": "n1"},
    {"time": 1760000001.0, "event": "task-started", "rank": 0, "task": "main-0", "host": "n1"},
    {"time": 1760000002.0, "event": "task-ended", "rank": 0, "task": "main-0", "exit_code": 1, "signal": None},
    {"time": 1760000003.0, "event": "decided", "outcome": OUTCOME},
    {"time": 1760000004.0, "event": "ended", "outcome": OUTCOME},
]
KEYS = st.sampled_from(sorted({key for event in EVENTS for key in event} | set(OUTCOME) | {"detail", "phases"}))
CHANGED = st.builds(lambda event, more: {**event, **more}, st.sampled_from(EVENTS), st.dictionaries(KEYS, JUNK, max_size=3))
OUTCOMES = st.builds(
    lambda event, more: {**event, "outcome": {**OUTCOME, **more}},
    st.sampled_from(EVENTS),
    st.dictionaries(KEYS, JUNK, max_size=3),
)
LINES = (CHANGED | OUTCOMES | JUNK).map(json.dumps) | mutated(
    [json.dumps(event) for event in EVENTS], ["\n", "[" * 2000, "\x00"]
)
JOB = {
    "job_id": "33",
    "cluster": None,
    "scheduler": "local",
    "folder": "/x",
    "submitted": 1.0,
    "why": "submitted",
    "process": None,
}
JOBS = st.dictionaries(st.sampled_from(sorted(JOB)), JUNK, max_size=3).map(lambda more: json.dumps({**JOB, **more}))
PLAN = {"schema": 1, "scheduler": "local", "cluster": None, "run": {"folder": "/x"},
        "provenance": {"profile": "", "templates": []},
        "job": {"scheduler": "local"}, "warnings": []}  # fmt: skip
PLANS = st.dictionaries(st.sampled_from([*PLAN, "batch"]), JUNK, max_size=2).map(lambda more: json.dumps({**PLAN, **more}))
FILES = st.fixed_dictionaries(
    {"plan.json": PLANS | st.just(json.dumps(PLAN))},
    optional={
        "journal/33.1.jsonl": st.lists(LINES, max_size=6).map("\n".join),
        "jobs.jsonl": st.lists(JOBS | JUNK.map(json.dumps), max_size=2).map("\n".join),
        "receipt.json": (JUNK | st.fixed_dictionaries({"tags": JUNK})).map(json.dumps),
        "logs/main-0.err": st.text(max_size=50),
    },
)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))


@fuzzed(FILES)
def test_a_run_folder(files: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as root:
        bad, good = Path(root, "lab/lab-1"), Path(root, "lab/lab-2")
        write(bad, files)
        write(good, {"plan.json": json.dumps(PLAN)})
        run = Run(bad)
        state, other = read_states([bad, good])
        assert isinstance(state.status, RunStatus)
        assert other == read_states([good])[0]
        json.dumps(build_run_data(run.folder, state))
        assert "\x1b" not in escape(strip_colours(format_details(run, state)))


@fuzzed(st.lists(LINES, max_size=6).map("\n".join) | st.text())
def test_a_journal(text: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        write(Path(root), {"journal/33.1.jsonl": text})
        for attempt in journal.read_attempts(RunLayout(root)):
            for record in journal.read(attempt.path):
                assert isinstance(record, events.Record)
