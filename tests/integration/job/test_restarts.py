"""Restarts on a machine without a scheduler: each is a new launch, limited by the plan's budgets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .jobs import NewJob

COUNTS = """\
import os, pathlib, sys, time
attempt = int(os.environ["SLURMTF_ATTEMPT"])
with open("outputs/attempts", "a") as file:
    file.write("{}\\n".format(attempt))
"""


def read_attempts(job: Any) -> list[str]:
    return str((job.folder / "outputs/attempts").read_text()).split()


def test_a_script_that_fails_is_started_again_until_its_budget_is_used(job: NewJob) -> None:
    one = job(COUNTS + "sys.exit('error {}'.format(attempt))", restarts={"script": 2})
    assert one.run() == 1
    assert read_attempts(one) == ["1", "2", "3"]
    decisions = [(event["how"], event["why"], event["number"], event["at_most"]) for event in one.events("restart")]
    assert decisions == [("launch", "script", 2, 3), ("launch", "script", 3, 3), ("end", "budget-used", 4, 3)]
    assert [event["place"] for event in one.events("restart")] == ["error 1", "error 2", "error 3"]
    assert (one.end["cause"], one.end["exit_code"]) == ("script", 1)
    assert one.result() == one.error
    assert one.processes() == []


def test_the_same_failure_twice_ends_the_run(job: NewJob) -> None:
    one = job(COUNTS + "sys.exit('always the same')", restarts={"script": 9})
    assert one.run() == 1
    assert read_attempts(one) == ["1", "2"]
    assert [event["why"] for event in one.events("restart")] == ["script", "same-failure"]


def test_a_silent_failure_differs_from_one_with_an_error(job: NewJob) -> None:
    one = job(COUNTS + "if attempt == 1:\n    raise ValueError('mine')\nos._exit(3)", restarts={"script": 9})
    assert one.run() == 3
    assert read_attempts(one) == ["1", "2", "3"]
    assert [event["why"] for event in one.events("restart")] == ["script", "script", "same-failure"]
    assert (one.end["log"], one.end["tail"]) == ("logs/main-0.err", "")


LOGS_AT_FIRST = """\
from slurmtf import Run
if attempt == 1:
    Run.get_context().log("loss", 1.0, step=7)
sys.exit("an error")
"""


def test_the_step_of_a_failure_is_from_its_own_attempt(job: NewJob) -> None:
    one = job(COUNTS + LOGS_AT_FIRST, restarts={"script": 9})
    assert one.run() == 1
    assert [event["place"] for event in one.events("restart")] == ["an error (step 7)", "an error", "an error"]
    assert read_attempts(one) == ["1", "2", "3"]


def test_each_attempt_has_its_own_duration(job: NewJob) -> None:
    one = job(COUNTS + "time.sleep(3 if attempt == 1 else 0); sys.exit('error {}'.format(attempt))", restarts={"script": 1})
    assert one.run() == 1
    first, second = (event["seconds"] for event in one.events("restart"))
    assert first >= 3
    assert first + second <= one.events("ended")[0]["seconds"]


def test_the_run_succeeds_if_a_later_attempt_does(job: NewJob) -> None:
    one = job(COUNTS + "sys.exit(0 if attempt == 2 else 'not yet')", restarts={"script": 9})
    assert one.run() == 0
    assert read_attempts(one) == ["1", "2"]
    assert one.result()[0] == "success"


def test_a_time_limit_of_our_own_begins_anew_for_each_attempt(job: NewJob) -> None:
    one = job(COUNTS + "time.sleep(0 if attempt == 3 else 60)", restarts={"time-limit": 5}, max_run_duration_seconds=4)
    assert one.run() == 0
    assert read_attempts(one) == ["1", "2", "3"]
    assert [event["how"] for event in one.events("restart")] == ["launch", "launch"]


def test_no_attempt_follows_a_cancellation(job: NewJob) -> None:
    one = job(COUNTS + "open('outputs/ready', 'w').close(); time.sleep(60)", restarts={"script": 9, "time-limit": 9})
    one.start_and_await().terminate()
    assert one.wait() == 143
    assert (one.events("restart"), one.end["cause"], read_attempts(one)) == ([], "canceled", ["1"])


RESUMES = """\
import json, os, pathlib, sys
names = ("SLURMTF_ATTEMPT", "SLURMTF_RESUME_FROM", "AZUREML_DATAREFERENCE_MODEL_LOCATION")
with open("outputs/seen", "a") as file:
    file.write(json.dumps([sys.argv[1:], *map(os.environ.get, names)]) + "\\n")
sys.exit(0 if os.environ["SLURMTF_ATTEMPT"] == "2" else "not yet")
"""


def read_resumed(job: Any) -> list[Any]:
    return [json.loads(line) for line in (job.folder / "outputs/seen").read_text().splitlines()]


def test_a_later_attempt_resumes_from_the_earlier_one(job: NewJob) -> None:
    one = job(RESUMES, restarts={"script": 1})
    assert one.run() == 0
    assert read_resumed(one) == [[[], "1", None, None], [[], "2", one.layout.outputs, None]]


def test_only_the_first_attempt_resumes_from_the_users_choice(job: NewJob, tmp_path: Path) -> None:
    earlier = str(tmp_path / "earlier")
    Path(earlier).mkdir()
    given = ["--resume-from", "mine"]
    one = job(RESUMES, restarts={"script": 1}, resume_from=earlier, script_params=given)
    one.script = [one.python, "train.py", *given, "--resume-from", earlier]
    assert one.run() == 0
    own = one.layout.outputs
    assert read_resumed(one) == [
        [[*given, "--resume-from", earlier], "1", earlier, earlier],
        [[*given, "--resume-from", own], "2", own, own],
    ]
