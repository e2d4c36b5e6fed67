"""How often a waiting process queries a run, and what it shows meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurmtf.runs import waiting
from slurmtf.runs.states.state import RunState, RunStatus
from slurmtf.runs.waiting import FIRST_POLL_S, LAST_POLL_S, Pace, wait_for_end


@pytest.mark.parametrize(
    ("now", "size", "due"),
    [
        (100.0 + FIRST_POLL_S - 0.1, 7, False),
        (100.0 + FIRST_POLL_S, 7, True),
        (100.1, 8, True),
        (100.1, -1, True),
    ],
)
def test_a_run_is_queried_when_the_interval_is_over_or_its_journals_changed(now: float, size: int, due: bool) -> None:
    pace = Pace()
    assert pace.is_due(0.0, -1)
    pace.note(100.0, 7, changed=True)
    assert pace.is_due(now, size) is due


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ([True], FIRST_POLL_S),
        ([True, False], 2 * FIRST_POLL_S),
        ([True, False, False], 4 * FIRST_POLL_S),
        ([True, *[False] * 20], LAST_POLL_S),
        ([True, *[False] * 20, True], FIRST_POLL_S),
    ],
)
def test_the_interval_grows_while_the_status_stays(changes: list[bool], seconds: float) -> None:
    pace = Pace()
    for changed in changes:
        pace.note(0.0, 0, changed)
    assert pace.seconds == seconds


class Reader:
    """Something that grows; ``events`` has what was shown, and between it the states that were told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def show_new(self) -> None:
        self.events.append("new")

    def show_rest(self) -> None:
        self.events.append("rest")

    def tell(self, state: RunState) -> None:
        self.events.append(state.status.value)


def test_what_grows_is_shown_to_the_end_before_the_final_state_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter([RunState(RunStatus.QUEUED), RunState(RunStatus.QUEUED), RunState(RunStatus.COMPLETED)])
    monkeypatch.setattr(Pace, "is_due", lambda *_: True)
    monkeypatch.setattr(waiting, "LOG_POLL_S", 0.0)
    reader = Reader()
    assert wait_for_end(str(tmp_path), lambda _: next(states), reader, reader.tell).status is RunStatus.COMPLETED
    assert reader.events == ["Queued", "new", "new", "rest", "Completed"]
