"""The steps of a build: each a command, with its output in a log and its title told to whoever waits."""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import IO, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..common.process import end_with_parent
from ..contract import variables as var
from ..contract.environments.claim import Claim
from ..contract.environments.store import StoreLayout
from ..contract.interchange import JsonObject
from ..contract.system.private import write_private

Spec = JsonObject
"""An environment spec, as JSON has it: what it holds depends on what it is of."""

POLL_S = 0.1
WAIT_S = 1.0
TAIL_LINES = 12
STEERING = re.compile(
    r"PYTHON(?!UNBUFFERED)|VIRTUAL_ENV$|CONDA_(?!OVERRIDE|PKGS|SUBDIR)|UV_(PROJECT|PYTHON|SYSTEM)|PIP_(TARGET|PREFIX|USER|REQUIRE)"
)
"""Variables that would have pip, uv or conda do something else. PYTHONDONTWRITEBYTECODE is one: without its bytecode,
TensorFlow takes twice as long to import, each time."""


class Failure(NamedTuple):
    """Why a build failed: what is wrong, what to do, and the log that says more."""

    what: str
    remedy: str
    log: str


class BuildError(Exception):
    """A build failed."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


class StepError(BuildError):
    """A command of a step has failed; ``output`` is what it printed."""

    def __init__(self, title: str, status: int, output: str) -> None:
        self.output = output
        lines = [line for line in output.strip().splitlines() if not line.startswith("WARNING")]
        tail = "\n".join(lines[-TAIL_LINES:])
        how = "was killed by signal {}".format(-status) if status < 0 else "failed with status {}".format(status)
        super().__init__("{} {}; the last lines:\n{}".format(title, how, tail))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class Work:
    """One build: its folder, its log, its claims."""

    def __init__(self, layout: StoreLayout, name: str, claim: Claim) -> None:
        self.layout = layout
        self.name = name
        self.folder = os.path.join(layout.built, "{}-{}".format(name, os.urandom(4).hex()))
        self.phases: List[Tuple[str, float]] = []
        self._claims = [claim]
        self._log = layout.log(name)

    def run(self, title: str, command: Sequence[str], folder: Optional[str] = None, **variables: str) -> str:
        """Run a command and return what it printed. Raises StepError when it fails, BuildError if there is none."""
        say(title + " ...")
        began = time.monotonic()
        with open(os.open(self._log, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b") as log:
            log.seek(0, os.SEEK_END)
            log.write("$ {}\n".format(_format_command(command)).encode("utf-8", "surrogateescape"))
            log.flush()
            start = log.tell()
            status = self._execute(command, folder or self.layout.root, build_environment(self.layout, variables), log)
            log.seek(start)
            output = log.read().decode("utf-8", "replace")
        if status:
            raise StepError(title, status, output)
        seconds = time.monotonic() - began
        self.phases.append((title, round(seconds, 1)))
        say("{}: {:.1f} s".format(title, seconds))
        return output

    def _execute(self, command: Sequence[str], folder: str, variables: Dict[str, str], log: IO[bytes]) -> int:
        """Run a command to its end. It dies with us, however we die: nobody goes on writing into a folder that is given up."""
        parent = os.getpid()
        try:
            process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: _prepare_child(parent),  # noqa: PLW1509 - no threads here
            )
        except OSError as err:
            raise BuildError("{}: {}".format(command[0], err.strerror), "is it in PATH?")
        try:
            while process.poll() is None:
                self.beat()
                time.sleep(POLL_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    @contextlib.contextmanager
    def hold(self, claim: Claim) -> Iterator[None]:
        """Keep another claim alive, too, for as long as a part of it is built."""
        self._claims.append(claim)
        try:
            yield
        finally:
            self._claims.remove(claim)

    def beat(self) -> None:
        """Show that we are alive."""
        for claim in self._claims:
            claim.beat()

    def clear_log(self) -> None:
        """Remove the log of an earlier try."""
        with contextlib.suppress(FileNotFoundError):
            os.remove(self._log)

    def discard(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def build_once(
    claim: Claim, what: str, is_there: Callable[[], bool], build: Callable[[], None], beat: Callable[[], None] = lambda: None
) -> None:
    """Build something unless it is there. When somebody else builds it, say so and wait, with signs of life by ``beat``."""
    announced = False
    while not is_there():
        if claim.take():
            try:
                if not is_there():
                    build()
            finally:
                claim.release()
            return
        holder = claim.read_holder()
        if holder and not announced:
            say("waiting: process {pid} on {host} is already building {what}".format(what=what, **holder))
            announced = True
        beat()
        time.sleep(WAIT_S)


def _format_command(command: Sequence[str]) -> str:
    return " ".join("..." if "\n" in word else word for word in command)


def _prepare_child(parent: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    end_with_parent(parent)


def build_environment(layout: StoreLayout, variables: Dict[str, str]) -> Dict[str, str]:
    """Return the environment of a step: ours, without what would steer it elsewhere; caches lie in the store."""
    kept = {name: value for name, value in os.environ.items() if not STEERING.match(name)}
    caches = {"PIP_CACHE_DIR": "pip", "UV_CACHE_DIR": "uv", var.CONDA_PKGS_DIRS: "conda", "APPTAINER_CACHEDIR": "apptainer",
              "SINGULARITY_CACHEDIR": "apptainer"}  # fmt: skip
    for name, folder in caches.items():
        kept.setdefault(name, os.path.join(layout.cache, folder))
    return dict(kept, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1", **variables)


def find(program: str) -> str:
    """Return the path of a program; empty when there is none."""
    return shutil.which(program) or ""


def list_wheels(folder: str) -> List[str]:
    """Return the wheels that lie in a folder."""
    return sorted(glob.glob(os.path.join(glob.escape(folder), "*.whl")))


def write(path: str, data: object) -> None:
    """Write JSON under a temporary name, then rename it."""
    write_private(path, json.dumps(data, indent=1).encode("ascii"))
