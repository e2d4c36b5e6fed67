"""What the command line and the library cost before they do anything. Rival: a bare Python that ends at once.

python -m benchmarks.start
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import command, ms, report, seconds, times

BUDGETS = {"import slurmtf": 0.060, "slurmtf --help": 0.150, "slurmtf status": 0.150}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = str(Path(folder, "runs"))
        script = Path(folder, "project", "train.py")
        script.parent.mkdir()
        script.write_text("print('done')\n")
        environ = {**os.environ, "SLURMTF_WORKSPACE": workspace}
        slurmtf = str(Path(sys.executable).parent / "slurmtf")
        command(slurmtf, "run", str(script), "-s", "local", times=1, env=environ)
        bare = command(sys.executable, "-c", "pass")
        taken = {
            "import slurmtf": command(sys.executable, "-c", "import slurmtf") - bare,
            "slurmtf --help": command(slurmtf, "--help", env=environ),
            "slurmtf status": command(slurmtf, "status", env=environ),
            "slurmtf plan": command(slurmtf, "plan", str(script), "-s", "local", env=environ),
        }
        rows = [("what", "time", "bare Python", "ratio", "budget")]
        rows += [
            (name, ms(t), ms(bare), times(t, bare), ms(BUDGETS[name]) if name in BUDGETS else "") for name, t in taken.items()
        ]
        report("Start", rows)
        _snapshot(Path(folder))


def _snapshot(folder: Path) -> None:
    """2,000 files: kept once, and looked at again. Rival: copying the tree."""
    import shutil

    from slurmtf.snapshot import SnapshotStore, collect

    source = folder / "source"
    source.mkdir()
    for index in range(1990):
        part = source / f"part{index % 40}"
        part.mkdir(exist_ok=True)
        (part / f"module{index}.py").write_text(f"x = {index}\n" * 100)
    store = SnapshotStore(folder / "workspace")
    copies = iter(range(100))
    copy = seconds(lambda: shutil.copytree(source, folder / f"copy{next(copies)}"), 3)
    first = seconds(lambda: store.keep(collect(source)), 1)
    again = seconds(lambda: store.keep(collect(source)))
    rows = [("snapshot of 1,990 files", "time", "copytree", "ratio", "budget")]
    rows += [
        ("first", ms(first), ms(copy), times(first, copy), ""),
        ("unchanged", ms(again), ms(copy), times(again, copy), "50 ms"),
    ]
    report("Snapshot", rows)


if __name__ == "__main__":
    main()
