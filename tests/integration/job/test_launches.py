"""Several launches in one allocation, one after the other; and a job that Slurm starts again although its work is done."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .jobs import Job, NewJob, many

TELLS = """\
import json, os, sys, time
seen = {name: value for name, value in os.environ.items() if name.startswith(("SLURMTF_", "HOROVOD_", "TRIAL", "TF_CONFIG"))}
with open("outputs/{}-{}.json".format(os.environ["TRIAL"], os.environ["SLURMTF_RANK"]), "w") as file:
    json.dump({"arguments": sys.argv[1:], "environ": seen}, file)
print("trial", os.environ["TRIAL"], flush=True)
while "TF_CONFIG" in os.environ and not os.path.exists("outputs/{}-0.json".format(os.environ["TRIAL"])):
    time.sleep(0.01)  # a parameter server is ended when the workers are done, whether it has begun or not
if os.environ.get("SLURMTF_ROLE") == "ps":
    time.sleep(3600)
"""
LEAVES_A_PORT = """\
import os, urllib.request
def store(verb, path, body=None):
    host, port = (os.environ["HOROVOD_GLOO_RENDEZVOUS_" + name] for name in ("ADDR", "PORT"))
    request = urllib.request.Request("http://{}:{}/{}".format(host, port, path), data=body, method=verb)
    return urllib.request.urlopen(request, timeout=30).read()
rank = os.environ["HOROVOD_RANK"]
try:
    store("GET", "global/" + rank)
    raise SystemExit("the store of another launch")
except urllib.error.HTTPError as err:
    assert err.code == 404
store("PUT", "global/" + rank, os.environ["TRIAL"].encode())
assert store("GET", "global/" + rank) == os.environ["TRIAL"].encode()
"""


def order(number: int, **variables: str) -> dict[str, Any]:
    return {
        "arguments": ["--trial", str(number)],
        "variables": {"TRIAL": str(number), **variables},
        "folder": f"trial-{number}",
    }


def seen(job: Job, trial: int, rank: int) -> Any:
    return json.loads((job.folder / f"trial-{trial}/outputs/{trial}-{rank}.json").read_text())


def three(job: Job, count: int) -> None:
    job.change_plan(launches=[order(number) for number in range(3)], launcher="spawn")
    job.launcher = [sys.executable, "-I", job.layout.agent, "spawn", str(count), "--"]


def check(job: Job, labels: list[str]) -> None:
    assert [event["launch"] for event in job.events("launched")] == [0, 1, 2]
    assert [(event["launch"], event["exit_code"]) for event in job.events("launch-ended")] == [(0, 0), (1, 0)]
    assert len(job.events("started")) == len(job.events("prepared")) == len(job.events("ended")) == 1
    for trial in range(3):
        for rank, label in enumerate(labels):
            assert seen(job, trial, rank)["arguments"] == ["--trial", str(trial)]
            assert Path(job.layout.launch(f"trial-{trial}").task_log(label, "out")).read_text() == f"trial {trial}\n"
    assert job.processes() == []


def test_parameter_servers_run_in_three_launches(job: NewJob) -> None:
    one = job(TELLS)
    one.change_plan(distribution__roles=[["ps", 1], ["worker", 2]], distribution__backend="ps", distribution__cluster=True)
    one.change_plan(distribution__cyclic=True, distribution__straggler_grace_s=60, size__tasks=3, size__tasks_per_node=3)
    three(one, 3)
    assert one.run() == 0, one.log()
    check(one, ["ps-0", "worker-0", "worker-1"])
    clusters = [json.loads(seen(one, trial, 1)["environ"]["TF_CONFIG"])["cluster"] for trial in range(3)]
    assert [{role: len(hosts) for role, hosts in cluster.items()} for cluster in clusters] == [{"ps": 1, "worker": 2}] * 3


def test_horovods_rendezvous_runs_in_three_launches(job: NewJob) -> None:
    """Each launch has its own store: what an earlier one left there would mislead the next."""
    one = job(LEAVES_A_PORT + TELLS)
    many(one, 2)
    one.change_plan(distribution__backend="mpi", distribution__gloo=True)
    three(one, 2)
    assert one.run() == 0, (one.log(), one.end)
    check(one, ["worker-0", "worker-1"])
    ports = [seen(one, trial, 0)["environ"]["HOROVOD_GLOO_RENDEZVOUS_PORT"] for trial in range(3)]
    assert len(set(ports)) == 3


def test_a_failed_launch_does_not_prevent_the_next(job: NewJob) -> None:
    one = job(TELLS + "sys.exit(int(os.environ.get('FAIL', 0)))")
    one.change_plan(launches=[order(0), order(1, FAIL="3"), order(2)])
    assert one.run() == 3
    assert [event["exit_code"] for event in one.events("launch-ended")] == [0, 3]
    assert seen(one, 2, 0)["arguments"] == ["--trial", "2"]
    assert (one.end["cause"], one.end["exit_code"], one.end["log"]) == ("script", 3, "trial-1/logs/main-0.err")
    assert one.result() == one.error


def test_a_stop_cancels_all_later_launches(job: NewJob) -> None:
    one = job(TELLS + "open('outputs/ready', 'w').close(); import time; time.sleep(3600)")
    one.change_plan(launches=[order(0), order(1)])
    one.start_and_await("trial-0/outputs/ready").terminate()
    assert one.wait() == 143
    assert (one.end["cause"], len(one.events("launched"))) == ("canceled", 1)


# --- decided during the job

DECIDES = """
class orders(Orders):
    def __init__(self, plan):
        self.ended, self.plan = [], plan
    def take_next(self, left_s):
        number = len(self.ended)
        if number == {count}:
            return None
        return LaunchOrder(("--trial", str(number)), {{"TRIAL": str(number)}}, "trials/{{}}".format(number), last=False)
    def on_launch_ended(self, order, outcome):
        self.ended.append((order.folder, outcome.cause.value, outcome.exit_code, outcome.log))
    def decide_call_off(self):
        return {{"policy": "bandit"}} if os.path.exists("trials/{{}}/outputs/hopeless".format(len(self.ended))) else None
    def conclude(self, last):
        print(self.ended, flush=True)
        return Outcome(Cause.SCRIPT, exit_code=0)
"""
TRIES = """\
import json, os, sys, time
trial, own = os.environ["TRIAL"], os.environ["SLURMTF_LAUNCH_FOLDER"]
assert os.path.realpath("outputs") == own + "/outputs" and os.path.realpath("logs") == own + "/logs"
assert os.listdir("outputs") == [] and __import__("helper").__file__.split("/")[-2:] == ["work", "helper.py"]
with open("outputs/facts.json", "w") as file:
    json.dump({"arguments": sys.argv[1:], "cwd": os.getcwd(), "environ": dict(os.environ)}, file)
open("scratch", "x").close()
if trial == "0":
    sys.exit(3)
if trial == "1":
    open("outputs/hopeless", "w").close()
    time.sleep(3600)
"""


def facts(job: Job, trial: int) -> Any:
    return json.loads((job.folder / f"trials/{trial}/outputs/facts.json").read_text())


def test_the_next_launch_is_decided_during_the_job(job: NewJob) -> None:
    """The first fails, a policy ends the second; each has its own arguments, variables, logs and outputs."""
    one = job(TRIES, {"helper.py": ""})
    one.orders = DECIDES.format(count=3)
    assert one.run() == 0, (one.log(), [path.read_text() for path in one.folder.glob("trials/*/logs/*.err")])
    assert one.log().strip() == str(
        [
            ("trials/0", "script", 3, "trials/0/logs/main-0.err"),
            ("trials/1", "called-off", None, ""),
            ("trials/2", "script", 0, ""),
        ]
    )
    for trial in range(3):
        own = one.folder / f"trials/{trial}"
        assert facts(one, trial)["arguments"] == ["--trial", str(trial)]
        assert facts(one, trial)["cwd"] == str(own / "work")
        assert facts(one, trial)["environ"]["SLURMTF_RUN_FOLDER"] == str(one.folder)
        assert facts(one, trial)["environ"]["PYTHONPATH"].split(":")[:2] == [one.layout.hook, str(own / "work")]
    ends = [(event["launch"], event["cause"], event["detail"]) for event in one.events("launch-ended")]
    assert ends == [(0, "script", {}), (1, "called-off", {"policy": "bandit"}), (2, "script", {})]
    assert (one.end["cause"], one.result()[0]) == ("script", "success")
    assert not (one.folder / "work/scratch").exists(), "a launch's files do not get into another one's way"
    assert {path.stat().st_mode & 0o777 for path in one.folder.glob("trials/*/*")} == {0o700}


def test_a_job_without_launches_ends_at_once(job: NewJob) -> None:
    one = job(TRIES, {"helper.py": ""})
    one.orders = DECIDES.format(count=0)
    assert one.run() == 0, one.log()
    assert one.names() == ["started", "prepared", "finalizing", "ended"]


def test_a_stop_while_the_next_launch_is_decided_cancels_the_job(job: NewJob) -> None:
    one = job(TRIES, {"helper.py": ""})
    wait = "import time; open('outputs/ready', 'w').close(); time.sleep(1.5)"
    one.orders = DECIDES.format(count=1).replace("if number == 1:", f"if number == 1:\n            {wait}")
    one.start_and_await().terminate()
    assert one.wait() == 143
    assert (one.end["cause"], one.end["signal"]) == ("canceled", 15)
    assert [event["exit_code"] for event in one.events("launch-ended")] == [3]


SUBSET = """
class orders(Orders):
    tasks = [("check", 2, ("check.py",)), ("ps", 0, ()), ("worker", 1, ())]
    def __init__(self, plan):
        self.plan, self.left, self.launcher = plan, list(self.tasks), list(plan.launcher_words)
    def take_next(self, left_s):
        if not self.left:
            return None
        role, count, command = self.left.pop(0)
        roles = ((role, count),) if count else self.plan.distribution.roles
        own = None if not count else self.plan.distribution._replace(roles=roles, cluster=not command)
        python = os.path.realpath(sys.executable)
        launcher = tuple(str(count) if word == "3" else word for word in self.launcher) if count else ()
        own_command = (python,) + command if command else ()
        return LaunchOrder((role,), {"TRIAL": role}, role, own_command, own, None, launcher, not self.left)
    def conclude(self, last):
        return last
"""


def test_launches_may_differ_in_tasks_and_command(job: NewJob) -> None:
    """A health check by two tasks, then the training, then one worker alone: each is a launch with its own order."""
    one = job(TELLS, {"check.py": TELLS})
    one.change_plan(distribution__roles=[["ps", 1], ["worker", 2]], distribution__backend="ps", distribution__cluster=True)
    one.change_plan(distribution__cyclic=True, distribution__straggler_grace_s=60, size__tasks=3, size__tasks_per_node=3)
    one.launcher = [sys.executable, "-I", one.layout.agent, "spawn", "3", "--"]
    one.change_plan(launcher="spawn", launcher_words=one.launcher)
    one.orders = SUBSET
    assert one.run() == 0, (one.log(), one.end)
    labels = [[event["task"] for event in one.events("task-ended")][slice(*part)] for part in ((0, 2), (2, 5), (5, 6))]
    assert list(map(sorted, labels)) == [["check-0", "check-1"], ["ps-0", "worker-0", "worker-1"], ["worker-0"]]
    reports = [json.loads((one.folder / f"{role}/outputs/{role}-0.json").read_text()) for role in ("check", "ps", "worker")]
    assert [each["environ"]["SLURMTF_WORLD_SIZE"] for each in reports] == ["2", "3", "1"]
    assert [each["arguments"] for each in reports] == [["check"], ["ps"], ["worker"]]
    clusters = [json.loads(each["environ"].get("TF_CONFIG", "{}")).get("cluster", {}) for each in reports]
    assert [{role: len(hosts) for role, hosts in each.items()} for each in clusters] == [
        {},
        {"ps": 1, "worker": 2},
        {"worker": 1},
    ]


# --- started again

COUNTS = "import sys\nopen('outputs/count', 'a').write('x')\nsys.exit(int(sys.argv[1]))"


@pytest.mark.parametrize(("status", "times"), [(0, 1), (3, 2)])
def test_a_requeued_job_whose_work_is_done_ends_at_once(job: NewJob, status: int, times: int) -> None:
    """The batch step's slurmstepd was killed, the supervisor survived and succeeded, and Slurm requeued the job."""
    one = job(COUNTS)
    one.script = [one.python, "train.py", str(status)]
    one.change_plan(scheduler="slurm", launcher="srun")
    assert one.run(SLURM_JOB_ID="4711") == status
    assert one.run(SLURM_JOB_ID="4711", SLURM_RESTART_COUNT="1") == status
    assert (one.folder / "outputs/count").read_text() == "x" * times
    assert len(one.events("launched")) == times
    assert [event["exit_code"] for event in one.events("ended")] == [status] * 2
    assert one.result("4711")[0] == ("error" if status else "success")


def test_another_job_of_the_run_trains_again(job: NewJob) -> None:
    one = job(COUNTS)
    one.script = [one.python, "train.py", "0"]
    one.change_plan(scheduler="slurm", launcher="srun")
    for job_id in ("4711", "4712"):
        assert one.run(SLURM_JOB_ID=job_id) == 0
    assert (one.folder / "outputs/count").read_text() == "xx"
