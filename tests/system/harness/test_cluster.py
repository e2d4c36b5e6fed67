"""What a job finds on the test cluster, in each of its variants."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.machine import wait_for
from tests.patience import HANG_S

pytestmark = pytest.mark.slurm

NODES = {"node1", "node2", "node3", "node4"}
DONE = "COMPLETED"

# Each node listens on one port and connects to all nodes, including itself.
MEETING = """
import socket, time
def call(node):
    while True:
        try:
            return socket.create_connection((node, 7000), 1)
        except OSError:
            time.sleep(0.05)
server = socket.create_server(("", 7000))
calls = [call(node) for node in ("node1", "node2", "node3", "node4")]
for _ in calls:
    server.accept()
"""


def output(cluster: Cluster, *argv: str) -> str:
    done = cluster.run(*argv, timeout=HANG_S)
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()


def submit(cluster: Cluster, *options: str) -> str:
    return output(cluster, "sbatch", "--parsable", "--output=/dev/null", *options)


def wait_for_queue(cluster: Cluster, job: str, field: str, value: str) -> None:
    query = ("squeue", "--noheader", "--states=all", f"--jobs={job}", f"--format={field}")
    wait_for(lambda: output(cluster, *query) == value, f"job {job} {value}")


def wait_for_account(cluster: Cluster, job: str, field: str, value: str) -> None:
    query = ("sacct", "--noheader", "--parsable2", "--allocations", "--duplicates")
    wait_for(lambda: value in output(cluster, *query, f"--jobs={job}", f"--format={field}"), f"{value} in sacct")


def test_every_node_is_a_separate_machine(slurm: Cluster) -> None:
    seen = output(slurm, "srun", "-N4", "sh", "-c", "echo $(hostname) $(hostname -I) $(readlink /proc/self/ns/pid)")
    names, addresses, processes = zip(*(line.split() for line in seen.splitlines()), strict=True)
    assert set(names) == NODES == set(slurm.nodes)
    assert len(set(addresses)) == len(set(processes)) == len(NODES)


def test_a_node_keeps_no_ended_process(slurm: Cluster) -> None:
    orphan = output(slurm, "srun", "-wnode1", "sh", "-c", "(true & echo $!)")
    gone = ("srun", "-wnode1", "sh", "-c", f"test ! -e /proc/{orphan}")
    wait_for(lambda: slurm.run(*gone).returncode == 0, f"end of the orphan {orphan}")
    states = output(slurm, "srun", "-wnode1", "ps", "-A", "-o", "ppid=,stat=")
    assert not [line for line in states.splitlines() if line.split()[0] == "1" and "Z" in line]


def test_nodes_reach_each_other_on_the_same_port(slurm: Cluster) -> None:
    output(slurm, "srun", "-N4", sys.executable, "-c", MEETING)


@pytest.mark.parametrize(("node", "gpus", "visible"), [("node1", "a100:4", "0,1,2,3"), ("node3", "v100:2", "0,1")])
def test_gpus(slurm: Cluster, node: str, gpus: str, visible: str) -> None:
    assert output(slurm, "srun", f"-w{node}", f"--gres=gpu:{gpus}", "printenv", "CUDA_VISIBLE_DEVICES") == visible


def test_a_node_without_gpus_refuses_gpu_jobs(slurm: Cluster) -> None:
    refused = slurm.run("sbatch", "-wnode4", "--gres=gpu:1", "--wrap=true")
    assert "Requested node configuration is not available" in refused.stderr


def test_a_batch_job_runs_on_four_nodes(slurm: Cluster, tmp_path: Path) -> None:
    job = submit(slurm, "-N4", f"--output={tmp_path}/out", "--wrap=srun hostname")
    wait_for_account(slurm, job, "State", DONE)
    assert set((tmp_path / "out").read_text().split()) == NODES
    stored = ("sacct", f"--jobs={job}", "--batch-script")
    wait_for(lambda: "srun hostname" in output(slurm, *stored), "the script in sacct")


def test_gpus_and_accounts_are_recorded(slurm: Cluster) -> None:
    job = submit(slurm, "-N2", "--gpus-per-node=2", "--account=chemistry", "--qos=high", "--wrap=true")
    wait_for_account(slurm, job, "State,Account,QOS", f"{DONE}|chemistry|high")
    wait_for_account(slurm, job, "AllocTRES", "gres/gpu=4")


def test_a_job_can_submit_jobs(slurm: Cluster) -> None:
    script = "command -v sbatch; sbatch --parsable -o /dev/null --wrap=true"
    found, submitted = output(slurm, "srun", "sh", "-c", script).split()
    assert not found.startswith(str(slurm.directory))
    assert submitted.isdigit()


def test_pmix_has_a_folder_on_every_node(slurm: Cluster) -> None:
    ranks = output(slurm, "srun", "--mpi=pmix", "-N2", "-n4", "printenv", "PMIX_RANK")  # needs libpmix-dev
    assert sorted(ranks.split()) == ["0", "1", "2", "3"]


def test_partition_high_preempts_low(slurm: Cluster) -> None:
    low = submit(slurm, "-plow", "-N4", "--exclusive", "--wrap=sleep 3600")
    wait_for_queue(slurm, low, "%T", "RUNNING")
    high = submit(slurm, "-phigh", "-N4", "--exclusive", "--wrap=true")
    wait_for_queue(slurm, high, "%T", DONE)
    wait_for_account(slurm, low, "State", "PREEMPTED")
    output(slurm, "scancel", low)


def test_partition_short_has_a_limit_of_one_minute(slurm: Cluster) -> None:
    job = submit(slurm, "-pshort", "--time=2", "--wrap=true")
    wait_for_queue(slurm, job, "%r", "PartitionTimeLimit")
    output(slurm, "scancel", job)


def test_a_node_loses_its_jobs_in_a_power_cut(slurm: Cluster) -> None:
    job = submit(slurm, "-wnode4", "--no-requeue", "--wrap=sleep 3600")
    wait_for_queue(slurm, job, "%T", "RUNNING")
    slurm.kill_node("node4")
    assert not slurm.alive()["node4"]
    slurm.start_node("node4")
    wait_for_queue(slurm, job, "%T", "NODE_FAIL")
    assert output(slurm, "srun", "-wnode4", "hostname") == "node4"


def test_the_test_process_can_submit_jobs(slurm_env: Cluster) -> None:
    job = subprocess.run(["srun", "hostname"], capture_output=True, text=True, check=True)
    assert job.stdout.strip() in slurm_env.nodes


def test_without_accounting(slurm_noaccounting: Cluster) -> None:
    assert set(output(slurm_noaccounting, "srun", "-N4", "hostname").split()) == NODES
    assert "accounting storage is disabled" in slurm_noaccounting.run("sacct").stderr


def test_one_cluster_allows_only_tiny_arrays(slurm_tinyarray: Cluster) -> None:
    submit(slurm_tinyarray, "--array=0-4", "--wrap=true")
    assert "Invalid job array" in slurm_tinyarray.run("sbatch", "--array=0-5", "--wrap=true").stderr


def test_clusters_are_isolated_from_each_other(slurm: Cluster, slurm_noaccounting: Cluster, slurm_tinyarray: Cluster) -> None:
    clusters = {"first": slurm, "second": slurm_noaccounting, "third": slurm_tinyarray}
    for name, cluster in clusters.items():
        submit(cluster, "--hold", f"--job-name={name}", "--wrap=true")
    for name, cluster in clusters.items():
        names = output(cluster, "squeue", "--noheader", "--format=%j").split()
        assert set(names) & clusters.keys() == {name}
        output(cluster, "scancel", f"--name={name}")
    leave_and_look = 'ls /dev/shm | grep mark; touch "/dev/shm/mark-$SLURMD_NODENAME"'
    assert [output(cluster, "srun", "-N4", "sh", "-c", leave_and_look) for cluster in clusters.values()] == [""] * 3


def test_another_slurm_release_is_available(slurm24: Cluster, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    script = f"hostname; sinfo --version; ls {tmp_path} {Path(__file__).parent}"
    seen = output(slurm24, "srun", "-N4", "sh", "-c", script)
    assert seen.count("slurm-wlm 24.11") == 4
    assert {*seen.split()} > {*NODES, "file", "test_cluster.py"}
    # Slurm 22.05 does not bind GPUs that are asked for by type.
    visible = output(slurm24, "srun", "-n2", "--gpus-per-task=a100:1", "printenv", "CUDA_VISIBLE_DEVICES")
    assert sorted(visible.split()) == ["0", "1"]
    wait_for(lambda: DONE in output(slurm24, "sacct", "--noheader", "--format=State"), "sacct")
