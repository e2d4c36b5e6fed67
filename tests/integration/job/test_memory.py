"""The kernel kills a script for its memory use, in the cgroup that it shares with its supervisor."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmtf.job.contract.attempt.outcome import Cause
from tests.patience import until

from .jobs import NewJob

LIMIT = 200_000_000
GREEDY = """\
held = []
while True:
    held.append(b"x" * 10_000_000)
"""
# As in the batch step: moves the supervisor, and so all that it starts afterwards.
MOVED = 'echo $PPID >"$0" && echo $$ >"$0" && exec "$@"'


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup like Slurm's for job 4711, with a limit; of version 1 or 2."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    mine = {kinds: path for _, kinds, path in lines}
    first = next((name for name in mine if "memory" in name.split(",")), "")
    folder = Path(f"/sys/fs/cgroup/memory{mine[first]}" if first else f"/sys/fs/cgroup{mine.get('', '')}", "job_4711")
    try:
        folder.mkdir()
    except OSError as err:
        pytest.skip(f"no cgroup of our own: {err}")
    try:
        with contextlib.suppress(OSError):
            (folder / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(LIMIT))
            (folder / ("memory.memsw.limit_in_bytes" if first else "memory.swap.max")).write_text(str(LIMIT if first else 0))
        if not (folder / ("memory.limit_in_bytes" if first else "memory.max")).exists():
            pytest.skip("the memory of a cgroup of our own is not limited here")
        yield folder
    finally:
        until(lambda: removed(folder), "the end of all in the cgroup")


def removed(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


def test_a_script_that_the_kernel_killed_ran_out_of_memory(job: NewJob, cgroup: Path) -> None:
    """Slurm reports it only when the batch step has ended, which is after the supervisor."""
    one = job(GREEDY)
    one.change_plan(scheduler="slurm", launcher="none")
    one.launcher = ["sh", "-c", MOVED, str(cgroup / "cgroup.procs")]
    assert one.run(SLURM_JOB_ID="4711") == 137
    assert (one.outcome.cause, one.outcome.signal) == (Cause.OUT_OF_MEMORY, 9)


def test_a_script_killed_otherwise_did_not_run_out_of_memory(job: NewJob, cgroup: Path) -> None:
    one = job("import os; os.kill(os.getpid(), 9)")
    one.change_plan(scheduler="slurm", launcher="none")
    one.launcher = ["sh", "-c", MOVED, str(cgroup / "cgroup.procs")]
    assert one.run(SLURM_JOB_ID="4711") == 137
    assert (one.outcome.cause, one.outcome.signal) == (Cause.SCRIPT, 9)
