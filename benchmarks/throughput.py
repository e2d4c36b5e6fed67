"""Images per second of each mode, against the same training launched by hand in the same run, on this machine.

    python -m benchmarks.throughput PYTHON      (an interpreter with TensorFlow and Horovod, as tests.environments builds one)

By hand is what the documentation of Horovod and TensorFlow shows: plain mpirun, and a TF_CONFIG written by hand. The turns
alternate, and the median counts, so that a busy machine is busy for both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import report, times
from slurmtf import Environment, Experiment, Mpi, MultiWorker, TensorFlow

TRAINING = Path(__file__).parent / "training"
TURNS, RANKS = 3, 2
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
Launch = Callable[[Path], None]


def _rate(launch: Launch) -> float:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        launch(result)
        return float(json.loads(result.read_text())["images_per_second"])


def _by_us(python: str, mode: str, folder: Path, **settings: object) -> Launch:
    def launch(result: Path) -> None:
        estimator = TensorFlow(
            TRAINING,
            script_params=[mode, str(result)],
            environment_definition=Environment(python=python),
            compute_target="local",
            **settings,  # type: ignore[arg-type]
        )
        Experiment("throughput", folder).submit(estimator).wait_for_completion()

    return launch


def _by_hand(*argv: str) -> Launch:
    def launch(result: Path) -> None:
        subprocess.run([*argv, str(result)], check=True, capture_output=True, env={**os.environ, **AS_ROOT})

    return launch


def _workers_by_hand(python: str) -> Launch:
    def launch(result: Path) -> None:
        cluster = {"worker": [f"localhost:{23450 + index}" for index in range(RANKS)]}
        workers = []
        for index in range(RANKS):
            config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
            argv = [python, str(TRAINING / "train.py"), "multiworker", str(result)]
            workers.append(subprocess.Popen(argv, env={**os.environ, "TF_CONFIG": config}, stderr=subprocess.DEVNULL))
        codes = [worker.wait() for worker in workers]
        if any(codes):
            raise RuntimeError(f"the workers ended with {codes}")

    return launch


def main() -> None:
    python = sys.argv[1]
    script = str(TRAINING / "train.py")
    os.environ.update(AS_ROOT)
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder)
        mpirun = _by_hand("mpirun", "-np", str(RANKS), python, script, "horovod")
        pairs: dict[str, tuple[Launch, Launch]] = {
            "one process": (_by_us(python, "single", ours), _by_hand(python, script, "single")),
            "Horovod, mpirun": (
                _by_us(
                    python,
                    "horovod",
                    ours,
                    distributed_training=Mpi(RANKS, transport="mpi"),
                    launcher="mpirun",
                    cpus_per_task=1,
                ),
                mpirun,
            ),
            "Horovod, Gloo": (
                _by_us(python, "horovod", ours, distributed_training=Mpi(RANKS, transport="gloo"), cpus_per_task=1),
                mpirun,
            ),
            "MultiWorkerMirrored": (
                _by_us(python, "multiworker", ours, distributed_training=MultiWorker(RANKS), cpus_per_task=1),
                _workers_by_hand(python),
            ),
        }
        rows = [("mode", "slurmtf", "by hand", "ratio")]
        for name, (own, hand) in pairs.items():
            rates = [(_rate(own), _rate(hand)) for _ in range(TURNS)]
            ours_s, hand_s = (statistics.median(column) for column in zip(*rates, strict=True))
            rows.append((name, f"{ours_s:,.0f}", f"{hand_s:,.0f}", times(ours_s, hand_s)))
        report(f"Images per second, {RANKS} processes on this machine", rows)


if __name__ == "__main__":
    main()
