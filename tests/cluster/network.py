"""The cables: a switch in the login machine's network, and one port of it for each node."""

from __future__ import annotations

from . import config
from .machine import Machine

_PREFIX = config.SUBNET.rpartition("/")[2]


def install_switch(login: Machine) -> None:
    _ip(login, "link add br0 type bridge", *_up("br0", config.ADDRESS))


def connect(login: Machine, node: Machine, address: str) -> None:
    port = _port(node.name)
    # The kernel removes a dead node's network some time later, and its port here only then.
    login.succeeds("ip", "link", "delete", port)
    _ip(
        login,
        f"link add {port} type veth peer name eth0 netns /proc/{node.pid}/ns/net",
        f"link set {port} master br0 up",
    )
    _ip(node, *_up("eth0", address))


def disconnect(login: Machine, node: str) -> None:
    """Nobody hears the node, nor it them, and no connection is told, until it is connected anew."""
    _ip(login, f"link set {_port(node)} down")


def _port(node: str) -> str:
    return f"v-{node}"


def _up(device: str, address: str) -> list[str]:
    return [
        "link set lo up",
        f"address add {address}/{_PREFIX} dev {device}",
        f"link set {device} up",
        *_quick_routes(device, address),
    ]


def _quick_routes(device: str, address: str) -> list[str]:
    # Slurm's messages to slurmdbd lose 40 ms each to Nagle's algorithm and delayed acknowledgement.
    local = "table local proto kernel scope host"
    return [
        f"route change local 127.0.0.0/8 dev lo {local} src 127.0.0.1 quickack 1",
        f"route change local 127.0.0.1 dev lo {local} src 127.0.0.1 quickack 1",
        f"route change local {address} dev {device} {local} src {address} quickack 1",
        f"route change {config.SUBNET} dev {device} proto kernel scope link src {address} quickack 1",
    ]


def _ip(machine: Machine, *commands: str) -> None:
    machine.run("ip", "-batch", "-", text="\n".join(commands) + "\n")
