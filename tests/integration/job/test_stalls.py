"""Stalled runs: those without any activity."""

from __future__ import annotations

from .jobs import NewJob, many

WAITS = """\
import os, threading, time
def wait_for_what_does_not_come():
    threading.Event().wait(60)
open("outputs/started", "a").write(os.environ["SLURMTF_ATTEMPT"])
if os.environ["SLURMTF_ATTEMPT"] == "1":
    wait_for_what_does_not_come()
"""
COMPUTES = """\
import time
end = time.time() + 20
while time.time() < end:
    pass
"""


def test_the_stacks_of_all_tasks_are_there_and_the_run_starts_again(job: NewJob) -> None:
    one = job(WAITS, stall={"minutes": 0.05, "action": "end"}, restarts={"stall": 1})
    many(one, 2)
    one.change_plan(launcher="spawn")
    one.launcher = [one.python, "-I", one.layout.agent, "spawn", "2", "--"]
    assert one.run() == 0
    assert {event["minutes"] for event in one.events("stalled")} == {0.05}
    assert [(event["how"], event["cause"]) for event in one.events("restart")] == [("launch", "stall")]
    for rank in range(2):
        assert "wait_for_what_does_not_come" in (one.folder / f"stacks/worker-{rank}.txt").read_text()


def test_asking_for_stacks_does_not_kill_a_script_without_a_handler(job: NewJob) -> None:
    one = job("import time; time.sleep(6)", stall={"minutes": 0.05})
    one.script = [one.python, "-I", "-S", "train.py"]
    assert one.run() == 0
    assert {event["minutes"] for event in one.events("stalled")} == {0.05}
    assert "0.05 minutes" in one.log()


def test_a_script_that_computes_or_writes_does_not_stall(job: NewJob) -> None:
    works = "import time\nend = time.time() + 7\nwhile time.time() < end - 3.5: pass\n"
    writes = "while time.time() < end: print('line', flush=True); time.sleep(0.3)"
    one = job(works + writes, stall={"minutes": 0.05, "action": "end"})
    assert one.run() == 0
    assert one.events("stalled") == []


def test_ranks_that_compute_while_they_wait_stall_where_cpu_does_not_count(job: NewJob) -> None:
    one = job(COMPUTES, stall={"minutes": 0.05, "action": "end", "cpu": False})
    assert one.run() != 0
    assert {event["minutes"] for event in one.events("stalled")} == {0.05}
