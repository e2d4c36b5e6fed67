"""What slurmtf adds to Slurm's own commands, on the test Slurm. Rivals: bare sbatch, bare srun, a job by hand.

scripts/cluster start; scripts/cluster exec .venv/bin/python -m benchmarks.slurm
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import ms, report, seconds, times
from slurmtf import Experiment, TensorFlow
from slurmtf.runs.status import states_of

HAND = "#!/bin/bash\n#SBATCH --output=/dev/null\nexec srun --ntasks=1 {python} {script} {mark}\n"
SCRIPT = "import sys, time\nopen(sys.argv[1], 'w').write(repr(time.time()))\n"
RUNS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source = root / "source"
        source.mkdir()
        (source / "train.py").write_text(SCRIPT)
        _submission(root, source)
        _start(root, source)


def _submission(root: Path, source: Path) -> None:
    hand = root / "hand.sh"
    hand.write_text("#!/bin/bash\n#SBATCH --output=/dev/null\ntrue\n")
    bare = seconds(lambda: subprocess.run(["sbatch", "--parsable", hand], check=True, capture_output=True), 7)
    experiment = Experiment("bench", root / "workspace")
    estimator = TensorFlow(source, compute_target="slurm", script_params=[str(root / "ignored")])
    experiment.submit(estimator)
    own = seconds(lambda: experiment.submit(estimator), 7)
    folders = [run.folder for run in experiment.get_runs()]
    for folder in folders:
        _ended(folder)
    status = seconds(lambda: states_of(folders))
    rows = [("what", "time", "bare sbatch", "above it", "budget")]
    rows += [("submit", ms(own), ms(bare), ms(own - bare), "100 ms")]
    rows += [(f"status of {len(folders)} ended runs", ms(status), "", "", "no Slurm call")]
    report("Submission", rows)


def _start(root: Path, source: Path) -> None:
    """From the launch line in the batch script to the first line of the user's script."""
    by_hand, by_us = [], []
    for turn in range(RUNS):
        mark = root / f"hand-{turn}"
        job = root / f"hand-{turn}.sh"
        line = "date +%s.%N > {begin}\n".format(begin=root / f"begin-{turn}")
        job.write_text(
            HAND.format(python=sys.executable, script=source / "train.py", mark=mark).replace("exec srun", line + "exec srun")
        )
        subprocess.run(["sbatch", "--parsable", job], check=True, capture_output=True)
        by_hand.append(_float(mark) - _float(root / f"begin-{turn}"))
        ours = root / f"ours-{turn}"
        run = Experiment("bench", root / "workspace").submit(
            TensorFlow(source, compute_target="slurm", script_params=[str(ours)])
        )
        begun = _float(ours)
        _ended(run.folder)
        by_us.append(begun - _event(run.folder, "started"))
    hand, own = sorted(by_hand)[RUNS // 2], sorted(by_us)[RUNS // 2]
    rows = [("what", "slurmtf", "srun by hand", "above it", "ratio", "budget")]
    rows += [("batch script to the script's first line", ms(own), ms(hand), ms(own - hand), times(own, hand), "150 ms above")]
    report("Start of a task", rows)


def _float(path: Path) -> float:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text().strip()):
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.05)
    return float(path.read_text())


def _ended(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while not states_of([folder])[0].status.final:
        if time.monotonic() > deadline:
            raise TimeoutError(folder)
        time.sleep(0.2)


def _event(folder: Path, name: str) -> float:
    events = [json.loads(line) for path in (folder / "journal").iterdir() for line in path.read_text().splitlines()]
    return float(next(event["time"] for event in events if event["event"] == name))


if __name__ == "__main__":
    main()
