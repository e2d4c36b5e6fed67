"""Real GPUs: what tasks that slurmtf starts on this machine see of them.

    python -m benchmarks.gpu [PYTHON] [--turns N] [--save FILE]

Without Slurm: all runs are on the local site. PYTHON needs TensorFlow for GPUs and, to try Horovod, Horovod. Each line says
what was found, or what could not be tried and why. The exit status is 1 if anything was wrong. On a machine without a GPU, only
the trials that need none are run: the names given to tasks, and refusals.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import report
from slurmtf import Environment, Experiment, Mpi, ParameterServer, Run, SlurmtfError, TensorFlow
from slurmtf.diagnosis.evidence import explain_run
from slurmtf.runs.usage import compute_usage

TRAINING = Path(__file__).parent / "training"
QUERY = "--query-gpu=index,name,uuid,memory.total,driver_version,compute_mode"
MIG = re.compile(r"\(UUID: (MIG-[^)]+)\)")
VISIBLE = "CUDA_VISIBLE_DEVICES"
TURNS = 3


class UntriedError(Exception):
    """A trial can't be run here; the message says why."""


class WrongError(Exception):
    """A trial found something wrong; the message says what."""


class Card(NamedTuple):
    number: str
    name: str
    uuid: str
    memory: str
    driver: str
    compute_mode: str


@dataclass(frozen=True)
class Machine:
    cards: tuple[Card, ...]
    migs: tuple[str, ...]
    why_none: str
    python: str
    folder: Path
    turns: int

    def require_cards(self, cards: int = 1) -> None:
        if not self.cards:
            raise UntriedError(self.why_none)
        if len(self.cards) < cards:
            raise UntriedError(f"it needs {cards} GPUs, and there is {len(self.cards)}")

    def require_module(self, name: str) -> None:
        done = subprocess.run([self.python, "-c", f"import {name}"], capture_output=True, check=False)
        if done.returncode:
            raise UntriedError(f"{self.python} can't import {name}")

    def submit(self, mode: str, gpus: int, **settings: Any) -> tuple[Run, Path]:
        place = Path(tempfile.mkdtemp(dir=self.folder))
        wishes = {"compute_target": "local", "environment_definition": Environment(python=self.python), **settings}
        wishes["silence"] = ["cpu-tensorflow", "missing-import", "no-mpi", "idle-gpus", "shared-gpus"]
        estimator = TensorFlow(TRAINING, entry_script="gpu.py", script_params=[mode, str(place)], gpus_per_node=gpus, **wishes)
        return Experiment("gpu", self.folder / "runs").submit(estimator), place

    def collect_answers(self, mode: str, gpus: int, **settings: Any) -> dict[str, dict[str, Any]]:
        """Return each process's answer, by rank."""
        run, place = self.submit(mode, gpus, **settings)
        run.wait_for_completion()
        return {file.stem: json.loads(file.read_text()) for file in sorted(place.glob("*.json"))}

    def collect_visible(self, mode: str, gpus: int, **settings: Any) -> list[str]:
        return [answer["visible"] for answer in self.collect_answers(mode, gpus, **settings).values()]


def parse_cards(text: str) -> tuple[Card, ...]:
    """Parse nvidia-smi's answer to QUERY (CSV without a heading)."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    return tuple(Card(*row) for row in rows if len(row) == len(Card._fields))


def inspect_machine(python: str, folder: Path, turns: int) -> Machine:
    program = shutil.which("nvidia-smi")
    if program is None:
        files = [*Path("/dev").glob("nvidia[0-9]*")]
        why = f"nvidia-smi is not in PATH, and /dev has {len(files) or 'no'} device of NVIDIA's"
        return Machine((), (), why, python, folder, turns)
    answer = subprocess.run([program, QUERY, "--format=csv,noheader"], capture_output=True, text=True, check=False)
    parts = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    cards = parse_cards(answer.stdout) if answer.returncode == 0 else ()
    why = "" if cards else f"nvidia-smi shows no GPU: {(answer.stdout + answer.stderr).strip()[-200:]}"
    return Machine(cards, tuple(MIG.findall(parts.stdout)), why, python, folder, turns)


@contextmanager
def set_visible_gpus(names: str) -> Iterator[None]:
    """Submit as if from a shell or an allocation in which only these GPUs are visible."""
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = names
    try:
        yield
    finally:
        os.environ.pop(VISIBLE)
        if before is not None:
            os.environ[VISIBLE] = before


def require_equal(found: object, wanted: object) -> str:
    if found != wanted:
        raise WrongError(f"{found}, and it should be {wanted}")
    return f"{found}"


# --- what needs no GPU: names


def try_roles(machine: Machine) -> str:
    with set_visible_gpus("0,1"):
        training = ParameterServer(worker_count=2, parameter_server_count=1, layout="original")
        found = machine.collect_answers("names", 2, distributed_training=training)
    return "ps, worker, worker: " + require_equal([found[rank]["visible"] for rank in sorted(found)], ["", "0", "1"])


def try_gpu_for_each(machine: Machine) -> str:
    with set_visible_gpus("4,5,6"):
        return require_equal(machine.collect_visible("names", 3, distributed_training=Mpi(3, "gloo", "each")), ["4", "5", "6"])


def try_too_few_gpus(machine: Machine) -> str:
    try:
        machine.submit("names", 1, distributed_training=Mpi(2, "gloo", "each"))
    except SlurmtfError as error:
        return require_equal([finding.code for finding in error.findings], ["too-few-gpus"])
    raise WrongError("it was submitted")


def try_shared_gpu(machine: Machine) -> str:
    with set_visible_gpus("0"):
        return require_equal(machine.collect_visible("names", 2, distributed_training=Mpi(2, "gloo", "each")), ["0", "0"])


def try_mig_names(machine: Machine) -> str:
    names = ["MIG-GPU-5c89852c/1/0", "MIG-d1e2f3a4"]
    with set_visible_gpus(",".join(names)):
        return require_equal(machine.collect_visible("names", 2, distributed_training=Mpi(2, "gloo", "each")), names)


# --- what needs one


def ask_tensorflow(machine: Machine, gpus: int, processes: int = 1) -> list[dict[str, Any]]:
    machine.require_cards(gpus)
    machine.require_module("tensorflow")
    training = {"distributed_training": Mpi(processes, "gloo", "each")} if processes > 1 else {}
    return list(machine.collect_answers("tensorflow", gpus, **training).values())


def try_whole_plan(machine: Machine) -> str:
    machine.require_cards()
    count = len(machine.cards)
    (answer,) = ask_tensorflow(machine, count)
    require_equal((answer["devices"], answer["on"].endswith("GPU:0")), (count, True))
    return f"TensorFlow {answer['version']}: {answer['devices']} of {count}, {', '.join(answer['kinds'])}"


def try_process_per_card(machine: Machine) -> str:
    machine.require_cards(2)
    count = len(machine.cards)
    found = ask_tensorflow(machine, count, processes=count)
    require_equal([answer["devices"] for answer in found], [1] * count)
    return f"{count} processes, {require_equal(len({answer['visible'] for answer in found}), count)} different GPUs"


def try_two_on_one(machine: Machine) -> str:
    machine.require_cards()
    if machine.cards[0].compute_mode != "Default":
        raise UntriedError(f"the GPU's compute mode is {machine.cards[0].compute_mode}: it takes one process")
    machine.require_module("tensorflow")
    with set_visible_gpus("0"):
        found = machine.collect_answers("tensorflow", 2, distributed_training=Mpi(2, "gloo", "each"))
    return require_equal([(answer["visible"], answer["devices"]) for answer in found.values()], [("0", 1)] * 2)


def try_uuid(machine: Machine) -> str:
    machine.require_cards()
    return _try_name(machine, machine.cards[0].uuid)


def try_mig(machine: Machine) -> str:
    machine.require_cards()
    if not machine.migs:
        raise UntriedError("no GPU here is divided by MIG")
    return _try_name(machine, machine.migs[0])


def _try_name(machine: Machine, name: str) -> str:
    machine.require_module("tensorflow")
    with set_visible_gpus(name):
        (answer,) = machine.collect_answers("tensorflow", 1).values()
    return require_equal((answer["visible"], answer["devices"]), (name, 1))


def try_nccl(machine: Machine) -> str:
    machine.require_cards()
    machine.require_module("horovod.tensorflow")
    count = len(machine.cards)
    found = machine.collect_answers("horovod", count, distributed_training=Mpi(count, "gloo", "each"))
    require_equal([answer["sum"] for answer in found.values()], [float(count)] * count)
    return f"{count} rank(s), NCCL: {require_equal(all(answer['nccl'] for answer in found.values()), True)}"


def try_throughput(machine: Machine) -> str:
    machine.require_cards()
    require_equal(ask_tensorflow(machine, 1)[0]["devices"], 1)
    rates = []
    for turn in range(machine.turns):
        ways = [_measure_slurmtf, _measure_by_hand] if turn % 2 else [_measure_by_hand, _measure_slurmtf]
        rates.append({way: way(machine) for way in ways})
    own, other = (statistics.median(rate[way] for rate in rates) for way in (_measure_slurmtf, _measure_by_hand))
    ratios = sorted(rate[_measure_slurmtf] / rate[_measure_by_hand] for rate in rates)
    ratio = f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    return f"{own:,.0f} images a second, {other:,.0f} by hand; the ratios' median {ratio}"


def _measure_slurmtf(machine: Machine) -> float:
    (answer,) = machine.collect_answers("train", 1).values()
    return float(answer["images_per_second"])


def _measure_by_hand(machine: Machine) -> float:
    place = Path(tempfile.mkdtemp(dir=machine.folder))
    environ = {**os.environ, VISIBLE: machine.cards[0].number}
    command = [machine.python, str(TRAINING / "gpu.py"), "train", str(place)]
    subprocess.run(command, check=True, capture_output=True, env=environ)
    return float(json.loads((place / "by-hand.json").read_text())["images_per_second"])


def try_memory_exhaustion(machine: Machine) -> str:
    machine.require_cards()
    machine.require_module("tensorflow")
    run, _ = machine.submit("exhaust", 1)
    run.wait_for_completion(raise_on_error=False)
    return require_equal(explain_run(run.layout, run.state).kind.value, "gpu-memory")


def try_samples(machine: Machine) -> str:
    machine.require_cards()
    machine.require_module("tensorflow")
    run, _ = machine.submit("busy", 1)
    run.wait_for_completion()
    usage = compute_usage(run.layout, run.state, time.time())
    found = [gpu for node in usage.nodes for gpu in node.gpus] if usage else []
    require_equal(len(found), 1)
    require_equal(found[0].used_mb > 0, True)
    return f"{found[0].busiest:.0f} % busy, {found[0].used_mb:,.0f} of {found[0].total_mb:,.0f} MiB"


TRIALS: Mapping[str, Callable[[Machine], str]] = {
    "names by role": try_roles,
    "names, a GPU for each process": try_gpu_for_each,
    "two processes, one GPU: refused": try_too_few_gpus,
    "names, two processes on one GPU": try_shared_gpu,
    "names of MIG": try_mig_names,
    "TensorFlow sees the plan's GPUs": try_whole_plan,
    "a GPU for each process": try_process_per_card,
    "two processes on one GPU": try_two_on_one,
    "a GPU by its UUID": try_uuid,
    "a part of a GPU by its MIG name": try_mig,
    "Horovod with NCCL": try_nccl,
    "ResNet50, slurmtf and by hand": try_throughput,
    "its memory is full: recognized": try_memory_exhaustion,
    "samples of GPUs for a report": try_samples,
}


def try_all(machine: Machine) -> list[tuple[str, str, str]]:
    """Return each trial with its result: ok, WRONG, or not tried."""
    rows = []
    for name, trial in TRIALS.items():
        try:
            rows.append((name, "ok", trial(machine)))
        except UntriedError as why:
            rows.append((name, "not tried", str(why)))
        except (WrongError, SlurmtfError, subprocess.CalledProcessError, ValueError) as what:
            rows.append((name, "WRONG", str(what)))
        print(f"{rows[-1][1]}: {name}", file=sys.stderr)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(usage="python -m benchmarks.gpu [PYTHON] [--turns N] [--save FILE]")
    parser.add_argument("python", nargs="?", default=sys.executable)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--save", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        machine = inspect_machine(arguments.python, Path(folder), arguments.turns)
        rows = try_all(machine)
    cards = [f"{card.name}, {card.memory}, driver {card.driver}" for card in machine.cards]
    report(f"{'; '.join(cards) or f'no GPU ({machine.why_none})'}. {platform.platform()}", rows)
    if arguments.save:
        facts = {"cards": [card._asdict() for card in machine.cards], "rows": rows}
        arguments.save.write_text(json.dumps(facts, indent=1))
    return int(any(outcome == "WRONG" for _, outcome, _ in rows))


if __name__ == "__main__":
    sys.exit(main())
