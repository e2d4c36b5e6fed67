"""Additional jobs of a run: found if their client was killed, and none of them twice."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from slurmtf.errors import RefusedError, SlurmError
from slurmtf.files import write_json
from slurmtf.findings import Finding
from slurmtf.job.contract.layout import RunLayout
from slurmtf.processes import ProcessId, identify
from slurmtf.scheduler import JobRef, SubmittedJob
from slurmtf.submit import additions
from slurmtf.submit.adoption import FoundJobs

FIRST = SubmittedJob(JobRef(None, "7"), "slurm", "/runs/a", 1.0, elements=2)
SECOND = replace(FIRST, ref=JobRef(None, "9"))
NO_ANSWER = SlurmError(Finding("no-answer", "squeue", "timed out"))
DEAD = ProcessId(os.uname().nodename, 1, -1)
HOUR = 3600.0


def test_known_jobs_are_not_found_again() -> None:
    slices = [FIRST, replace(SECOND, first=2), replace(SECOND, ref=JobRef(None, "11"), first=4)]
    assert additions.select_unknown(slices, [FIRST]) == [SECOND, replace(SECOND, ref=JobRef(None, "11"), first=2)]
    assert additions.select_unknown([replace(FIRST, ref=JobRef(None, "7", 0))], [FIRST]) == []


@pytest.mark.parametrize(
    ("error", "kept"),
    [(None, False), (RefusedError(Finding("refused", "sbatch", "no")), False), (NO_ANSWER, True), (OSError(28, "full"), True)],
)
def test_the_note_is_kept_if_a_job_may_have_been_submitted(tmp_path: Path, error: Exception | None, kept: bool) -> None:
    layout = RunLayout(str(tmp_path))
    try:
        with additions.note_submission(layout):
            assert additions.may_lack(layout, [FIRST])
            if error:
                raise error
    except Exception as err:
        assert err is error
    assert additions.may_lack(layout, [FIRST]) is kept
    assert additions.may_lack(layout, [])


@pytest.mark.parametrize(
    ("owner", "age_s", "error", "kept"),
    [
        (DEAD, HOUR, None, False),
        (DEAD, 1.0, None, True),  # its sbatch may have ended just now
        (DEAD, HOUR, NO_ANSWER, True),
        (None, HOUR / 2, None, True),
        (None, 2 * HOUR, None, False),
        (identify(os.getpid()), 2 * HOUR, None, True),
    ],
)
def test_the_note_is_removed_when_no_job_can_follow(
    tmp_path: Path, owner: ProcessId | None, age_s: float, error: SlurmError | None, kept: bool
) -> None:
    layout = RunLayout(str(tmp_path))
    write_json(layout.submitting, {"owner": asdict(owner)} if owner else {})
    os.utime(layout.submitting, (time.time() - age_s,) * 2)
    additions.settle(layout, FoundJobs((), error))
    assert Path(layout.submitting).exists() is kept
