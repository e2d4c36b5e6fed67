"""Software, source and data staged to the nodes' own disks on Slurm, and results copied back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import pytest

from slurmtf import Environment, Input, Run, RunStatus, Site
from slurmtf.sites.model import Defaults, Environments, Storage
from tests.cluster import Cluster
from tests.cluster.machine import Machine
from tests.integration.environments.support import write_wheel
from tests.patience import until
from tests.system.faults.support import processes

from .support import WAIT, Lab, call, get_job, log, read_journal, read_staged, wait_until_ended, wait_until_started

pytestmark = pytest.mark.slurm

TWO_BY_TWO: dict[str, Any] = {
    "node_count": 2,
    "distributed_backend": "mpi",
    "process_count_per_node": 2,
    "sbatch": {"nodelist": "node1,node2"},
}
# Prints where it runs, and writes a file of its own, one that is the same on all nodes, and one that differs.
TELLS = """
import json, os, sys
import speck
node, rank = os.environ["SLURMD_NODENAME"], os.environ["SLURMTF_RANK"]
data, results = os.environ["SLURMTF_INPUT_DATA"], os.environ["SLURMTF_INPUT_RESULTS"]
for name, text in {rank: rank, "alike": "alike", "differs": node}.items():
    with open(os.path.join(results, name), "w") as file:
        file.write(text)
facts = {"node": node, "python": sys.prefix, "speck": speck.__file__, "work": os.getcwd(), "data": data}
print(json.dumps({**facts, "text": open(os.path.join(data, "a.txt")).read()}))
"""


# The task whose agent serves the mount ends at once; the other one reads from the mount afterwards.
MOUNTER_LEAVES = """
import os, sys, time
ours = open("/proc/{0}/task/{0}/children".format(os.getppid())).read().split()
if any("squashfuse" in open("/proc/%s/comm" % pid).read() for pid in ours):
    sys.exit(print("left"))
time.sleep(3)
import speck
print(speck.version)
"""


@pytest.fixture
def disks(tmp_path: Path) -> Path:
    """Return the folder of the nodes' own disks, each named after its node."""
    return tmp_path / "disks"


@pytest.fixture
def site(disks: Path) -> Site:
    return site_of(disks)


PACKS = pytest.mark.parametrize("pack", ["tar", "squashfs"])


def site_of(disks: Path, pack: Literal["tar", "squashfs"] = "tar", **settings: Any) -> Site:
    storage = Storage(local=f"{disks}/$SLURMD_NODENAME", stage="node-local", pack=pack)
    return Site(name="staging", storage=storage, defaults=Defaults(time="5:00"), **settings)


@pytest.fixture
def wheels(tmp_path: Path) -> list[str]:
    """Return pip_packages that request the package speck: a small environment, quick to stage and to remove."""
    folder = write_wheel(tmp_path / "wheels", "speck").parent
    return ["--no-index", f"--find-links {folder}", "speck"]


def inside(disks: Path) -> list[str]:
    """Return what slurmtf has on the nodes' disks."""
    return sorted(str(path.relative_to(disks)) for path in disks.glob("*/slurmtf-*/*/*"))


@PACKS
def test_two_nodes_of_two_tasks_use_their_own_disks(
    lab: Lab, disks: Path, wheels: list[str], pack: Literal["tar", "squashfs"]
) -> None:
    data, results = lab.folder / "data", lab.folder / "results"
    data.mkdir()
    (data / "a.txt").write_text("content")
    inputs = [Input(data, mode="download"), Input(results, mode="upload")]
    run = lab.submit(TELLS, compute_target=site_of(disks, pack), pip_packages=wheels, inputs=inputs, **TWO_BY_TWO)
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED, run.state.message
    reports = [json.loads(log(run, f"rank-{rank}.out")) for rank in range(4)]
    assert [facts["node"] for facts in reports] == ["node1", "node1", "node2", "node2"]
    for facts in reports:
        own = f"{disks}/{facts['node']}/slurmtf-{os.getuid()}/{facts['node']}/{run.id}"
        assert facts["python"] == f"{own}/env"
        assert facts["speck"].startswith(f"{own}/env/lib/")
        assert (facts["work"], facts["data"], facts["text"]) == (f"{own}/work", f"{own}/inputs/DATA", "content")
    nodes = read_staged(run)
    assert sorted(nodes) == ["node1", "node2"]
    assert all(set(node["phases"]) == {"source", "environment", "input DATA"} for node in nodes.values())
    assert not (run.folder / "work").exists()
    assert {path.name for path in results.iterdir()} >= {"0", "1", "2", "3", "alike", "differs"}
    (beside,) = (path for path in results.iterdir() if path.name.startswith("differs."))
    assert {(results / "differs").read_text(), beside.read_text()} == {"node1", "node2"}
    assert sorted(event["host"] for event in read_journal(run) if event["event"] == "returned") == ["node1", "node2"]
    assert inside(disks) == []


def test_an_outdated_pack_is_removed_with_the_last_run_that_needs_it(lab: Lab, disks: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    own: dict[str, Any] = {"compute_target": site_of(disks), "environment_definition": Environment(python=str(venv))}
    waiting = lab.submit("print(1)", sbatch={"hold": True}, **own)
    (module := next(venv.glob("lib/python*/site-packages")) / "more.py").write_text("")
    second = lab.submit("import more; print(2)", **own)
    packs = [Path(run.plan["job"]["stage"]["pack"]) for run in (waiting, second)]
    assert wait_until_ended(second)[0].status is RunStatus.COMPLETED
    assert lab.data("gc")["items"] == []
    assert [pack.exists() for pack in packs] == [True, True], "a run waits that was submitted with it"
    waiting.cancel()
    wait_until_ended(waiting)
    assert lab.slurmtf("gc", "--dry-run").stdout.splitlines()[1].split()[::3] == ["pack", str(packs[0])]
    module.unlink()
    shutil.rmtree(venv)
    assert lab.slurmtf("env", "remove", "--unused").stdout.count("removed ") == len(packs)
    assert [pack.exists() for pack in packs] == [False, False]


def test_a_mount_outlives_the_task_that_mounted_it(lab: Lab, disks: Path, wheels: list[str]) -> None:
    """The node's other tasks read from it; the last one unmounts it."""
    run = lab.submit(
        MOUNTER_LEAVES,
        compute_target=site_of(disks, "squashfs"),
        pip_packages=wheels,
        distributed_backend="mpi",
        process_count_per_node=2,
    )
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED, run.state.message
    assert sorted(log(run, f"rank-{rank}.out").strip() for rank in range(2)) == ["1.0", "left"]
    assert inside(disks) == []
    assert str(disks) not in Path("/proc/mounts").read_text()


def test_a_job_packs_the_environment_that_it_builds(lab: Lab, disks: Path, wheels: list[str]) -> None:
    by_job = site_of(disks, environments=Environments(build="job", job={"time": "5:00"}))
    run = lab.submit("import speck, sys; print(sys.prefix)", compute_target=by_job, pip_packages=wheels)
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED, run.state.message
    assert log(run).startswith(str(disks))
    assert [node["warnings"] for node in read_staged(run).values()] == [[]]


@pytest.fixture
def full_node(slurm: Cluster, disks: Path) -> Iterator[None]:
    """Give node2 a disk of 1 MiB."""
    place = disks / "node2"
    place.mkdir(parents=True)
    node = Machine(slurm.directory / "machines" / "node2", {}, slurm.directory / "log" / "node2.log")
    node.run("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(place))
    try:
        yield
    finally:
        node.run("umount", "-l", str(place))


@pytest.mark.usefixtures("full_node")
def test_a_node_without_room_uses_shared_files(lab: Lab, site: Site, disks: Path, wheels: list[str]) -> None:
    script = "import os, speck, sys; print(os.environ['SLURMD_NODENAME'], sys.prefix, os.getcwd())"
    run = lab.submit(script, compute_target=site, pip_packages=wheels, **TWO_BY_TWO)
    assert wait_until_ended(run)[0].status is RunStatus.COMPLETED, run.state.message
    reports = [log(run, f"rank-{rank}.out").split() for rank in range(4)]
    assert all(prefix.startswith(str(disks)) and work.startswith(str(disks)) for _, prefix, work in reports[:2])
    assert all(work == run.layout.work and not prefix.startswith(str(disks)) for _, prefix, work in reports[2:])
    warnings = read_staged(run)["node2"]["warnings"]
    assert len(warnings) == 2
    assert read_staged(run)["node1"]["warnings"] == []
    assert any("warning: environment" in log(run, f"rank-{rank}.err") for rank in (2, 3))


def test_nothing_is_left_of_a_canceled_run(lab: Lab, site: Site, disks: Path, wheels: list[str]) -> None:
    run = lab.submit(WAIT, compute_target=site, pip_packages=wheels, **TWO_BY_TWO)
    wait_until_started(run)
    assert inside(disks)
    call("scancel", get_job(run))
    assert wait_until_ended(run)[0].status is RunStatus.CANCELED
    until(lambda: not inside(disks), "clean disks")


def test_a_run_canceled_while_it_copies_leaves_nothing(lab: Lab, site: Site, disks: Path, wheels: list[str]) -> None:
    data = lab.folder / "data"
    data.mkdir()
    with open(data / "big", "wb") as file:
        file.truncate(2 << 30)
    inputs = [Input(data, mode="download")]
    run = lab.submit("print('ran')", compute_target=site, pip_packages=wheels, inputs=inputs)
    until(lambda: list(disks.glob("*/*/*/*/inputs/DATA/big")), "a copy that has begun")
    signal_all(run, signal.SIGSTOP)
    assert "Starting (staging: 0 of 1 nodes ready)" in lab.slurmtf("status", run.id).stdout
    call("scancel", get_job(run))
    signal_all(run, signal.SIGCONT)
    assert wait_until_ended(run)[0].status is RunStatus.CANCELED
    until(lambda: not inside(disks), "a clean disk")
    assert "ran" not in log(run)


def test_a_failed_run_leaves_nothing_and_its_results_are_copied_back(
    lab: Lab, site: Site, disks: Path, wheels: list[str]
) -> None:
    results = lab.folder / "results"
    script = "import os, sys; open(os.environ['SLURMTF_INPUT_RESULTS'] + '/log', 'w').close(); sys.exit(3)"
    run = lab.submit(script, compute_target=site, pip_packages=wheels, inputs=[Input(results, mode="upload")])
    (state,) = wait_until_ended(run)
    assert (state.status, state.exit_code) == (RunStatus.FAILED, 3)
    assert [path.name for path in results.iterdir()] == ["log"]
    assert inside(disks) == []


@PACKS
def test_the_next_job_removes_what_a_killed_node_left(
    lab: Lab, disks: Path, wheels: list[str], pack: Literal["tar", "squashfs"]
) -> None:
    site = site_of(disks, pack)
    run = lab.submit(WAIT, compute_target=site, pip_packages=wheels, sbatch={"nodelist": "node1", "no-requeue": True})
    wait_until_started(run)
    kill_on_nodes(run, get_job(run))
    left = inside(disks)
    assert [Path(path).name for path in left] == [run.id, f"{run.id}.lock"]
    call("scancel", get_job(run))
    following = lab.submit("print('ran')", compute_target=site, pip_packages=wheels, sbatch={"nodelist": "node1"})
    assert wait_until_ended(following)[0].status is RunStatus.COMPLETED
    assert inside(disks) == []


def signal_all(run: Run, number: int) -> None:
    for process in processes(run):
        process.kill(number)


def kill_on_nodes(run: Run, job_id: str) -> None:
    """Kill all processes of a job at once, including Slurm's own."""
    marks = (os.fsencode(run.folder), b"slurmstepd: [" + job_id.encode())
    for number in (signal.SIGSTOP, signal.SIGKILL):  # otherwise those that survive for a moment would begin to clean up
        for pid in [int(path.name) for path in Path("/proc").glob("[0-9]*") if _bears(path, marks)]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _bears(process: Path, marks: tuple[bytes, ...]) -> bool:
    """Tell whether a live process has one of the marks in its command line or its variables."""
    with suppress(OSError):
        dead = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
        texts = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        return not dead and any(mark in texts for mark in marks)
    return False
