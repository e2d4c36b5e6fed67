"""Images per second of each mode, against the same training launched by hand in the same run.

    python -m benchmarks.throughput PYTHON [--turns N] [MODE ...]

PYTHON is an interpreter with TensorFlow and Horovod, as tests.environments builds one. By hand is what the documentation of
Horovod and TensorFlow shows: mpirun, horovodrun --gloo, a TF_CONFIG written by hand. Each mode is compared with itself. MODE is
one or more of single, mpirun, gloo, multiworker (all four when none is given), and srun, for which `scripts/cluster exec` makes
this command a client of a Slurm.

Ours and theirs alternate, and who is first changes with each turn. The ratio is the median of the turns', and the spread its
lowest and highest: a busy machine is busy for both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import report
from slurmtf import Environment, Experiment, Mpi, MultiWorker, Site, TensorFlow
from slurmtf.sites.model import Launcher

TRAINING = Path(__file__).parent / "training"
SCRIPT = str(TRAINING / "train.py")
TURNS, RANKS = 7, 2
QUIET = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
Launch = Callable[[Path], None]


def _rate(launch: Launch) -> float:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        launch(result)
        return float(json.loads(result.read_text())["images_per_second"])


def _by_us(python: str, mode: str, folder: Path, **settings: Any) -> Launch:
    def launch(result: Path) -> None:
        wishes = {"compute_target": "local", "environment_definition": Environment(python=python), **settings}
        estimator = TensorFlow(TRAINING, script_params=[mode, str(result)], **wishes)
        Experiment("throughput", folder).submit(estimator).wait_for_completion()

    return launch


def _by_hand(*argv: str) -> Launch:
    def launch(result: Path) -> None:
        subprocess.run([*argv, str(result)], check=True, capture_output=True)

    return launch


def _workers_by_hand(python: str) -> Launch:
    def launch(result: Path) -> None:
        cluster = {"worker": [f"localhost:{23450 + index}" for index in range(RANKS)]}
        workers = []
        for index in range(RANKS):
            config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
            argv = [python, SCRIPT, "multiworker", str(result)]
            workers.append(subprocess.Popen(argv, env={**os.environ, "TF_CONFIG": config}, stderr=subprocess.DEVNULL))
        codes = [worker.wait() for worker in workers]
        if any(codes):
            raise RuntimeError(f"the workers ended with {codes}")

    return launch


def pairs(python: str, folder: Path) -> Mapping[str, tuple[Launch, Launch]]:
    """What is compared: ours, and the same by hand."""
    ranks = str(RANKS)
    gloo, mpi = (Mpi(RANKS, transport=transport) for transport in ("gloo", "mpi"))  # type: ignore[arg-type]
    horovodrun = [python, str(Path(python).with_name("horovodrun")), "--gloo", "-np", ranks, "-H", f"localhost:{ranks}"]
    found = {
        "single": (_by_us(python, "single", folder), _by_hand(python, SCRIPT, "single")),
        "mpirun": (
            _by_us(python, "horovod", folder, distributed_training=mpi, launcher="mpirun"),
            _by_hand("mpirun", "-np", ranks, python, SCRIPT, "horovod"),
        ),
        "gloo": (
            _by_us(python, "horovod", folder, distributed_training=gloo),
            _by_hand(*horovodrun, python, SCRIPT, "horovod"),
        ),
        "multiworker": (
            _by_us(python, "multiworker", folder, distributed_training=MultiWorker(RANKS)),
            _workers_by_hand(python),
        ),
    }
    site = Site(name="slurm", launcher=Launcher(mpi="pmix"))
    settings = {"compute_target": site, "distributed_training": mpi, "cpus_per_task": 1, "time": 10}
    srun = ("srun", "--nodes=1", f"--ntasks={ranks}", "--cpus-per-task=1", "--mpi=pmix", "--time=10")
    found["srun"] = (_by_us(python, "horovod", folder, **settings), _by_hand(*srun, python, SCRIPT, "horovod"))
    return found


def _row(name: str, ours: Launch, theirs: Launch, turns: int) -> tuple[str, ...]:
    rates = []
    for turn in range(turns):
        if turn % 2:
            rates.append((_rate(ours), _rate(theirs)))
        else:
            rates.append((_rate(theirs), _rate(ours))[::-1])
        print(f"{name}, turn {turn + 1}: {rates[-1][0]:,.0f} and by hand {rates[-1][1]:,.0f}", file=sys.stderr)
    own, other = (statistics.median(column) for column in zip(*rates, strict=True))
    ratios = sorted(mine / hand for mine, hand in rates)
    spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
    return name, f"{own:,.0f}", f"{other:,.0f}", f"{statistics.median(ratios):.2f}x", spread


def main() -> None:
    parser = argparse.ArgumentParser(usage="python -m benchmarks.throughput PYTHON [--turns N] [MODE ...]")
    parser.add_argument("python")
    parser.add_argument("modes", nargs="*", metavar="MODE")
    parser.add_argument("--turns", type=int, default=TURNS)
    arguments = parser.parse_intermixed_args()
    os.environ.update(QUIET)
    with tempfile.TemporaryDirectory() as folder:
        found = pairs(arguments.python, Path(folder))
        rows = [("mode", "slurmtf", "by hand", "ratio", "spread")]
        for name in arguments.modes or [name for name in found if name != "srun"]:
            rows.append(_row(name, *found[name], arguments.turns))
        report(f"Images per second, {RANKS} processes on this machine, {arguments.turns} turns", rows)


if __name__ == "__main__":
    main()
