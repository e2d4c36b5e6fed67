"""Run a child process in a process group of its own, and handle signals that arrive meanwhile."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from typing import Dict, List, Optional, Sequence, Set, Tuple

from ..contract.system import mounts

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
ORPHANS_S = 2.0
KEPT: Set[int] = set()
"""Children of ours that no command has left behind; they are not ended with it."""


class Signals:
    """Signals as events: each one wakes a select() and is kept until it is taken."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._arrived: List[int] = []
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)  # whoever submitted may have blocked them
        for number in (*numbers, signal.SIGCHLD):
            signal.signal(number, self._note)

    def fileno(self) -> int:
        return self._reader.fileno()

    def take(self) -> List[int]:
        """Return the signals that have arrived since the last call, without SIGCHLD."""
        try:
            while self._reader.recv(4096):
                pass
        except BlockingIOError:
            pass
        arrived, self._arrived = self._arrived, []
        return [number for number in arrived if number != signal.SIGCHLD]

    def _note(self, number: int, frame: object) -> None:  # noqa: ARG002
        self._arrived.append(number)


class Child:
    """A command in a session of its own, so that it can be ended with everything that it started."""

    def __init__(
        self,
        command: Sequence[str],
        folder: str,
        environ: Dict[str, str],
        logs: Optional[Tuple[str, str]] = None,
        ignored: int = 0,
    ) -> None:
        """Start the command. Raises OSError if that is not possible. Without ``logs`` it writes where we write. ``ignored``:
        a signal that does nothing to it until it says what it shall do."""
        _call_prctl(PR_SET_CHILD_SUBREAPER, 1)  # what it starts and abandons becomes our child: see _end_orphans
        parent = os.getpid()
        files = [os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) for log in logs or ()]
        try:
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=files[0] if files else None,
                stderr=files[1] if files else None,
                start_new_session=True,
                preexec_fn=lambda: _prepare_child(parent, ignored),  # noqa: PLW1509 - the agent has no threads
            )
        finally:
            for file in files:
                os.close(file)
        self._kill_at: Optional[float] = None
        self.killed = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> Optional[int]:
        """Return the return code once the command has ended; kill what has outlived its grace time."""
        if self._process.poll() is None and self._kill_at is not None and time.monotonic() >= self._kill_at:
            self.killed = True
            self.send(signal.SIGKILL)
        returncode = self._process.poll()
        if returncode is not None:
            self.send(signal.SIGKILL)  # what the command started and left behind
            _end_orphans()
        else:
            _reap_orphans(self._process.pid)
        return returncode

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def tell(self, number: int) -> None:
        """Send a signal to the command alone, not to what it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self._process.pid, number)

    def end(self, grace_s: float) -> None:
        """Send TERM to the command, and KILL after the grace time if it has not ended."""
        if self._kill_at is None:
            self.kill_after(grace_s)
            self.send(signal.SIGTERM)

    def kill_after(self, grace_s: float) -> None:
        """Kill the command if it has not ended after the grace time; the shortest one given counts."""
        kill_at = time.monotonic() + grace_s
        self._kill_at = kill_at if self._kill_at is None else min(kill_at, self._kill_at)

    def postpone_kill(self, seconds: float) -> None:
        """Postpone a kill that is due earlier: what it would end is still at work."""
        if self._kill_at is not None:
            self._kill_at = max(self._kill_at, time.monotonic() + seconds)


def outlive_parent() -> None:
    """Undo what :class:`Child` arranged for us: a task learns of its supervisor's end from its connection, and ends
    properly."""
    _call_prctl(PR_SET_PDEATHSIG, 0)


def _prepare_child(parent: int, ignored: int) -> None:
    """Restore the default signals for the child, and have the kernel kill it when we are killed."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    if ignored:
        signal.signal(ignored, signal.SIG_IGN)
    end_with_parent(parent)


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process, a newly forked child, when its parent is killed."""
    _call_prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # killed meanwhile
        os.kill(os.getpid(), signal.SIGKILL)


def _call_prctl(option: int, value: int) -> None:
    """Call prctl(2), if this Python can."""
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def _end_orphans() -> None:
    """Kill what the command started in sessions of their own, as Slurm does at the end of a step."""
    deadline = time.monotonic() + ORPHANS_S
    orphans = _list_children()
    while orphans and time.monotonic() < deadline:
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        _reap_orphans(None)
        time.sleep(0.01)
        orphans = _list_children()


def _list_children() -> List[int]:
    """Return our children, except those that we keep and those that also serve the environment to other tasks."""
    try:
        with open("/proc/self/task/{}/children".format(os.getpid()), encoding="ascii") as file:
            return [pid for pid in map(int, file.read().split()) if pid not in KEPT and not mounts.is_mount_server(pid)]
    except OSError:
        return []


def _reap_orphans(command: Optional[int]) -> None:
    """Reap ended orphans, up to the command itself, which subprocess must reap."""
    with contextlib.suppress(ChildProcessError):
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None or ended.si_pid == command:
                return
            os.waitpid(ended.si_pid, 0)
