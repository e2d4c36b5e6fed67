"""Several launches in one allocation, one after the other; and a job that Slurm starts again though its work is done."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .jobs import Job, Maker, many

TELLS = """\
import json, os, sys
seen = {name: value for name, value in os.environ.items() if name.startswith(("SLURMTF_", "HOROVOD_", "TRIAL", "TF_CONFIG"))}
with open("outputs/{}-{}.json".format(os.environ["TRIAL"], os.environ["SLURMTF_RANK"]), "w") as file:
    json.dump({"arguments": sys.argv[1:], "environ": seen}, file)
print("trial", os.environ["TRIAL"], flush=True)
while "TF_CONFIG" in os.environ and not os.path.exists("outputs/{}-0.json".format(os.environ["TRIAL"])):
    pass  # a parameter server is ended when the workers are done, whether it has begun or not
if os.environ.get("SLURMTF_ROLE") == "ps":
    import time
    time.sleep(600)
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
    return json.loads((job.folder / f"outputs/{trial}-{rank}.json").read_text())


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
            assert Path(job.layout.task_log(label, "out", f"trial-{trial}")).read_text() == f"trial {trial}\n"
    assert job.processes() == []


def test_three_launches_with_parameter_servers(job: Maker) -> None:
    one = job(TELLS)
    one.change_plan(distribution__roles=[["ps", 1], ["worker", 2]], distribution__backend="ps", distribution__cluster=True)
    one.change_plan(distribution__cyclic=True, distribution__straggler_grace_s=60, size__tasks=3, size__tasks_per_node=3)
    three(one, 3)
    assert one.run() == 0, one.log()
    check(one, ["ps-0", "worker-0", "worker-1"])
    clusters = [json.loads(seen(one, trial, 1)["environ"]["TF_CONFIG"])["cluster"] for trial in range(3)]
    assert [{role: len(hosts) for role, hosts in cluster.items()} for cluster in clusters] == [{"ps": 1, "worker": 2}] * 3


def test_three_launches_with_horovods_rendezvous(job: Maker) -> None:
    """Each has a store of its own: what a launch has left there would lead the next one astray."""
    one = job(LEAVES_A_PORT + TELLS)
    many(one, 2)
    one.change_plan(distribution__backend="mpi", distribution__gloo=True)
    three(one, 2)
    assert one.run() == 0, (one.log(), one.end)
    check(one, ["worker-0", "worker-1"])
    ports = [seen(one, trial, 0)["environ"]["HOROVOD_GLOO_RENDEZVOUS_PORT"] for trial in range(3)]
    assert len(set(ports)) == 3


def test_one_that_fails_does_not_keep_the_next_from_starting(job: Maker) -> None:
    one = job(TELLS + "sys.exit(int(os.environ.get('FAIL', 0)))")
    one.change_plan(launches=[order(0), order(1, FAIL="3"), order(2)])
    assert one.run() == 3
    assert [event["exit_code"] for event in one.events("launch-ended")] == [0, 3]
    assert seen(one, 2, 0)["arguments"] == ["--trial", "2"]
    assert (one.end["cause"], one.end["exit_code"], one.end["log"]) == ("script", 3, "logs/trial-1/main-0.err")
    assert one.result() == one.error


def test_a_stop_ends_all_launches_to_come(job: Maker) -> None:
    one = job(TELLS + "open('outputs/ready', 'w').close(); import time; time.sleep(600)")
    one.change_plan(launches=[order(0), order(1)])
    one.start_and_await().terminate()
    assert one.wait() == 143
    assert (one.end["cause"], len(one.events("launched"))) == ("canceled", 1)


# --- started again

COUNTS = "import sys\nopen('outputs/count', 'a').write('x')\nsys.exit(int(sys.argv[1]))"


@pytest.mark.parametrize(("status", "times"), [(0, 1), (3, 2)])
def test_a_requeued_job_whose_work_is_done_ends_at_once(job: Maker, status: int, times: int) -> None:
    """slurmstepd of the batch step was killed, the supervisor lived on and ended well, and Slurm requeued the job."""
    one = job(COUNTS)
    one.script = [one.python, "train.py", str(status)]
    one.change_plan(scheduler="slurm", launcher="srun")
    assert one.run(SLURM_JOB_ID="4711") == status
    assert one.run(SLURM_JOB_ID="4711", SLURM_RESTART_COUNT="1") == status
    assert (one.folder / "outputs/count").read_text() == "x" * times
    assert len(one.events("launched")) == times
    assert [event["exit_code"] for event in one.events("ended")] == [status] * 2
    assert one.result("4711")[0] == ("error" if status else "success")


def test_another_job_of_the_run_trains_again(job: Maker) -> None:
    one = job(COUNTS)
    one.script = [one.python, "train.py", "0"]
    one.change_plan(scheduler="slurm", launcher="srun")
    for job_id in ("4711", "4712"):
        assert one.run(SLURM_JOB_ID=job_id) == 0
    assert (one.folder / "outputs/count").read_text() == "xx"
