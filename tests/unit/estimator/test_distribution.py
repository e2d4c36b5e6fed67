"""The pure parts of distributed training: roles and their placement, the cluster, ports."""

from __future__ import annotations

import json
import socket
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurmtf.job.contract import variables as var
from slurmtf.job.contract.roles import Role, assign_cyclically, assign_in_blocks
from slurmtf.job.supervisor import cluster
from slurmtf.job.task import ports, tf_config
from tests.patience import HANG_S


def labels_by_node(roles: list[Role]) -> list[set[str]]:
    nodes = max(role.node for role in roles) + 1
    return [{role.label for role in roles if role.node == node} for node in range(nodes)]


# --- placement


def test_placement_equals_that_measured_in_azure_ml() -> None:
    """3 nodes, 1 ps, 3 workers: the ps and worker 0 share the first node (facts of Azure ML)."""
    placed = labels_by_node(assign_cyclically([("ps", 1), ("worker", 3)], nodes=3))
    assert placed == [{"ps-0", "worker-0"}, {"worker-1"}, {"worker-2"}]


def test_mpi_ranks_are_placed_in_blocks() -> None:
    assert [role.node for role in assign_in_blocks([("rank", 4)], tasks_per_node=2)] == [0, 0, 1, 1]


@given(
    counts=st.lists(st.integers(0, 20), min_size=1, max_size=4).filter(lambda counts: sum(counts) > 0),
    nodes=st.integers(1, 12),
)
def test_roles_are_placed_cyclically(counts: list[int], nodes: int) -> None:
    names = ["chief", "ps", "worker", "evaluator"]
    wanted = list(zip(names, counts, strict=False))
    roles = assign_cyclically(wanted, nodes)
    assert [role.rank for role in roles] == list(range(sum(counts)))
    assert all(role.node == role.rank % nodes for role in roles)
    assert Counter(role.role for role in roles) == Counter({name: count for name, count in wanted if count})
    for name, count in wanted:
        assert sorted(role.number for role in roles if role.role == name) == list(range(count))
    loads = Counter(role.node for role in roles)
    assert max(loads.values()) - min(loads[node] for node in range(min(nodes, sum(counts)))) <= 1


def test_ten_thousand_tasks_are_placed_and_described() -> None:
    roles = assign_cyclically([("ps", 100), ("worker", 9900)], nodes=1250)
    addresses = {role.rank: f"node{role.node:04d}.cluster.example:{20000 + role.rank % 8}" for role in roles}
    config = tf_config.build_tf_config(cluster.build(roles, addresses), roles[17])
    assert json.loads(config)["task"] == {"type": roles[17].role, "index": roles[17].number}
    assert not var.does_fit("TF_CONFIG", config)


# --- the cluster


def test_a_cluster_has_no_empty_lists_and_no_evaluator() -> None:
    roles = assign_cyclically([("chief", 1), ("ps", 0), ("worker", 2), ("evaluator", 1)], nodes=2)
    found = cluster.build(roles, {role.rank: f"h{role.rank}:1" for role in roles})
    assert set(found) == {"chief", "worker"}
    worker_ranks = [role.rank for role in sorted(roles, key=lambda role: role.number) if role.role == "worker"]
    assert found["worker"] == [f"h{rank}:1" for rank in worker_ranks]


def test_tf_config_names_the_task() -> None:
    config = json.loads(tf_config.build_tf_config({"worker": ["a:1", "b:2"]}, Role(1, "worker", 1, 1)))
    assert config == {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}, "environment": "cloud"}


def test_the_longest_variable_has_linuxs_limit() -> None:
    assert var.does_fit("X", "a" * (128 * 1024 - 3))
    assert not var.does_fit("X", "a" * (128 * 1024 - 2))


def test_horovods_ranks_are_set_for_an_uneven_layout() -> None:
    roles = [Role(rank, "rank", rank, node) for rank, node in enumerate([0, 0, 0, 1])]
    found = cluster.compute_horovod_ranks(roles, {0: "a", 1: "a", 2: "a", 3: "b"})
    local = {rank: (own["HOROVOD_LOCAL_RANK"], own["HOROVOD_LOCAL_SIZE"]) for rank, own in found.items()}
    across = {rank: (own["HOROVOD_CROSS_RANK"], own["HOROVOD_CROSS_SIZE"]) for rank, own in found.items()}
    assert local == {0: (0, 3), 1: (1, 3), 2: (2, 3), 3: (0, 1)}
    assert across == {0: (0, 2), 1: (0, 1), 2: (0, 1), 3: (1, 2)}


# --- ports


def test_a_held_port_can_only_be_shared_with_its_server() -> None:
    held = ports.hold()
    lowest, highest = ports.read_ephemeral_range()
    assert not lowest <= held.number <= highest
    with socket.socket() as stranger, pytest.raises(OSError):
        stranger.bind(("", held.number))
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("", held.number))
        server.listen()
        with socket.create_connection(("127.0.0.1", held.number), timeout=HANG_S):
            server.settimeout(HANG_S)
            server.accept()[0].close()


def test_a_released_port_is_still_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ports.hold()
    first.let_go()
    with socket.socket() as server:
        server.bind(("", first.number))
    monkeypatch.setattr(ports, "LOWEST", first.number)
    monkeypatch.setattr(ports, "HIGHEST", first.number + 1)
    with pytest.raises(OSError, match="no free port"):
        ports.hold()


def test_many_jobs_hold_different_ports() -> None:
    held = [ports.hold() for _ in range(200)]
    assert len({port.number for port in held}) == 200


# --- layout detection

SCRIPTS = {
    "chief": "import tensorflow as tf\ns = tf.distribute.experimental.ParameterServerStrategy(r)\n",
    "original": "import tensorflow.compat.v1 as tf\ntf.train.Server(c, job_name=j, task_index=i)\n",
}


@pytest.mark.parametrize("layout", SCRIPTS)
def test_the_layout_is_also_detected_in_imported_modules(layout: str, tmp_path: Path) -> None:
    from slurmtf.estimator import ParameterServer
    from slurmtf.plan.tasks import detect_layout
    from slurmtf.snapshot import examine

    (tmp_path / "train.py").write_text("from work import run\nrun()\n")
    (tmp_path / "work.py").write_text(SCRIPTS[layout])
    found, why = detect_layout(ParameterServer(), examine(tmp_path, "train.py"))
    assert found == layout
    assert why.startswith(f"layout '{layout}'")
