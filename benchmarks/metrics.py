"""Metrics, compared with other tools: what logging costs a script, what 64 processes lose, how fast event files are read.

`python -m benchmarks.metrics [--python PYTHON]`: PYTHON has tensorboard and, to compare them, mlflow or wandb.
Figures are compared within one run only: as ratios.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.event_files import find_event_files
from slurmtf.job.script.context import Recorder, Run
from slurmtf.runs.metrics.reading import MetricsReader

VALUES, EVENTS = 200_000, 100_000
RANKS, RATE = 64, 1000

WRITERS = {
    "TensorBoard's EventFileWriter": (
        20_000,
        """
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
writer = EventFileWriter(folder)
def log(step):
    summary = Summary(value=[Summary.Value(tag="loss", simple_value=step)])
    writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
finish = writer.close
""",
    ),
    "MLflow, sqlite": (
        500,
        """
import mlflow
mlflow.set_tracking_uri("sqlite:///" + folder + "/mlflow.db")
mlflow.start_run()
log = lambda step: mlflow.log_metric("loss", step, step=step)
finish = mlflow.end_run
""",
    ),
    "W&B, offline": (
        5_000,
        """
import wandb
run = wandb.init(mode="offline", dir=folder, settings=wandb.Settings(silent=True))
log = lambda step: run.log({"loss": step}, step=step)
finish = run.finish
""",
    ),
}
DRIVE = """
import sys, time
folder, count = sys.argv[1], int(sys.argv[2])
{writer}
began = time.perf_counter()
for step in range(count):
    log(step)
finish()
print(count / (time.perf_counter() - began))
"""
READ = """
import sys, time
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
began = time.perf_counter()
read = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
read.Reload()
assert len(read.Scalars("loss")) == int(sys.argv[2])
print(time.perf_counter() - began)
"""
WRITE = DRIVE.replace("{writer}", WRITERS["TensorBoard's EventFileWriter"][1])


def build_script_run(folder: Path, label: str = "rank-0") -> Run:
    return Run("benchmark", Recorder(RunLayout(str(folder)), label))


def measure_writing(folder: Path) -> float:
    """Return values per second, each flushed; memory use must not grow with their number."""
    run = build_script_run(folder)
    run.log("loss", 0.0)
    before, took = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, []
    for _ in range(3):
        began = time.perf_counter()
        for step in range(VALUES):
            run.log("loss", step * 0.37, step=step)
        took.append(time.perf_counter() - began)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{'memory grown by (KiB)':40} {grown:>12,}")
    return VALUES / min(took)


def ask_program(python: str, code: str, *arguments: object) -> float | None:
    """Return the number that a program prints; None if it fails, as when a package is not installed."""
    done = subprocess.run([python, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


def log_as_rank(folder: str, rank: int, seconds: float) -> None:
    run = build_script_run(Path(folder), f"rank-{rank}")
    began = time.perf_counter()
    for step in range(int(RATE * seconds)):
        run.log("loss", step * 0.37, step=step)
        ahead = step / RATE - (time.perf_counter() - began)
        if ahead > 0.01:
            time.sleep(ahead)


def measure_ranks(folder: Path, seconds: float) -> tuple[int, int, float]:
    """Return how many values were logged and read, and the reader's CPU seconds; it reads while they are logged."""
    ranks = [multiprocessing.Process(target=log_as_rank, args=(str(folder), rank, seconds)) for rank in range(RANKS)]
    for rank in ranks:
        rank.start()
    reader, read, busy = MetricsReader(RunLayout(str(folder))), 0, 0.0
    while True:
        alive = any(rank.is_alive() for rank in ranks)
        began = time.process_time()
        read += reader.read_new()
        busy += time.process_time() - began
        if not alive:
            return RANKS * int(RATE * seconds), read, busy
        time.sleep(0.5)


def print_comparison(what: str, figure: float | None, base: float, more_is_better: bool = True) -> None:
    if figure is None:
        print(f"{what:40} not installed")
        return
    print(f"{what:40} {figure:>12,.2f}   ours is {base / figure if more_is_better else figure / base:.1f} times as fast")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics", description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        own = measure_writing(folder / "one")
        print_comparison("run.log, values a second, flushed", own, own)
        for what, (count, writer) in WRITERS.items():
            place = folder / what.split()[0].strip("',")
            place.mkdir()
            print_comparison(what, ask_program(arguments.python, DRIVE.replace("{writer}", writer), place, count), own)
        logged, read, busy = measure_ranks(folder / "many", arguments.seconds)
        print(f"{RANKS} processes for {arguments.seconds:g} s: {logged:,} logged, {read:,} read in {busy:.1f} s of CPU")
        events = folder / "events/outputs"
        if ask_program(arguments.python, WRITE, events, EVENTS) is not None:
            began = time.perf_counter()
            count = sum(1 for file in find_event_files(RunLayout(str(events.parent))) for _ in file.read_new_points())
            took = time.perf_counter() - began
            print(f"{'event files, seconds for ' + format(count, ','):40} {took:>12,.2f}")
            print_comparison(
                "TensorBoard's EventAccumulator",
                ask_program(arguments.python, READ, events, EVENTS),
                took,
                more_is_better=False,
            )


if __name__ == "__main__":
    main()
