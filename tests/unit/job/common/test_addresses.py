"""How the nodes of a job reach each other without a proxy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from slurmtf.job.common.addresses import bypass_proxies, list_addresses
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.roles import Role
from slurmtf.job.supervisor.start import Hello, list_nodes
from slurmtf.job.task.environment import TaskEnvironment
from tests.unit.job.common.test_gpus import plan

PROXY = "http://proxy:3128"
ADDED = "localhost,127.0.0.1,n1,n1i,10.0.0.1"
NAMES, ADDRESSES = ["n1", "n1i"], ["10.0.0.1"]


def variables(no_proxy: str, upper: str, grpc: str) -> dict[str, str]:
    return {"no_proxy": no_proxy, "NO_PROXY": upper, "no_grpc_proxy": grpc}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, {}),
        ({"no_proxy": "a"}, {}),
        ({"http_proxy": ""}, {}),
        *(
            ({name: PROXY}, variables(ADDED, ADDED, ADDED))
            for name in ("http_proxy", "https_proxy", "grpc_proxy", "HTTPS_PROXY")
        ),
        ({"http_proxy": PROXY, "no_proxy": "a, .b"}, variables(f"a,.b,{ADDED}", f"a,.b,{ADDED}", f"a,.b,{ADDED}")),
        ({"http_proxy": PROXY, "NO_PROXY": "a"}, variables(f"a,{ADDED}", f"a,{ADDED}", f"a,{ADDED}")),
        (
            {"http_proxy": PROXY, "no_proxy": "a", "NO_PROXY": "b", "no_grpc_proxy": "c"},
            variables(f"a,{ADDED}", f"b,{ADDED}", f"c,{ADDED}"),
        ),
        ({"http_proxy": PROXY, "no_proxy": ADDED}, variables(ADDED, ADDED, ADDED)),
        ({"http_proxy": PROXY, "no_proxy": "*"}, variables("*", "*", f"*,{ADDED}")),
    ],
)
def test_nodes_are_reached_without_a_proxy(environ: dict[str, str], expected: dict[str, str]) -> None:
    assert bypass_proxies(environ, NAMES, ADDRESSES) == expected


def test_no_proxy_is_limited_to_the_length_that_linux_accepts() -> None:
    names = [f"node{number:05}" for number in range(10_000)]
    addresses = [f"10.{number // 256}.{number % 256}.1" for number in range(10_000)]
    environ = {"http_proxy": PROXY, "no_proxy": "a"}
    assert bypass_proxies(environ, names, addresses)["no_proxy"] == ",".join(["a", "localhost", "127.0.0.1", *names])
    longer = [name + "x" * 20 for name in names]
    assert bypass_proxies(environ, longer, [])["no_proxy"] == "a,localhost,127.0.0.1"


def test_nodes_are_listed_by_their_names_in_the_cluster() -> None:
    hellos = {
        0: Hello("n1", "n1i:1000", addresses=("10.0.0.1", "127.0.0.1")),
        1: Hello("n1", "n1i:1001", addresses=("10.0.0.1", "127.0.0.1")),
        2: Hello("n2", "", addresses=("10.0.0.2", "")),
    }
    assert list_nodes(hellos) == {"names": ["n1", "n1i", "n2"], "addresses": ["10.0.0.1", "10.0.0.2", "127.0.0.1"]}


def test_own_addresses_are_found() -> None:
    assert "127.0.0.1" in list_addresses()


# --- what a task's script sees

CLUSTER = {"worker": ["a:1", "b:2"], "ps": ["c:3"]}


def task(start: dict[str, Any]) -> TaskEnvironment:
    return TaskEnvironment(plan(2), RunLayout("/runs/x/x-1"), Role(0, "worker", 0, 0), start, {})


@pytest.mark.parametrize("start", [{}, {"nodes": {"names": ["n1"], "addresses": []}}])
def test_the_script_reaches_its_peers_without_a_proxy(start: dict[str, Any]) -> None:
    seen = task(start).build_variables({"https_proxy": PROXY, "no_proxy": "mine"})
    assert seen["no_grpc_proxy"] == ",".join(["mine", "localhost", "127.0.0.1", *start.get("nodes", {}).get("names", [])])
    assert "no_proxy" not in task(start).build_variables({})


def test_the_cluster_is_passed_to_the_script_as_json() -> None:
    own = task({"cluster": CLUSTER})
    assert json.loads(own.build_variables({})["SLURMTF_CLUSTER"]) == CLUSTER
    command = own.expand_command(["python", "--cluster=$SLURMTF_CLUSTER", "${SLURMTF_CLUSTER}", "$SLURMTF_CLUSTERS"])
    cluster_json = json.dumps(CLUSTER)
    assert command == ["python", f"--cluster={cluster_json}", cluster_json, "$SLURMTF_CLUSTERS"]
    assert "SLURMTF_CLUSTER" not in task({}).build_variables({})
