"""What the client and a task's start cost now, compared with an earlier commit by turns: same machine, load and Python.

    python -m benchmarks.versions [COMMIT] [ROUNDS]
    scripts/cluster start; scripts/cluster exec .venv/bin/python -m benchmarks.versions [COMMIT] [ROUNDS]

The default COMMIT is the last one before the house of docs/decisions.md. Ratios are medians over the rounds' pairs. Where a
Slurm answers, also: a submission to it by a new process, the second one of a process, and the time from the batch script to the
first line of the user's script. No job is left running while one of these is measured.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Row, format_ms, report
from benchmarks.slurm import OWN, measure_in_process, read_event_time, wait_for_number, wait_until_idle

BEFORE = "9501bc4"
ROOT = Path(__file__).parents[1]
MAIN = "import sys; sys.argv[0] = 'slurmtf'; from slurmtf.cli import main; sys.exit(main())"
SCRIPT = "import os, sys, time; open(sys.argv[1] + '/' + os.environ['SLURMTF_RANK'], 'w').write(repr(time.time()))\n"
WORKERS = ("--backend", "multiworker", "--workers", "4")
RUNS = 8


class Version:
    """One version of slurmtf, with a project and a workspace of its own."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self._script = folder / "project" / "train.py"
        self._script.parent.mkdir(parents=True)
        self._script.write_text(SCRIPT)
        self._times = folder / "times"
        self._times.mkdir()
        paths = {"XDG_CACHE_HOME": folder / "cache", "SLURMTF_WORKSPACE": folder / "runs", "PYTHONPATH": tree}
        self._environ = {**os.environ, **{name: str(path) for name, path in paths.items()}}
        self._environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second call finds the modules compiled
        self._folder = folder

    def measure_python(self, code: str, *words: str) -> float:
        """Return the seconds that a Python takes to run this code."""
        began = time.perf_counter()
        command = [sys.executable, "-c", code, *words]
        subprocess.run(command, check=True, capture_output=True, env=self._environ, cwd=self._folder)
        return time.perf_counter() - began

    def measure_command(self, *words: str) -> float:
        return self.measure_python(MAIN, *words)

    def measure_plan(self) -> float:
        return self._measure_with_script("plan", "-s", "slurm")

    def measure_run(self, *words: str) -> float:
        return self._measure_with_script("run", "-s", "local", *words)

    def measure_first_line(self, *words: str) -> float:
        """Return the seconds from the command to the first line of the last task's script."""
        began = time.time()
        self.measure_run(*words)
        return max(float(path.read_text()) for path in self._times.iterdir()) - began

    def measure_submission(self) -> float:
        wait_until_idle()
        return self._measure_with_script("submit", "-s", "slurm")

    def measure_second_submission(self) -> float:
        wait_until_idle()
        places = (self._script.parent, self._folder / "runs", self._times)
        return measure_in_process(OWN, *places, env=self._environ, cwd=self._folder)[1]

    def measure_start_in_slurm(self) -> float:
        """Return the seconds from the batch script to the first line of the user's script."""
        time_file = self._times / "0"
        time_file.unlink(missing_ok=True)
        self.measure_submission()
        first_line = wait_for_number(time_file)
        wait_until_idle()
        newest = max((self._folder / "runs").glob("*/*/plan.json"), key=lambda path: path.stat().st_mtime)
        return first_line - read_event_time(newest.parent, "started")

    def _measure_with_script(self, *words: str) -> float:
        return self.measure_command(*words, str(self._script), str(self._times))


WHAT: dict[str, Callable[[Version], float]] = {
    "import slurmtf": lambda one: one.measure_python("import slurmtf"),
    "import of the public names": lambda one: one.measure_python("from slurmtf import Experiment, TensorFlow, Mpi, Run"),
    "slurmtf --help": lambda one: one.measure_command("--help"),
    "slurmtf plan": Version.measure_plan,
    f"slurmtf ls, {RUNS} runs and more": lambda one: one.measure_command("ls"),
    "slurmtf status": lambda one: one.measure_command("status"),
    "run to its script's first line": Version.measure_first_line,
    "the same, 4 tasks with a rendezvous": lambda one: one.measure_first_line(*WORKERS),
    "run to its end": Version.measure_run,
}
IN_SLURM: dict[str, Callable[[Version], float]] = {
    "slurmtf submit": Version.measure_submission,
    "second submission of a process": Version.measure_second_submission,
    "batch script to the script's first line": Version.measure_start_in_slurm,
}


def has_slurm() -> bool:
    """Tell whether a Slurm answers: its commands may be installed without one."""
    found = shutil.which("squeue")
    return found is not None and subprocess.run([found, "--me"], capture_output=True, check=False).returncode == 0


def unpack_commit(commit: str, folder: Path) -> Path:
    """Return a folder with the files of the commit."""
    folder.mkdir()
    with subprocess.Popen(["git", "archive", commit], stdout=subprocess.PIPE, cwd=ROOT) as archive:
        subprocess.run(["tar", "-x", "-C", folder], check=True, stdin=archive.stdout)
    return folder


def measure_pairs(before: Version, now: Version, action: Callable[[Version], float], rounds: int) -> list[tuple[float, float]]:
    """Return both versions' seconds, measured by turns; the order is reversed in each round."""
    found = []
    for number in range(rounds):
        order = (before, now) if number % 2 else (now, before)
        taken = {one: action(one) for one in order}
        found.append((taken[before], taken[now]))
    return found


def main() -> None:
    commit, rounds = sys.argv[1] if len(sys.argv) > 1 else BEFORE, int(sys.argv[2]) if len(sys.argv) > 2 else 7
    with tempfile.TemporaryDirectory() as folder:
        before = Version(unpack_commit(commit, Path(folder, "tree")), Path(folder, "before"))
        now = Version(ROOT, Path(folder, "now"))
        for one in (before, now):
            for _ in range(RUNS):
                one.measure_run()
        rows: list[Row] = [("what", commit, "now", "ratio")]
        for name, action in {**WHAT, **(IN_SLURM if has_slurm() else {})}.items():
            found = measure_pairs(before, now, action, rounds)
            ratio = statistics.median(new / old for old, new in found)
            rows.append((name, *(format_ms(statistics.median(column)) for column in zip(*found, strict=True)), f"{ratio:.2f}"))
        report("Two versions in turns", rows)


if __name__ == "__main__":
    main()
