"""Find the addresses by which the nodes of a job reach each other."""

import array
import fcntl
import socket
import struct
from typing import Dict, List, Mapping, Sequence

from ..contract import variables as var
from ..contract.plan import JobPlan

SIOCGIFCONF = 0x8912
"""netdevice(7): the IPv4 addresses of all interfaces that are up."""
ENTRY = 40
"""Bytes of a struct ifreq on 64-bit Linux: 16 of the interface's name, then a struct sockaddr_in."""
MOST_ENTRIES = 256
THIS_NODE = ("localhost", "127.0.0.1")
PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy")
EXEMPT = {var.no_proxy: (var.no_proxy, var.NO_PROXY), var.NO_PROXY: (var.NO_PROXY, var.no_proxy),
          "no_grpc_proxy": ("no_grpc_proxy", var.no_proxy, var.NO_PROXY)}  # fmt: skip
"""Variables that exempt hosts from proxies, and those whose value counts if they are not set. gRPC reads the last before the
first (grpc, doc/environment_variables.md)."""


def qualify_host(host: str, plan: JobPlan) -> str:
    """Return the name by which the job's other nodes reach a node; nothing else applies ``network.host_suffix``."""
    return "localhost" if plan.can.one_machine else host + plan.host_suffix


def list_addresses() -> List[str]:
    """Return all IPv4 addresses of this node; empty if the kernel does not list them."""
    return sorted(set(_read_interfaces().values()))


def find_interface(name: str) -> str:
    """Return the interface of this node that has a name's address; empty if none has, or the name is unknown."""
    try:
        wanted = {str(found[4][0]) for found in socket.getaddrinfo(name, None, socket.AF_INET)}
    except (OSError, UnicodeError):
        return ""
    return next((interface for interface, address in _read_interfaces().items() if address in wanted), "")


def _read_interfaces() -> Dict[str, str]:
    room = array.array("B", bytes(ENTRY * MOST_ENTRIES))
    place, length = room.buffer_info()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            filled = fcntl.ioctl(asker.fileno(), SIOCGIFCONF, struct.pack("iP", length, place))
    except OSError:
        return {}
    entries = [bytes(room[start : start + ENTRY]) for start in range(0, struct.unpack("iP", filled)[0], ENTRY)]
    return {entry[:16].split(b"\0")[0].decode("ascii", "replace"): socket.inet_ntoa(entry[20:24]) for entry in entries}


def bypass_proxies(environ: Mapping[str, str], names: Sequence[str], addresses: Sequence[str]) -> Dict[str, str]:
    """Return the variables that make a job's nodes reachable without the proxy; empty if no proxy is set.

    Existing entries stay. The addresses, then the names, are omitted if the variable would be too long for Linux.
    """
    if not any(environ.get(name) or environ.get(name.upper()) for name in PROXIES):
        return {}
    found = {}
    for variable, sources in EXEMPT.items():
        there = next((environ[name] for name in sources if environ.get(name)), "")
        for nodes in ([*THIS_NODE, *names, *addresses], [*THIS_NODE, *names], [*THIS_NODE]):
            value = _add_nodes(there, nodes, variable)
            if var.does_fit(variable, value):
                found[variable] = value
                break
    return found


def _add_nodes(there: str, nodes: Sequence[str], variable: str) -> str:
    """Return the list with the nodes added; '*' means all hosts, but only on its own, and not to gRPC."""
    listed = [item.strip() for item in there.split(",") if item.strip()]
    if listed == ["*"] and variable != "no_grpc_proxy":
        return "*"
    return ",".join(dict.fromkeys([*listed, *nodes]))
