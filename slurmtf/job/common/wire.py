"""The protocol of supervisor and tasks: JSON lines over TCP, after each has proved that it knows the job's key."""

import hashlib
import hmac
import json
import os
import socket
from typing import Iterator, List, Tuple

from ..contract import variables as var
from ..contract.interchange import JsonObject

ADDRESS = var.SLURMTF_RENDEZVOUS
KEY = var.SLURMTF_RENDEZVOUS_KEY
ALLOCATION = var.SLURMTF_ALLOCATION
"""The name of this start of the job, the same for all its launches and for no others."""
TASKS = var.SLURMTF_LAUNCH_TASKS
"""The tasks of this launch, if they are not the plan's (JSON: the tasks of a LaunchOrder)."""
LONGEST_LINE = 1 << 26
LONGEST_HELLO = 1 << 14

Message = JsonObject


def generate_key() -> str:
    return os.urandom(32).hex()


def compute_proof(key: str, challenge: str) -> str:
    """Return the response to a challenge, which only a holder of the key can compute."""
    return hmac.new(key.encode(), challenge.encode(), hashlib.sha256).hexdigest()


def is_valid_proof(key: str, challenge: str, answer: object) -> bool:
    return hmac.compare_digest(compute_proof(key, challenge).encode(), str(answer).encode("utf-8", "replace"))


def encode(message: Message) -> bytes:
    return json.dumps(message).encode("utf-8") + b"\n"


class Lines:
    """Received bytes, split into messages."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self.longest = longest
        self._rest = bytearray()

    def feed(self, data: bytes) -> List[Message]:
        """Return the messages that ``data`` completes. Raises ValueError if the peer violates the protocol."""
        self._rest += data
        lines: List[bytes] = []
        if b"\n" in data:
            *lines, rest = bytes(self._rest).split(b"\n")
            self._rest = bytearray(rest)
        if len(self._rest) > self.longest:
            raise ValueError("a message without end")
        return [_decode(line) for line in lines]


def _decode(line: bytes) -> Message:
    try:
        message = json.loads(line.decode("utf-8"))
    except RecursionError:
        raise ValueError("a message that is nested too deep") from None
    if not isinstance(message, dict):
        raise ValueError("a message that is not an object")
    return message


def keep_alive(connection: socket.socket) -> None:
    """Have the kernel detect within a minute that the other side's node is silent, whether or not it owes us a response.

    Not sooner: a restarting switch must not end a run whose own traffic takes another path. (tcp(7): unacknowledged data
    prevents keep-alive probes; TCP_USER_TIMEOUT applies anyway.)
    """
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 60 * 1000)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def format_address(hosts: List[str], port: int) -> str:
    return ",".join("{} {}".format(host, port) for host in hosts)


def parse_address(text: str) -> List[Tuple[str, int]]:
    return [(item.split()[0], int(item.split()[1])) for item in text.split(",")]


def open_connections(text: str, timeout_s: float, troubles: List[str]) -> Iterator[socket.socket]:
    """Yield a connection to each of the supervisor's addresses that answers; add to ``troubles`` why the others do not."""
    for address in parse_address(text):
        try:
            connection = socket.create_connection(address, timeout=timeout_s)
        except (OSError, UnicodeError) as err:  # the second: a name that can be none (encodings.idna)
            troubles.append(_describe_error(address, err, timeout_s))
            continue
        keep_alive(connection)
        yield connection


def _describe_error(address: Tuple[str, int], err: Exception, timeout_s: float) -> str:
    """Return why an address does not answer: its name is unknown, nothing listens there, or nothing comes back."""
    host, port = address
    if isinstance(err, (socket.gaierror, UnicodeError)):
        return "the name {} is unknown here ({})".format(host, getattr(err, "strerror", None) or err)
    if isinstance(err, ConnectionRefusedError):
        return "{} refuses port {}".format(host, port)
    if isinstance(err, socket.timeout):
        return "{} did not answer on port {} within {:.0f} s".format(host, port, timeout_s)
    return "{} port {}: {}".format(host, port, getattr(err, "strerror", None) or err)
