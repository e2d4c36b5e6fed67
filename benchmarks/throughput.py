"""Images per second of each mode, against the same training launched by hand in the same run.

    python -m benchmarks.throughput [--tensorflow PYTHON] [--jax PYTHON] [--tf1 PYTHON] [--turns N] [MODE ...]

The interpreters are those that tests.environments builds: --tensorflow has TensorFlow 2.15 and Horovod, --jax Keras 3 and JAX,
--tf1 TensorFlow 1.15 and Horovod. Modes whose interpreter is not given are left out. "By hand" is what the documentation of
Horovod, TensorFlow and JAX shows: mpirun, horovodrun --gloo, a TF_CONFIG, or three variables for JAX. MODE is one or more of
the names in the table. srun is measured only if named; it needs `scripts/cluster exec`, which makes this command a client of a
Slurm.

Each turn goes through all modes, and which of the two goes first changes with each turn. The ratio is the median over the
turns, the spread its lowest and highest: a busy machine is busy for both.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, report
from slurmtf import Environment, Experiment, Jax, Mpi, MultiWorker, ParameterServer, Site, TensorFlow
from slurmtf.sites.model import Launcher

TRAINING = Path(__file__).parent / "training"
TURNS, RANKS = 5, 2
QUIET = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
SERVES = ("ps",)
Start = Callable[[str, list[str]], None]
"""Starts a training script by hand, given its Python and the words that follow it."""


@dataclass(frozen=True)
class Mode:
    """One way to train. ``software`` is the option that gives the interpreter; ``what`` is for the table."""

    name: str
    what: str
    software: str
    script: str
    argument: str
    by_hand: Start
    settings: Mapping[str, Any] = field(default_factory=dict)

    def run_with_slurmtf(self, python: str, folder: Path, result: Path) -> None:
        wishes = {"compute_target": "local", "environment_definition": Environment(python=python), **self.settings}
        arguments = [self.argument, str(result)]
        estimator = TensorFlow(TRAINING, entry_script=self.script, script_params=arguments, **wishes)
        Experiment("throughput", folder).submit(estimator).wait_for_completion()

    def run_by_hand(self, python: str, _folder: Path, result: Path) -> None:
        self.by_hand(python, [str(TRAINING / self.script), self.argument, str(result)])

    def measure_rates(self, python: str, folder: Path, ours_first: bool) -> tuple[float, float]:
        """Return images per second, with slurmtf and by hand."""
        ways = (self.run_with_slurmtf, self.run_by_hand) if ours_first else (self.run_by_hand, self.run_with_slurmtf)
        found = {}
        for way in ways:
            result = folder / "result.json"
            way(python, folder, result)
            found[way] = float(json.loads(result.read_text())["images_per_second"])
            result.unlink()
        return found[self.run_with_slurmtf], found[self.run_by_hand]


def build_command_start(*words: str) -> Start:
    def start(python: str, command: list[str]) -> None:
        subprocess.run([*words, python, *command], check=True, capture_output=True)

    return start


def start_with_horovodrun(python: str, command: list[str]) -> None:
    program = str(Path(python).with_name("horovodrun"))
    words = [python, program, "--gloo", "-np", str(RANKS), "-H", f"localhost:{RANKS}", python, *command]
    subprocess.run(words, check=True, capture_output=True)


def build_tf_config_start(**roles: int) -> Start:
    """Return a start of one process for each task, with its TF_CONFIG; serving tasks are ended after the others."""

    def start(python: str, command: list[str]) -> None:
        cluster = {role: [f"localhost:{_find_free_port()}" for _ in range(count)] for role, count in roles.items()}
        tasks = [(role, index) for role, count in roles.items() for index in range(count)]
        with tempfile.TemporaryDirectory() as model:
            configs = [{"cluster": cluster, "task": {"type": role, "index": index}} for role, index in tasks]
            environs = [{"TF_CONFIG": json.dumps(config), "MODEL_DIR": model} for config in configs]
            serving = [role in SERVES or (role == "worker" and "chief" in roles) for role, _ in tasks]
            _run_tasks(python, command, environs, serving)

    return start


def start_with_jax_variables(python: str, command: list[str]) -> None:
    shared = {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"localhost:{_find_free_port()}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(RANKS),
    }
    shared["JAX_COORDINATOR_ADDRESS"] = shared["KERAS_DISTRIBUTION_JOB_ADDRESSES"]
    environs = [{**shared, "KERAS_DISTRIBUTION_PROCESS_ID": str(rank)} for rank in range(RANKS)]
    _run_tasks(python, command, environs, [False] * RANKS)


def _find_free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return int(free.getsockname()[1])


def _run_tasks(python: str, command: list[str], environs: Iterable[Mapping[str, str]], serving: list[bool]) -> None:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    tasks = [subprocess.Popen([python, *command], env={**os.environ, **own}, **quiet) for own in environs]  # type: ignore[call-overload]
    try:
        codes = [task.wait() for task, serves in zip(tasks, serving, strict=True) if not serves]
    finally:
        for task in tasks:
            task.kill()
            task.wait()
    if any(codes):
        raise RuntimeError(f"the tasks ended with {codes}: {' '.join(command)}")


GLOO, MPI = Mpi(RANKS, transport="gloo"), Mpi(RANKS, transport="mpi")
SERVED = ParameterServer(worker_count=RANKS, parameter_server_count=1)
ESTIMATED = ParameterServer(worker_count=RANKS - 1, parameter_server_count=1, layout="chief")
LAB = Site(name="slurm", launcher=Launcher(mpi="pmix"))
BY_MPIRUN = build_command_start("mpirun", "-np", str(RANKS))
BY_SRUN = build_command_start("srun", "--nodes=1", f"--ntasks={RANKS}", "--cpus-per-task=1", "--mpi=pmix", "--time=10")
JOINED, OF_GLOO = {"distributed_training": Jax(RANKS)}, {"distributed_training": GLOO}
OF_MPIRUN = {"distributed_training": MPI, "launcher": "mpirun"}
OF_MODEL = {"environment_variables": {"MODEL_DIR": "outputs/model"}}
ON_SLURM = {"compute_target": LAB, "distributed_training": MPI, "cpus_per_task": 1, "time": 10}

MODES = {
    mode.name: mode
    for mode in (
        Mode("keras3-jax", "Keras 3, fit on JAX", "jax", "fit.py", "jax", start_with_jax_variables, JOINED),
        Mode("keras2-horovod", "Keras 2, fit, Horovod by mpirun", "tensorflow", "fit.py", "horovod", BY_MPIRUN, OF_MPIRUN),
        Mode("keras2-multiworker", "Keras 2, fit, MultiWorkerMirrored", "tensorflow", "fit.py", "multiworker",
             build_tf_config_start(worker=RANKS), {"distributed_training": MultiWorker(RANKS)}),
        Mode("jax", "loop in JAX", "jax", "loop_of_jax.py", "loop", start_with_jax_variables, JOINED),
        Mode("single", "loop, one process", "tensorflow", "train.py", "single", build_command_start()),
        Mode("mpirun", "loop, Horovod by mpirun", "tensorflow", "train.py", "horovod", BY_MPIRUN, OF_MPIRUN),
        Mode("gloo", "loop, Horovod by Gloo", "tensorflow", "train.py", "horovod", start_with_horovodrun, OF_GLOO),
        Mode("multiworker", "loop, MultiWorkerMirrored", "tensorflow", "train.py", "multiworker",
             build_tf_config_start(worker=RANKS), {"distributed_training": MultiWorker(RANKS)}),
        Mode("ps", "loop, ParameterServerStrategy", "tensorflow", "train.py", "ps",
             build_tf_config_start(chief=1, worker=RANKS, ps=1), {"distributed_training": SERVED}),
        Mode("estimator", "tf.estimator, parameter server", "tensorflow", "tf1.py", "estimator",
             build_tf_config_start(chief=1, worker=RANKS - 1, ps=1), {"distributed_training": ESTIMATED, **OF_MODEL}),
        Mode("tf1-horovod", "TF1 graph, Horovod by mpirun", "tf1", "tf1.py", "horovod", BY_MPIRUN, OF_MPIRUN),
        Mode("tf1-ps", "TF1 graph, parameter server", "tf1", "tf1.py", "ps", build_tf_config_start(worker=RANKS, ps=1),
             {"distributed_training": ParameterServer(worker_count=RANKS, parameter_server_count=1, layout="original")}),
        Mode("srun", "loop, Horovod by srun", "tensorflow", "train.py", "horovod", BY_SRUN, ON_SLURM),
    )
}  # fmt: skip


def measure_modes(
    modes: list[Mode], pythons: Mapping[str, str], folder: Path, turns: int
) -> dict[str, list[tuple[float, float]]]:
    """Return the rates of each mode in each turn."""
    found: dict[str, list[tuple[float, float]]] = {mode.name: [] for mode in modes}
    for turn in range(turns):
        for mode in modes:
            rates = mode.measure_rates(pythons[mode.software], folder, bool(turn % 2))
            found[mode.name].append(rates)
            print(f"turn {turn + 1}, {mode.name}: {rates[0]:,.0f} and by hand {rates[1]:,.0f}", file=sys.stderr)
    return found


def format_row(mode: Mode, rates: list[tuple[float, float]]) -> Row:
    own, other = (statistics.median(column) for column in zip(*rates, strict=True))
    ratios = sorted(mine / hand for mine, hand in rates)
    spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
    return mode.name, mode.what, f"{own:,.0f}", f"{other:,.0f}", f"{statistics.median(ratios):.2f}x", spread


def main() -> None:
    parser = argparse.ArgumentParser(usage="python -m benchmarks.throughput [--SOFTWARE PYTHON] [--turns N] [MODE ...]")
    for software in ("tensorflow", "jax", "tf1"):
        parser.add_argument(f"--{software}")
    parser.add_argument("modes", nargs="*", metavar="MODE")
    parser.add_argument("--turns", type=int, default=TURNS)
    arguments = parser.parse_intermixed_args()
    os.environ.update(QUIET)
    names = arguments.modes or [name for name in MODES if name != "srun"]
    modes = [MODES[name] for name in names if getattr(arguments, MODES[name].software)]
    with tempfile.TemporaryDirectory() as folder:
        found = measure_modes(modes, vars(arguments), Path(folder), arguments.turns)
    rows = [("mode", "", "slurmtf", "by hand", "ratio", "spread"), *(format_row(mode, found[mode.name]) for mode in modes)]
    report(f"Images per second, {RANKS} processes that compute on this machine, {arguments.turns} turns", rows)


if __name__ == "__main__":
    main()
