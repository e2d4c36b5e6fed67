"""``python -m tests.integration.job.client MODE SOURCE FOLDER``: submissions in a process that may be killed or denied access.

It prints the result as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slurmtf import Estimator, Experiment, Run
from slurmtf.errors import SlurmtfError
from slurmtf.estimator import Environment
from tests.patience import HANG_S, until

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CHANGES = ("os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.chmod", "subprocess.Popen")
TIMED_KILLS = 15
PAGES = range(0, 252, 12)


def submit(source: Path, workspace: Path) -> Run:
    through_path = Environment(python="python3")  # another user may have no access to the Python that runs this
    estimator = Estimator(str(source), compute_target="local", environment_definition=through_path)
    return Experiment("killed", workspace).submit(estimator)


def in_child(action: Callable[[], Any]) -> int:
    """Run the action in a copy of this process, which has imported everything already."""
    pid = os.fork()
    if pid == 0:
        try:
            action()
            os._exit(0)
        except BaseException as err:
            sys.stderr.write(f"{type(err).__name__}: {err}\n")
            sys.stderr.flush()
            os._exit(1)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def die_before_change(number: int) -> None:
    """Get killed just before the file system is changed, or a process is started, for that many times."""
    seen = 0

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in CHANGES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def kill_at_each_change(source: Path, folder: Path) -> list[str]:
    """Return one workspace for each moment at which the client was killed."""
    workspaces: list[str] = []
    while True:
        workspace = folder / f"change-{len(workspaces)}"

        def doomed(number: int = len(workspaces) + 1, workspace: Path = workspace) -> None:
            die_before_change(number)
            submit(source, workspace)

        workspaces.append(str(workspace))
        if ended(in_child(doomed)) == 0:
            return workspaces


def kill_at_times(source: Path, folder: Path) -> list[str]:
    began = time.monotonic()
    submit(source, folder / "timed")
    usual = time.monotonic() - began
    for count in range(TIMED_KILLS):
        pid = in_child(lambda: submit(source, folder / "timed"))
        time.sleep(usual * 1.3 * count / TIMED_KILLS)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return [str(folder / "timed")]


def outcome(source: Path, workspace: Path) -> dict[str, Any]:
    """Submit, wait, and return the result: the error and what is left in the workspace, or the status."""
    try:
        run = submit(source, workspace)
    except SlurmtfError as err:
        return {"error": type(err).__name__, "text": str(err), "left": sorted(left_in(workspace))}
    until(lambda: run.state.status.final, f"the end of {run.id}")
    return {"status": run.state.status.value, "message": run.state.message, "folder": str(run.folder)}


def left_in(workspace: Path) -> list[str]:
    """Return all files of a workspace except the store's and the one that fills the disk."""
    found = [path.relative_to(workspace) for path in workspace.rglob("*") if not path.is_dir()]
    return [str(path) for path in found if not (path.match(".slurmtf/snapshots/[!.]*") or path.name == "filler")]


def fill_up(source: Path, folder: Path) -> list[dict[str, Any]]:
    """Submit into a small file system with ever more room. Requires a private mount namespace."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(folder)], check=True, timeout=HANG_S)
    found = []
    for pages in PAGES:
        fill(folder / "filler", pages)
        found.append(outcome(source, folder))
        shutil.rmtree(folder / "killed", ignore_errors=True)
        shutil.rmtree(folder / ".slurmtf", ignore_errors=True)
    protect(folder)
    return [*found, outcome(source, folder)]


def protect(folder: Path) -> None:
    """Make a file system read-only, once the last supervisor has closed its log."""
    command = ["mount", "-o", "remount,ro", str(folder)]
    while subprocess.run(command, capture_output=True, check=False, timeout=HANG_S).returncode:
        time.sleep(0.05)


def fill(filler: Path, pages: int) -> None:
    """Leave as many pages free as asked for."""
    filler.unlink(missing_ok=True)
    disk = os.statvfs(filler.parent)
    filler.write_bytes(b"x" * disk.f_bsize * (disk.f_bavail - pages))


def main(mode: str, source: Path, folder: Path) -> None:
    os.environ["XDG_CACHE_HOME"] = str(source.parent / "cache")  # an empty one, else some modules would not be imported
    if mode != "refused":
        warm = submit(source, source.parent / "warm")  # late imports happen now
        warm.wait_for_completion()
    modes: dict[str, Callable[[Path, Path], Any]] = {
        "changes": kill_at_each_change, "times": kill_at_times, "refused": outcome, "full": fill_up
    }  # fmt: skip
    print(json.dumps(modes[mode](source, folder)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
