"""A rendezvous of hundreds of tasks, and a cluster that is too long for a variable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurmtf.job.contract import roles
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.plan import read
from slurmtf.job.script import sitecustomize as hook
from slurmtf.job.supervisor import cluster
from slurmtf.job.task.environment import TaskEnvironment
from tests.integration.job.jobs import Job, many, new_job

TASKS = 512

# A launcher whose tasks are connections of one process: it says what 512 agents would say.
CLIENTS = """
import collections, concurrent.futures, os, sys
sys.path.insert(0, sys.argv[2])
import slurmtf_loader
slurmtf_loader.install(sys.path.pop(0), "slurmtf_job")
from slurmtf_job.common import wire
from slurmtf_job.task.link import Link

def meet(rank):
    link = Link(next(wire.open_connections(os.environ[wire.ADDRESS], 30, [])))
    link.join(os.environ[wire.KEY], {"rank": rank, "host": "node%d" % (rank % 64), "pid": rank, "address": "h:%d" % rank})
    return link

def orders(link, wanted):
    received = {}
    while received.get("order") != wanted:
        for message in link.receive():
            received.update(message)
    return received

count = int(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    links = list(pool.map(meet, range(count)))
starts = [orders(link, "start") for link in links]
assert all(start["cluster"] == {"worker": ["h:%d" % rank for rank in range(count)]} for start in starts)
assert collections.Counter(start["sharers"] for start in starts) == {8: count}
for link in links:
    link.send({"event": "task-started"})
    link.send({"event": "task-ended", "exit_code": 0, "signal": None})
for link in links:
    orders(link, "leave")
"""


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    made = new_job(tmp_path)
    made.change_plan(distribution__cluster=True)
    yield made
    made.clean_up()


def test_512_tasks_meet(job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many(job, TASKS)
    clients = tmp_path / "clients.py"
    clients.write_text(CLIENTS)
    job.launcher = [sys.executable, str(clients), str(TASKS), job.layout.agent]
    job.start()
    assert job.wait() == 0, job.log()
    launched = job.events("launched")[0]["time"]
    started = job.events("task-started")
    assert len(started) == len(job.events("task-ended")) == TASKS
    with capsys.disabled():
        print(f"\n{TASKS} tasks: all knew the cluster after {started[0]['time'] - launched:.2f} s", end=" ")


WORKERS, SERVERS = 6000, 12
LOOK = """
import json, os, sys
config = json.loads(os.environ["TF_CONFIG"])
counts = {role: len(hosts) for role, hosts in config["cluster"].items()}
print(json.dumps([counts, config["task"], os.environ.get("SITES_OWN")]))
"""


@pytest.fixture
def huge(job: Job) -> TaskEnvironment:
    """Return the environment of worker 7 in a cluster of thousands."""
    job.change_plan(distribution__roles=[["ps", SERVERS], ["worker", WORKERS]], distribution__cyclic=True)
    job.change_plan(size__tasks=WORKERS + SERVERS, size__nodes=1000)
    plan = read(job.layout.plan)
    dealt = roles.assign_roles(plan)
    addresses = {role.rank: f"node{role.node:04}.cluster.example.org:{10000 + role.rank % 20000}" for role in dealt}
    mine = next(role for role in dealt if role.label == "worker-7")
    Path(job.layout.hook).mkdir(exist_ok=True)
    Path(job.layout.hook, f"{hook.NAME}.py").write_bytes(Path(hook.__file__).read_bytes())
    return TaskEnvironment(plan, job.layout, mine, {"cluster": cluster.build(dealt, addresses)}, {})


def test_a_long_tf_config_reaches_the_script_by_file(huge: TaskEnvironment, tmp_path: Path) -> None:
    own = tmp_path / "site"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import os\nos.environ['SITES_OWN'] = str(len(os.environ['TF_CONFIG']) > 131072)\n")
    variables = huge.build_variables({**os.environ, "PYTHONPATH": str(own)})
    assert "TF_CONFIG" not in variables
    assert all(var.does_fit(name, value) for name, value in variables.items())
    assert "SLURMTF_WORKER_HOSTS" not in variables
    assert len(variables["SLURMTF_PS_HOSTS"].split(",")) == SERVERS
    assert variables["SLURMTF_ADDRESS"].startswith("node")
    file = Path(variables[hook.CONFIG_FILE])
    assert file.stat().st_mode & 0o777 == 0o600
    done = subprocess.run([sys.executable, "-c", LOOK], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"ps": SERVERS, "worker": WORKERS}, {"type": "worker", "index": 7}, "True"]


def test_a_python_without_site_sees_no_truncated_tf_config(huge: TaskEnvironment) -> None:
    """`python -S` runs no sitecustomize: TF_CONFIG is then unset, rather than truncated."""
    variables = huge.build_variables(dict(os.environ))
    look = "import os; print(os.environ.get('TF_CONFIG'))"
    done = subprocess.run([sys.executable, "-S", "-c", look], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"
