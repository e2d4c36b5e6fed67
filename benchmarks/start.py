"""What the command line and the library cost before they do anything. Rival: a bare Python that ends at once.

python -m benchmarks.start [TIMES]
"""

from __future__ import annotations

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measure import format_ms, format_ratio, measure_command, report

BUDGETS = {"import slurmtf": 0.060, "slurmtf --help": 0.150, "slurmtf status": 0.150}


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    with tempfile.TemporaryDirectory() as folder:
        workspace = str(Path(folder, "runs"))
        script = Path(folder, "project", "train.py")
        script.parent.mkdir()
        script.write_text("print('done')\n")
        environ = {**os.environ, "SLURMTF_WORKSPACE": workspace}
        slurmtf = str(Path(sys.executable).parent / "slurmtf")
        measure_command(slurmtf, "run", str(script), "-s", "local", times=1, env=environ)
        measure = partial(measure_command, times=times, env=environ)
        bare = measure(sys.executable, "-c", "pass")
        taken = {
            "import slurmtf": measure(sys.executable, "-c", "import slurmtf") - bare,
            "slurmtf --help": measure(slurmtf, "--help"),
            "slurmtf status": measure(slurmtf, "status"),
            "slurmtf plan": measure(slurmtf, "plan", str(script), "-s", "local"),
        }
        rows = [("what", "time", "bare Python", "ratio", "budget")]
        rows += [
            (name, format_ms(t), format_ms(bare), format_ratio(t, bare), format_ms(BUDGETS[name]) if name in BUDGETS else "")
            for name, t in taken.items()
        ]
        report("Start", rows)


if __name__ == "__main__":
    main()
