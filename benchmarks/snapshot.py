"""What a snapshot costs: the first time, unchanged, and after a change. Rivals: tar, git archive, copytree.

    python -m benchmarks.snapshot [FOLDER]      (where to work: the file system counts; default: a temporary folder)

The rivals do less: they match no patterns and hash nothing. All take turns, and the median counts.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

from benchmarks.measure import Row, format_ms, format_ratio, report
from slurmtf.snapshot import Snapshot, SnapshotStore, collect
from slurmtf.snapshot.git import ask_git

COUNTS, TURNS = (2_000, 20_000), 5
BUDGETS = {(2_000, "unchanged"): "50 ms", (20_000, "first"): "1,000 ms"}
PATTERNS = "*.log\n*.ckpt\n/data/\n.venv/\n*.egg-info/\nbuild/\ndist/\n.pytest_cache/\n"
SETTLED_S = 2.5
"""Files that changed in the last two seconds are not trusted (git's racy entries)."""


def _write_source(folder: Path, files: int) -> Path:
    """Write a source like a project's: many small modules in 40 folders, in git, and some ignored files."""
    source = folder / "source"
    for index in range(files - 1):
        part = source / f"package{index % 40}"
        part.mkdir(parents=True, exist_ok=True)
        (part / f"module{index}.py").write_text(f"x = {index}\n" * (20 + index % 400))
        if index % 20 == 0:
            (part / f"events{index}.log").write_text("ignored")
    (source / ".gitignore").write_text(PATTERNS)
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    for argv in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message=one")):
        subprocess.run(["git", "-C", source, *identity, *argv], check=True)
    return source


def _take(source: Path, workspace: Path) -> Snapshot:
    """Do what a submission does with the source, including the calls of git."""
    run = workspace / os.urandom(6).hex()
    run.mkdir(parents=True)
    store = SnapshotStore(workspace)
    with ask_git(source) as answer:
        snapshot = store.read(collect(source, outside=[workspace]))
        assert answer()
    return store.take(snapshot, str(run / "source.tar"))


def _measure_once(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def _build_rivals(source: Path, target: Callable[[], Path]) -> dict[str, Callable[[], object]]:
    def copy_tree() -> None:
        copy = target()
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns(".git"))

    return {
        "tar": lambda: subprocess.run(["tar", "--exclude=.git", "-cf", target(), "-C", source, "."], check=True),
        "git archive": lambda: subprocess.run(["git", "-C", source, "archive", "--output", target(), "HEAD"], check=True),
        "copytree": copy_tree,
    }


def _measure_medians(actions: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    taken = [{name: _measure_once(action) for name, action in actions.items()} for _ in range(TURNS)]
    return {name: statistics.median(turn[name] for turn in taken) for name in actions}


def measure_rows(folder: Path, files: int) -> list[Row]:
    source, numbers = _write_source(folder, files), count()
    known, edited = folder / "known", source / "package0" / "module0.py"

    def take_changed() -> None:
        edited.write_text(f"x = {next(numbers)}\n")
        _take(source, known)

    time.sleep(SETTLED_S)
    _take(source, known)
    ours = {
        "first": lambda: _take(source, folder / f"new{next(numbers)}"),
        "unchanged": lambda: _take(source, known),
        "one file changed": take_changed,
    }
    rivals = _build_rivals(source, lambda: folder / f"target{next(numbers)}.tar")
    median = _measure_medians({**ours, **rivals})
    ratios = {name: [format_ratio(median[name], median[rival]) for rival in rivals] for name in ours}
    own = [(name, format_ms(median[name]), *ratios[name], BUDGETS.get((files, name), "")) for name in ours]
    return own + [(name, format_ms(median[name]), *[""] * len(rivals), "") for name in rivals]


def main() -> None:
    base = sys.argv[1] if len(sys.argv) > 1 else None
    for files in COUNTS:
        with tempfile.TemporaryDirectory(dir=base) as folder:
            heading = ("what", "time", "/ tar", "/ git archive", "/ copytree", "budget")
            report(f"Snapshot of {files:,} files", [heading, *measure_rows(Path(folder), files)])


if __name__ == "__main__":
    main()
