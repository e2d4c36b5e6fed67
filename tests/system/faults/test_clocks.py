"""Nodes whose clocks are 90 s or hours ahead or behind, so that the times that jobs record differ from everybody else's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from slurmtf import RunStatus
from slurmtf.job.contract.attempt.outcome import Cause
from tests.patience import until
from tests.system.slurm.support import (
    Lab,
    call,
    get_job,
    log,
    read_journal,
    wait_for_status,
    wait_until_ended,
    wait_until_started,
)

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("faults")]

# Shifts the time of day that a job's processes see; monotonic clocks are unchanged.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
static long off(void) { const char *text = getenv("CLOCK_OFF_S"); return text ? atol(text) : 0; }
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, now);
    if (code == 0 && clock == CLOCK_REALTIME) now->tv_sec += off();
    return code;
}
time_t time(time_t *now) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (now) *now = found.tv_sec;
    return found.tv_sec;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}
"""
PROFILE = """
extends: slurm
environment:
  prologue:
  - '[ "${SLURM_RESTART_COUNT:-0}" = 0 ] && export CLOCK_OFF_S=%s || export CLOCK_OFF_S=%s'
  - export LD_PRELOAD=%s
"""
GATED = """
import os, pathlib, sys, time
again = os.environ.get("SLURM_RESTART_COUNT", "0")
pathlib.Path("outputs/here" + again.strip("0")).touch()
while not pathlib.Path("outputs/gate").exists():
    time.sleep(0.1)
print("start", again)
sys.exit(int(sys.argv[1]))
"""


def lab_with(folder: Path, first: int, later: int) -> Lab:
    """Return a lab whose jobs' clocks are off by so many seconds, in their first start and in later ones."""
    folder.mkdir()
    library, profile = folder / "clock.so", folder / "off.yaml"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, "-x", "c", "-"], input=CLOCK, text=True, check=True)
    profile.write_text(PROFILE % (first, later, library))
    return Lab(folder, str(profile))


def test_clocks_that_are_90_s_off(tmp_path: Path) -> None:
    """The first start of one run seems later than its second; the other run fails in the past."""
    turned = lab_with(tmp_path / "ahead", 90, 0).submit(GATED, script_params=["0"])
    behind = lab_with(tmp_path / "behind", -90, 0).submit(GATED, script_params=["5"], launcher="srun")
    wait_until_started(turned, behind)
    firsts = [next(one["time"] for one in read_journal(run) if one["event"] == "started") for run in (turned, behind)]
    assert firsts[0] - firsts[1] > 150
    assert [run.state.status for run in (turned, behind)] == [RunStatus.RUNNING] * 2
    call("scontrol", "requeue", get_job(turned))
    (behind.folder / "outputs/gate").touch()
    (failed,) = wait_until_ended(behind)
    assert (failed.status, failed.cause, failed.exit_code) == (RunStatus.FAILED, Cause.SCRIPT, 5)
    until((turned.folder / "outputs/here1").exists, "its second start")
    again = wait_for_status(turned, RunStatus.RUNNING)
    assert again.attempt == 1
    assert turned.state.outcome is None
    (turned.folder / "outputs/gate").touch()
    (state,) = wait_until_ended(turned)
    assert (state.status, state.attempt, log(turned)) == (RunStatus.COMPLETED, 1, "start 1\n")


def test_clocks_that_are_hours_off(tmp_path: Path) -> None:
    """Until it ends, a run may show as preparing, but never as ended, and then its outcome is right. (srun itself gives up.)"""
    ahead = lab_with(tmp_path / "ahead", 5 * 3600, 0).submit(GATED, script_params=["0"], launcher="none")
    behind = lab_with(tmp_path / "behind", -5 * 3600, 0).submit(GATED, script_params=["5"], launcher="none")
    wait_until_started(ahead, behind)
    for run in (ahead, behind):
        assert run.state.status in (RunStatus.PREPARING, RunStatus.RUNNING)
        assert run.state.outcome is None
        (run.folder / "outputs/gate").touch()
    done, failed = wait_until_ended(ahead, behind)
    assert (done.status, done.cause, done.exit_code) == (RunStatus.COMPLETED, Cause.SCRIPT, 0)
    assert (failed.status, failed.cause, failed.exit_code) == (RunStatus.FAILED, Cause.SCRIPT, 5)
