"""When an element pauses, and what counts for its retiring."""

from __future__ import annotations

import pytest

from slurmtf.job.contract.sweep.records import COMPLETED, FAILED
from slurmtf.job.sweep.candidates import PAUSES_S
from slurmtf.job.sweep.track_record import TrackRecord
from tests.unit.job.children import Clock


@pytest.mark.parametrize(
    ("launches", "pause"),
    [
        ([False], PAUSES_S[0]),
        ([False, False], PAUSES_S[1]),
        ([False] * 20, PAUSES_S[-1]),
        ([False, False, True, False], PAUSES_S[0]),
    ],
)
def test_an_element_pauses_longer_after_each_launch_that_was_not_possible(
    launches: list[bool], pause: float, clock: Clock
) -> None:
    record = TrackRecord()
    for possible in launches:
        if possible:
            record.note_launch()
        else:
            record.note_trouble(1.0)
    clock.go(pause - 0.1)
    assert record.pauses
    clock.go(0.2)
    assert not record.pauses


def test_results_and_launches_that_were_not_possible_count_alike() -> None:
    record = TrackRecord()
    assert record.is_empty
    record.note_end(COMPLETED, 1.0)
    record.note_end(FAILED, 1.0)
    record.note_trouble(1.0)
    assert not record.is_empty
    assert record.should_retire(2)
    assert not record.should_retire(3)
