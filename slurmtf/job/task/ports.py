"""Hold a port from before anybody learns of it until the job ends.

The port is bound with SO_REUSEPORT: TensorFlow's server binds to it too (TF_GRPC_REUSE_PORT=true), and connections never reach
our socket because it does not listen. The port is outside the range from which the kernel assigns ports. A lock in the node's
temporary folder keeps our other jobs away, even if an old TensorFlow requires us to release it first.
"""

import errno
import fcntl
import os
import socket
import subprocess
import tempfile
from typing import IO, Dict, Optional, Tuple

from ..contract.system.private import make_private
from ..contract.system.trust import find_own_fault

LOWEST, HIGHEST = 10000, 61000
TRIES = 2000
SHARE = (2, 3)
"""The first TensorFlow that has TF_GRPC_REUSE_PORT (tensorflow pull request 38705)."""
ASK_VERSION = """
import glob, os, sys
found = [name for path in sys.path for name in glob.glob(os.path.join(glob.escape(path), "tensorflow*-*.dist-info"))]
names = ("tensorflow", "tensorflow_cpu", "tensorflow_gpu", "tf_nightly", "tensorflow_intel")
print(next((parts[1] for parts in (os.path.basename(name)[:-10].split("-") for name in found) if parts[0] in names), ""))
"""


class HeldPort:
    """A port of this node."""

    def __init__(self, number: int, holder: socket.socket, lock: IO[str]) -> None:
        self.number = number
        self._socket: Optional[socket.socket] = holder
        self._lock = lock

    def let_go(self) -> None:
        """Close our socket, for a server that can't share the port. Our other jobs still avoid it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def hold() -> HeldPort:
    """Return a free port. Raises OSError if there is none."""
    lowest, highest = read_ephemeral_range()
    for _ in range(TRIES):
        number = LOWEST + int.from_bytes(os.urandom(4), "big") % (HIGHEST - LOWEST)
        if not lowest <= number <= highest:
            port = _try_to_hold(number)
            if port is not None:
                return port
    raise OSError(errno.EADDRINUSE, "no free port between {} and {}".format(LOWEST, HIGHEST))


def _try_to_hold(number: int) -> Optional[HeldPort]:
    lock = _lock(number)
    if lock is None:
        return None
    try:
        _bind(number, share=False).close()  # SO_REUSEPORT would let us share it with another process of ours, unnoticed
        return HeldPort(number, _bind(number, share=True), lock)
    except OSError:
        lock.close()
        return None


def _bind(number: int, share: bool) -> socket.socket:
    holder = socket.socket()
    try:
        if share:
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("", number))
    except OSError:
        holder.close()
        raise
    return holder


def _lock(number: int) -> Optional[IO[str]]:
    folder = os.path.join(tempfile.gettempdir(), "slurmtf-ports-{}".format(os.getuid()))
    make_private(folder)
    doubt = find_own_fault(folder)
    if doubt:  # through a link of that name, its owner could make us overwrite a file of ours
        raise OSError(errno.EPERM, "{}: set TMPDIR to a folder of yours, or ask its owner to remove it".format(doubt))
    lock = open(os.path.join(folder, str(number)), "w")  # noqa: SIM115 - held as long as the port
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def read_ephemeral_range() -> Tuple[int, int]:
    """Return the range from which the kernel assigns ports (ip(7), ip_local_port_range)."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            lowest, highest = file.read().split()
    except OSError:
        return 32768, 60999
    return int(lowest), int(highest)


def are_shared_by(python: str, variables: Dict[str, str]) -> bool:
    """Return whether the job's TensorFlow can bind to a port that we hold. Its version is read from its metadata, without
    importing it."""
    try:
        version = subprocess.run(  # noqa: PLW1510
            [python, "-c", ASK_VERSION], env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60
        ).stdout.decode("ascii", "replace")
    except (OSError, subprocess.TimeoutExpired):
        return True
    return can_share(version.strip())


def can_share(version: str) -> bool:
    """Return whether a TensorFlow of this version can bind to a port that we hold; an unreadable version counts as new."""
    numbers = version.split(".")[:2]
    return not all(number.isdigit() for number in numbers) or tuple(map(int, numbers)) >= SHARE
