"""Lists of runs: the index is never wrong, whatever happened to it or to the folders; filters."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.runs import write_runs
from slurmtf.errors import InputError
from slurmtf.job.contract.layout import RunLayout
from slurmtf.runs import status
from slurmtf.runs.states.state import RunStatus
from slurmtf.runs.workspaces import index as indexes
from slurmtf.runs.workspaces.index import Index, find_by_job
from slurmtf.runs.workspaces.listing import RunFilter, list_all, list_states, parse_since
from slurmtf.submit.record import note, read_jobs

Change = Callable[[RunLayout], object]


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Twelve runs, of which the first and the eleventh failed; long ago."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "/nonexistent")
    found = write_runs(tmp_path / "runs", 12)
    for path in (tmp_path / "runs").rglob("*"):
        os.utime(path, (time.time() - 60, time.time() - 60))
    return found


def statuses(folders: list[Path]) -> list[str]:
    return [run.status.value for run in list_states(folders)]


LOOK = status.look
FAILED, COMPLETED = "Failed", "Completed"
TWELVE = [FAILED, *[COMPLETED] * 9, FAILED, COMPLETED]


def read_anew(monkeypatch: pytest.MonkeyPatch, folders: list[Path]) -> int:
    """Return how many runs are read when they are listed."""
    looked: list[int] = []

    def look(layouts: list[RunLayout], *, max_age_s: float) -> list[status.SeenRun]:
        looked.append(len(layouts))
        return LOOK(layouts, max_age_s=max_age_s)

    with monkeypatch.context() as context:
        context.setattr(status, "look", look)
        list_states(folders)
    return sum(looked)


def test_ended_runs_are_read_once(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_anew(monkeypatch, folders) == 12
    assert read_anew(monkeypatch, folders) == 0
    assert statuses(folders) == TWELVE
    assert [run.state for run in list_states(folders)] == status.read_states(folders)


def test_200_runs_that_end_in_the_same_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    runs = write_runs(tmp_path / "runs", 200)
    ends = {}
    for number, folder in enumerate(runs):
        journal = Path(RunLayout(str(folder)).journal(str(1000 + number), 0))
        *begun, ends[journal] = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(begun))
    lines = [f"{1000 + number}|RUNNING|N/A|1|2|n1|None|{folder}" for number, folder in enumerate(runs)]
    squeue = tmp_path / "bin/squeue"
    squeue.parent.mkdir()
    (tmp_path / "queue").write_text("\n".join(lines) + "\n")
    squeue.write_text(f'#!/bin/sh\necho >>{tmp_path}/calls\nwhile read -r line; do echo "$line"; done <{tmp_path}/queue\n')
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", str(squeue.parent))
    assert set(statuses(runs)) == {"Running"}
    for journal, end in ends.items():
        with journal.open("a") as file:
            file.write(end)
    expected = [FAILED if number % 10 == 0 else COMPLETED for number in range(200)]
    assert statuses(runs) == expected  # at once, before any clock advances
    assert statuses(runs) == expected
    assert len((tmp_path / "calls").read_text().splitlines()) == 1


def start_again(layout: RunLayout) -> None:
    """Write a new journal: another start that has not ended."""
    text = Path(layout.journal("1000", 0)).read_text().splitlines()[0]
    Path(layout.journal("1000", 1)).write_text(text.replace('"attempt": 0', '"attempt": 1') + "\n")


def submit_again(layout: RunLayout) -> None:
    (job,) = read_jobs(layout)
    note(layout, replace(job, ref=replace(job.ref, job_id="7000"), submitted=time.time()))


def lose_journal(layout: RunLayout) -> None:
    Path(layout.journal("1000", 0)).unlink()


def cut_journal(layout: RunLayout) -> None:
    path = Path(layout.journal("1000", 0))
    path.write_text(path.read_text().splitlines()[0] + "\n")


@pytest.mark.parametrize("change", [start_again, submit_again, lose_journal, cut_journal])
def test_a_stale_row_is_ignored(folders: list[Path], change: Change) -> None:
    assert statuses(folders) == TWELVE
    change(RunLayout(str(folders[0])))
    assert statuses(folders) == [state.status.value for state in status.read_states(folders)]
    assert statuses(folders)[0] != FAILED or change is lose_journal


def age(layout: RunLayout) -> None:
    for path in (Path(layout.folder), *Path(layout.folder).rglob("*")):
        os.utime(path, (time.time() - 60, time.time() - 60))


def test_an_unfinished_run_is_read_each_time(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    going_on = RunLayout(str(folders[0]))
    cut_journal(going_on)
    age(going_on)
    assert [read_anew(monkeypatch, folders) for _ in range(3)] == [12, 1, 1]


@pytest.mark.parametrize("change", [start_again, submit_again, cut_journal])
def test_a_run_that_changes_while_it_is_read_gets_no_row(
    folders: list[Path], change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing = RunLayout(str(folders[0]))

    def look(layouts: list[RunLayout], *, max_age_s: float) -> list[status.SeenRun]:
        seen = LOOK(layouts, max_age_s=max_age_s)
        change(changing)
        age(changing)  # with a clock that is behind
        return seen

    with monkeypatch.context() as context:
        context.setattr(status, "look", look)
        assert statuses(folders) == TWELVE
    assert statuses(folders)[0] != FAILED


def test_a_row_needs_files_that_did_not_change(folders: list[Path]) -> None:
    layout, now = RunLayout(str(folders[0])), time.time()
    files, (seen,) = indexes.stamp_files(layout), status.look([layout])
    row = indexes.build_row(seen, files, now)
    assert row is not None
    assert row.holds
    assert indexes.build_row(replace(seen, settled=False), files, now) is None
    assert indexes.build_row(seen, files, now - 59) is None
    assert indexes.build_row(seen, None, now) is None
    cut_journal(layout)
    assert not row.holds
    assert indexes.build_row(seen, files, now) is None


def test_a_removed_run_is_not_listed(folders: list[Path]) -> None:
    assert statuses(folders) == TWELVE
    shutil.rmtree(folders[0])
    assert statuses(folders) == TWELVE[1:]


def test_another_run_in_its_place_is_read(folders: list[Path]) -> None:
    assert statuses(folders) == TWELVE
    shutil.rmtree(folders[0])
    shutil.copytree(folders[1], folders[0])
    assert statuses(folders)[0] != FAILED


def test_a_run_that_just_changed_gets_no_row(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(RunLayout(str(folders[0])).jobs)
    assert [read_anew(monkeypatch, folders) for _ in range(2)] == [12, 1]


@pytest.mark.parametrize("damage", [b"no database", b"", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_index_is_rebuilt(
    damage: bytes, folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert statuses(folders) == TWELVE
    (index,) = (tmp_path / "cache" / "slurmtf").glob("runs*.sqlite")
    index.write_bytes(damage)
    assert statuses(folders) == TWELVE
    list_states(folders)
    assert read_anew(monkeypatch, folders) == 0


DAMAGES = [(b"Failed", b"Fabled"), (b'"exit_code": 1', b'"exit_code": 7'), (b"final", b"finer"), (b"node1", b"node7")]


@pytest.mark.parametrize(("was", "became"), DAMAGES)
def test_a_row_damaged_on_disk_is_ignored(
    was: bytes, became: bytes, folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_states(folders)
    truth = [(run.brief, run.state, run.tags) for run in list_states(folders)]
    (index,) = (tmp_path / "cache" / "slurmtf").glob("runs*.sqlite")
    sound = index.read_bytes()
    assert was in sound
    index.write_bytes(sound.replace(was, became))
    assert [(run.brief, run.state, run.tags) for run in list_states(folders)] == truth
    index.write_bytes(sound.replace(was, became))
    assert 0 < read_anew(monkeypatch, folders) <= 12
    assert read_anew(monkeypatch, folders) == 0


def test_each_version_has_its_own_index(folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    anew = []
    for version in ("98", "99", "98", "99"):
        monkeypatch.setattr(indexes, "__version__", version)
        anew.append(read_anew(monkeypatch, folders))
    assert anew == [12, 12, 0, 0]
    for number in range(9):
        monkeypatch.setattr(indexes, "__version__", str(number))
        list_states(folders)
    assert len(list((tmp_path / "cache" / "slurmtf").glob("runs*.sqlite"))) == indexes.MOST_INDEXES


def test_changed_rules_for_states_lead_to_a_new_index(
    folders: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (indexes.STATES / "reduce.py").is_file() and (indexes.STATES / "words.py").is_file()
    rules = tmp_path / "states"
    rules.mkdir()
    (rules / "reduce.py").touch()
    monkeypatch.setattr(indexes, "STATES", rules)
    assert [read_anew(monkeypatch, folders), read_anew(monkeypatch, folders)] == [12, 0]
    os.utime(rules / "reduce.py", (1e9, 1e9))
    assert read_anew(monkeypatch, folders) == 12


def test_runs_are_listed_without_an_index(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexes, "find_local_cache", lambda: None)
    assert statuses(folders) == TWELVE
    assert read_anew(monkeypatch, folders) == 12


def test_runs_are_listed_without_a_locked_index(folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    list_states(folders)
    with Index() as other:
        assert other._connection
        other._connection.execute("BEGIN EXCLUSIVE")
        assert statuses(folders) == TWELVE
    assert read_anew(monkeypatch, folders) == 0


WANTED = [
    (RunFilter(frozenset([RunStatus.FAILED])), [0, 10]),
    (RunFilter(frozenset([RunStatus.FAILED, RunStatus.COMPLETED])), list(range(12))),
    (RunFilter(frozenset([RunStatus.CANCELED])), []),
    (RunFilter(tags={"stage": "final"}), [0, 7]),
    (RunFilter(tags={"stage": None}), list(range(12))),
    (RunFilter(tags={"other": None}), []),
    (RunFilter(frozenset([RunStatus.FAILED]), tags={"stage": "pilot"}), [10]),
]


@pytest.mark.parametrize(("wanted", "numbers"), WANTED)
def test_runs_are_filtered(wanted: RunFilter, numbers: list[int], folders: list[Path]) -> None:
    for _ in range(2):  # read, and from the index
        assert [run.folder for run in list_states(folders, wanted)] == [folders[number] for number in numbers]


def test_runs_of_a_workspace_are_listed_newest_first(folders: list[Path], tmp_path: Path) -> None:
    (folders[0].parent / "no-run").mkdir()
    newest = [str(folder) for folder in reversed(folders)]
    for _ in range(2):  # read, and from the index
        assert [run.path for run in list_all([tmp_path / "runs"], None, RunFilter())[0]] == newest
        assert list_all([tmp_path / "runs"], "others", RunFilter()) == ([], [])
    Path(RunLayout(newest[3]).plan).unlink()
    failed = RunFilter(frozenset({RunStatus.FAILED}))
    assert [run.path for run in list_all([tmp_path / "runs"], "digits", RunFilter())[0]] == newest[:3] + newest[4:]
    assert [run.path for run in list_all([tmp_path / "runs"], None, failed)[0]] == [newest[1], newest[11]]


def test_runs_since_a_time_are_listed(folders: list[Path]) -> None:
    when = [run.state.submitted or 0 for run in list_states(folders)]
    assert [run.folder for run in list_states(folders, RunFilter(since=when[9]))] == folders[9:]


@pytest.mark.parametrize(
    ("text", "ago"), [("7d", 604800), ("12h", 43200), ("30m", 1800), ("2w", 1209600), ("1.5h", 5400), (" 1d ", 86400)]
)
def test_relative_times_are_parsed(text: str, ago: float) -> None:
    assert parse_since(text, 1e9) == 1e9 - ago


def test_dates_are_parsed() -> None:
    assert parse_since("2026-11-20", 0) == time.mktime((2026, 11, 20, 0, 0, 0, 0, 0, -1))
    assert parse_since("2026-11-20T12:30", 0) == time.mktime((2026, 11, 20, 12, 30, 0, 0, 0, -1))


@pytest.mark.parametrize("text", ["", "7", "7y", "yesterday", "2026-13-01", "-7d"])
def test_an_invalid_time_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_since(text, 0)


def test_a_run_is_found_by_its_job(folders: list[Path]) -> None:
    for _ in range(2):
        assert find_by_job("1003", folders) == {folders[3]}
        list_states(folders)
    assert find_by_job("1", folders) == set()


def test_the_row_contains_the_whole_state(folders: list[Path]) -> None:
    list_states(folders)
    with Index() as index:
        row = index.find_rows(map(str, folders))[str(folders[0])]
    (state,) = status.read_states(folders[:1])
    assert (row.state, row.data) == (state, json.loads(json.dumps(state.data)))
