"""What slurmtf adds to Slurm's own commands, on the test Slurm. Rivals: bare sbatch, bare srun, submitit, simple_slurm.

scripts/cluster start; scripts/cluster exec .venv/bin/python -m benchmarks.slurm
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import format_ms, format_ratio, measure_action, report
from slurmtf import Experiment, RandomParameterSampling, Sweep, TensorFlow, uniform
from slurmtf.runs.status import read_states

HAND = "#!/bin/bash\n#SBATCH --output=/dev/null\nexec srun --ntasks=1 {python} {script} {mark}\n"
SCRIPT = "import sys, time\nopen(sys.argv[1], 'w').write(repr(time.time()))\n"
RUNS = 5
TURNS = 9
BUDGETS = {
    "slurmtf: first of a process": "100 ms above",
    "slurmtf: second of a process": "30 ms above",
    "slurmtf submit, cold, in all": "400 ms",
}
TWICE = """
import contextlib, os, sys, time
{code}
for _ in range(2):
    began = time.perf_counter()
    with contextlib.redirect_stdout(None):
        submit()
    print(time.perf_counter() - began)
"""
OWN = """
from slurmtf import Experiment, TensorFlow
estimator = TensorFlow(sys.argv[1], compute_target="slurm", script_params=sys.argv[3:])
submit = lambda: Experiment("bench", sys.argv[2]).submit(estimator)
"""
SUBMITIT = """
import submitit
executor = submitit.SlurmExecutor(sys.argv[2] + "/submitit")
{}
submit = lambda: executor.submit(print, 1)
"""
RIVALS = {
    "submitit": SUBMITIT.format(""),
    "submitit, throttle off": SUBMITIT.format("executor._throttle = lambda: None"),
    "simple_slurm": """
from simple_slurm import Slurm
submit = lambda: Slurm(output="/dev/null").sbatch("true")
""",
}
"""How other programs submit a job. A name begins with its module; what is not installed is left out."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source = root / "source"
        source.mkdir()
        (source / "train.py").write_text(SCRIPT)
        _measure_submissions(root, source)
        _measure_start(root, source)
        _measure_sweep(root, source)


def _measure_sweep(root: Path, source: Path) -> None:
    """Submit a sweep of 1,000 trials, and cancel it."""
    sampling, taken = RandomParameterSampling({"x": uniform(0, 1)}), list[float]()
    for _ in range(RUNS):
        estimator = TensorFlow(source, compute_target="slurm", script_params=["/dev/null"])
        sweep = Sweep(estimator, sampling, "score", "maximize", 1000, 1)
        began = time.perf_counter()
        run = Experiment("sweep", root / "workspace").submit(sweep)
        taken.append(time.perf_counter() - began)
        run.cancel()
    report("Submission of a sweep", [("of 1,000 trials", format_ms(statistics.median(taken)), "budget: 500 ms")])


def _measure_submissions(root: Path, source: Path) -> None:
    """Time submissions by turns, so that a busy machine is busy for all of them, and none while another's job runs."""
    script = root / "hand.sh"
    script.write_text("#!/bin/bash\n#SBATCH --output=/dev/null\ntrue\n")
    os.utime(source, ns=(0, 0))  # slurmtf does not cache an interpreter's answer about a folder that has only just changed
    rivals, workspace = _find_rivals(), str(root / "workspace")
    taken: dict[str, list[float]] = {name: [] for name in (*BUDGETS, "sbatch", *rivals)}
    measure_in_process(OWN, source, workspace, "/dev/null")
    for _ in range(TURNS):
        wait_until_idle()
        taken["sbatch"].append(measure_action(lambda: _run("sbatch", "--parsable", script), 1))
        wait_until_idle()
        first, second = measure_in_process(OWN, source, workspace, "/dev/null")
        taken["slurmtf: first of a process"].append(first)
        taken["slurmtf: second of a process"].append(second)
        command = (Path(sys.executable).with_name("slurmtf"), "submit", "-s", "slurm", "-w", workspace, source / "train.py")
        wait_until_idle()
        taken["slurmtf submit, cold, in all"].append(measure_action(functools.partial(_run, *command, "/dev/null"), 1))
        for name, code in rivals.items():
            wait_until_idle()
            taken[name].append(measure_in_process(code, source, str(root))[1])
    bare = statistics.median(taken["sbatch"])
    rows = [("what", "time", "above sbatch", "budget")]
    for name, times_ in taken.items():
        value = statistics.median(times_)
        above = "" if name in ("sbatch", "slurmtf submit, cold, in all") else format_ms(value - bare)
        rows.append((name, format_ms(value), above, BUDGETS.get(name, "")))
    report(f"Submission of one job (median of {TURNS} turns; of rivals the second of a process)", rows)
    folders = [run.folder for run in Experiment("bench", workspace).get_runs()]
    for folder in folders:
        _wait_for_end(folder)
    report(
        "Status", [(f"of {len(folders)} ended runs", format_ms(measure_action(lambda: read_states(folders))), "no Slurm call")]
    )


def _find_rivals() -> dict[str, str]:
    installed = {name: code for name, code in RIVALS.items() if importlib.util.find_spec(name.partition(",")[0])}
    for name in RIVALS.keys() - installed.keys():
        print(f"{name} is left out: it is not installed", file=sys.stderr)
    return installed


def wait_until_idle() -> None:
    """Wait until no job is left: starting one takes CPUs from the next measurement."""
    while subprocess.run(["squeue", "--me", "--noheader"], check=True, capture_output=True).stdout:
        time.sleep(0.2)


def _run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, capture_output=True)


def measure_in_process(code: str, *arguments: str | Path, **options: Any) -> list[float]:
    """Return the seconds of two submissions by one process, without its imports."""
    command = [sys.executable, "-c", TWICE.format(code=code), *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, **options)
    return [float(word) for word in done.stdout.split()[-2:]]


def _measure_start(root: Path, source: Path) -> None:
    """Time from the launch line in the batch script to the first line of the user's script."""
    by_hand, by_us = [], []
    for turn in range(RUNS):
        mark = root / f"hand-{turn}"
        job = root / f"hand-{turn}.sh"
        line = "date +%s.%N > {begin}\n".format(begin=root / f"begin-{turn}")
        job.write_text(
            HAND.format(python=sys.executable, script=source / "train.py", mark=mark).replace("exec srun", line + "exec srun")
        )
        subprocess.run(["sbatch", "--parsable", job], check=True, capture_output=True)
        by_hand.append(wait_for_number(mark) - wait_for_number(root / f"begin-{turn}"))
        ours = root / f"ours-{turn}"
        run = Experiment("bench", root / "workspace").submit(
            TensorFlow(source, compute_target="slurm", script_params=[str(ours)])
        )
        begun = wait_for_number(ours)
        _wait_for_end(run.folder)
        by_us.append(begun - read_event_time(run.folder, "started"))
    hand, own = sorted(by_hand)[RUNS // 2], sorted(by_us)[RUNS // 2]
    rows = [("what", "slurmtf", "srun by hand", "above it", "ratio", "budget")]
    rows += [
        (
            "batch script to the script's first line",
            format_ms(own),
            format_ms(hand),
            format_ms(own - hand),
            format_ratio(own, hand),
            "150 ms above",
        )
    ]
    report("Start of a task", rows)


def wait_for_number(path: Path) -> float:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text().strip()):
        if time.monotonic() > deadline:
            raise TimeoutError(path)
        time.sleep(0.05)
    return float(path.read_text())


def _wait_for_end(folder: Path) -> None:
    deadline = time.monotonic() + 60
    while not read_states([folder])[0].status.final:
        if time.monotonic() > deadline:
            raise TimeoutError(folder)
        time.sleep(0.2)


def read_event_time(folder: Path, name: str) -> float:
    """Return when something happened in a run. Earlier versions wrote all attempts into one journal.jsonl."""
    journals = [*folder.glob("journal.jsonl"), *folder.glob("journal/*.jsonl")]
    events = [json.loads(line) for path in journals for line in path.read_text().splitlines()]
    return float(next(event["time"] for event in events if event["event"] == name))


if __name__ == "__main__":
    main()
