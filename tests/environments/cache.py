"""Folders outside the clone, each filled once, whoever asks first."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MARKER = ".complete"
TAIL = 30


class BuildError(Exception):
    """An environment can't be built; the message says why."""


def say(line: str) -> None:
    print(f"[environments] {line}", file=sys.stderr, flush=True)


def root() -> Path:
    own = os.environ.get("SLURMTF_TEST_CACHE")
    user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own or Path(user, "slurmtf-tests")).absolute()


def build_environ() -> dict[str, str]:
    """This process's, less what would steer a build: PYTHONDONTWRITEBYTECODE doubles each later TensorFlow import."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "HOROVOD_")) and name != "VIRTUAL_ENV"
    }


@dataclass(frozen=True)
class Job:
    """The filling of one folder: its commands, their common log, and the lock that they hold."""

    folder: Path
    lock: int

    @property
    def log(self) -> Path:
        return locate_beside(self.folder, "log")

    def run(self, title: str, *command: str | Path, environ: Mapping[str, str] | None = None) -> None:
        say(f"{self.folder.name}: {title} ...")
        started = time.monotonic()
        with self.log.open("ab") as log:
            log.write(f"$ {shlex.join(map(str, command))}\n".encode())
            log.flush()
            status = self._call(command, {**build_environ(), **(environ or {})}, log)
        if status:
            raise BuildError(f"{self.folder.name}: {title} failed with status {status}\n{self.tail()}\nlog: {self.log}")
        say(f"{self.folder.name}: {title}: {time.monotonic() - started:.1f} s")

    def _call(self, command: tuple[str | Path, ...], environ: Mapping[str, str], log: IO[bytes]) -> int:
        # When this process is killed, its children live on and still write here: they inherit the lock until they end.
        return subprocess.run(
            command,
            check=False,
            cwd=self.folder,  # pip would import, and uv be configured by, what stands in the clone
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environ,
            pass_fds=[self.lock],
        ).returncode

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL:])


def locate_beside(folder: Path, suffix: str) -> Path:
    return folder.parent / f"{folder.name}.{suffix}"


@contextmanager
def locked(file: Path) -> Iterator[int]:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{file.stem}: another process builds it, waiting ...")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def build_once(folder: Path, product: str, fill: Callable[[Job], None]) -> Path:
    """The file that matches `product` in the folder, which `fill` makes unless it is there and whole."""
    found = _finished(folder, product)
    if found is None:
        with locked(locate_beside(folder, "lock")) as lock:
            found = _finished(folder, product) or _filled(Job(folder, lock), product, fill)
    return found


def _finished(folder: Path, product: str) -> Path | None:
    # exists(): a venv whose interpreter was uninstalled keeps a dangling bin/python.
    products = [file for file in folder.glob(product) if file.exists()]
    return products[0] if products and (folder / MARKER).exists() else None


def _filled(job: Job, product: str, fill: Callable[[Job], None]) -> Path:
    # The marker goes first: if removing is cut short, what is left must not pass for whole.
    (job.folder / MARKER).unlink(missing_ok=True)
    if job.folder.exists():
        shutil.rmtree(job.folder)
    job.log.unlink(missing_ok=True)
    job.folder.mkdir(parents=True)
    started = time.monotonic()
    fill(job)
    (job.folder / MARKER).touch()
    say(f"{job.folder.name}: complete after {time.monotonic() - started:.1f} s")
    found = _finished(job.folder, product)
    if found is None:
        raise BuildError(f"{job.folder.name}: the build left no {product}\nlog: {job.log}")
    return found
