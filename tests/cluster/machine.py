"""A machine: a process that is the init of a network, a host name, mounts and process numbers of its own.

Nothing of it has a name on the host (no `ip netns`, no mount), so nothing can be left behind: when the init is killed,
the kernel kills every process under it and removes the network.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.patience import NotInTime, until

from .errors import ClusterError

# The sbin folders, and never the shims of a cluster that the caller has in his PATH.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_NAMESPACES = ("--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--propagation", "slave")

# Once the namespaces are there it says its number, as the host counts. If its starter dies before he has noted that, it
# ends; else it lives for ever, or as long as he holds the pipe. A shell that waits for its child reaps the orphans, too
# (dash does not pass `trap "" CHLD` on): the hundreds of a long test would each be looked at whenever Slurm ends a step.
_INIT = """
read -r pid rest </proc/self/stat
echo "$pid"
read -r life || exit
if [ "$life" = kept ]; then sleep infinity </dev/null >/dev/null; else cat; fi
exit
"""


def wait_for(condition: Callable[[], object], what: str, *, log: Path | None = None) -> None:
    try:
        until(condition, what)
    except NotInTime as error:
        raise ClusterError(f"{error}{end_of(log) if log else ''}") from None


def end_of(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else ["(missing)"]
    return "\n".join([f"; {log} ends with", *lines[-10:]])


def network_of(pid: int | str) -> str | None:
    """The network namespace of a living process; a zombie has none."""
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return None


class Machine:
    """`record` is the file that remembers the machine from one process to the next."""

    def __init__(self, record: Path, environment: Mapping[str, str], log: Path) -> None:
        self.record = record
        self.environment = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", **environment}
        self.log = log
        self._starter: subprocess.Popen[str] | None = None

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def pid(self) -> int | None:
        """The init, if it lives: number and network must both be those noted, for either gets used again."""
        pid, network = self._noted()
        return int(pid) if network and network_of(pid) == network else None

    def _noted(self) -> tuple[str, str]:
        pid, _, network = self.record.read_text().partition(" ") if self.record.exists() else ("", "", "")
        return pid, network

    def boot(self, *, kept: bool) -> None:
        """Ends with this process unless `kept`."""
        self._boot([], kept)

    def boot_under(self, other: Machine) -> None:
        """Sees the other's mounts, and ends with it."""
        self._boot(["nsenter", f"--target={other.pid}", "--mount", "--net", "--pid"], kept=True)
        self.run("mount", "-t", "proc", "proc", "/proc")

    def _boot(self, under: list[str], kept: bool) -> None:
        self.record.parent.mkdir(exist_ok=True)
        with self.log.open("a") as log:
            self._starter = subprocess.Popen(
                [*under, "unshare", *_NAMESPACES, "sh", "-c", _INIT],
                env=self.environment,
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._release(self._starter, kept)
        self.run("hostname", self.name)

    def _release(self, starter: subprocess.Popen[str], kept: bool) -> None:
        assert starter.stdin and starter.stdout
        with starter.stdout as answer:
            pid = answer.readline().strip()
        if not pid:
            raise ClusterError(f"{self.name}: no namespaces{end_of(self.log)}")
        partial = self.record.parent.with_name(f"{self.name}.partial")
        partial.write_text(f"{pid} {network_of(pid)}")
        partial.rename(self.record)
        print("kept" if kept else "ours", file=starter.stdin, flush=True)
        if kept:
            starter.stdin.close()

    def inside(self, *argv: str) -> list[str]:
        """The command that runs `argv` as one of the machine's own processes."""
        return self.beside("--pid", *argv)

    def beside(self, *argv: str) -> list[str]:
        """The same, but it stays a process of the host, which signals from there reach."""
        return ["nsenter", f"--target={self.pid}", "--mount", "--net", "--uts", *argv]

    def run(self, *argv: str, text: str = "") -> str:
        done = self._call(argv, input=text, capture_output=True)
        if done.returncode:
            raise ClusterError(f"{self.name}: {' '.join(argv)}: {(done.stderr + done.stdout).strip()}")
        return done.stdout

    def succeeds(self, *argv: str) -> bool:
        return self._call(argv, capture_output=True).returncode == 0

    def launch(self, *argv: str) -> None:
        """For a command that leaves a daemon behind, whose hold on a pipe we would wait for."""
        with self.log.open("a") as log:
            if self._call(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode:
                raise ClusterError(f"{self.name}: {' '.join(argv)} failed{end_of(self.log)}")

    def _call(self, argv: tuple[str, ...], **streams: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.inside(*argv), check=False, env=self.environment, cwd="/", text=True, **streams)

    def kill(self) -> None:
        network = self._noted()[1]
        if self.pid:
            wait_for(lambda: not _killed(_residents(network)), f"end of {self.name}")
        self.record.unlink(missing_ok=True)
        if self._starter:
            with self._starter:  # closes its pipe, and waits
                self._starter = None


def _residents(network: str) -> list[int]:
    """The clients from the host too, and the processes that started the machine."""
    pids = (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [int(pid) for pid in pids if network_of(pid) == network]


def _killed(pids: list[int]) -> list[int]:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids
