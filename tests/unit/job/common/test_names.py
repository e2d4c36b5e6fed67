"""The names by which nodes reach each other, and the messages if they don't."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from slurmtf.job.common import addresses, wire
from slurmtf.job.contract.plan import Distribution, JobPlan, Run
from slurmtf.job.contract.roles import Role
from slurmtf.job.supervisor.start import Hello, build_horovod_variables


def plan(**settings: Any) -> JobPlan:
    return JobPlan(Run("x-1", "x"), "slurm", Distribution((("worker", 2),)))._replace(**settings)


@pytest.mark.parametrize(
    ("settings", "name"),
    [({}, "jwb0001"), ({"host_suffix": "i"}, "jwb0001i"), ({"scheduler": "local", "host_suffix": "i"}, "localhost")],
)
def test_a_nodes_name_has_the_sites_suffix(settings: dict[str, Any], name: str) -> None:
    assert addresses.qualify_host("jwb0001", plan(**settings)) == name


def test_the_interface_of_a_name_is_that_of_its_address() -> None:
    assert addresses.find_interface("127.0.0.1") == "lo"
    assert addresses.find_interface("no-such-name.invalid") == ""
    assert addresses.find_interface("192.0.2.1") == ""


def find_trouble(address: str) -> str:
    troubles: list[str] = []
    assert list(wire.open_connections(address, 0.2, troubles)) == []
    (trouble,) = troubles
    return trouble


def test_an_unknown_name_a_refusal_and_silence_are_distinguished() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert find_trouble(f"127.0.0.1 {port}") == f"127.0.0.1 refuses port {port}"
    assert find_trouble("no-such-name.invalid 1").startswith("the name no-such-name.invalid is unknown here (")
    assert find_trouble(f"{'x' * 70}.invalid 1").startswith(f"the name {'x' * 70}.invalid is unknown here (")
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        number = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", number))
        assert find_trouble(f"127.0.0.1 {number}").endswith(f" {number} within 0 s")
        for one in waiting:
            one.close()


@pytest.mark.parametrize(("shared", "interface"), [({}, "ib0"), ({"HOROVOD_GLOO_IFACE": "hsn0"}, "hsn0")])
def test_gloo_uses_the_interface_of_the_suffixed_name_unless_the_profile_names_one(
    shared: dict[str, str], interface: str
) -> None:
    found = build_horovod_variables([Role(0, "rank", 0, 0)], {0: Hello("n1", interface="ib0")}, shared)
    assert found[0]["HOROVOD_GLOO_IFACE"] == interface
