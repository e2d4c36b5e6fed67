"""Rows per second of `slurmtf score` on this machine, compared with a plain onnxruntime loop over the same files.

    python -m benchmarks.scoring [TIMES]

Two models: a tiny one on tables, which shows the cost of everything but the model, and a convolutional network on images. Both
programs read the files, score, and write the scores so that they survive a power cut (one fsync). Both are timed from the first
file to the last, by turns, with the model loaded and the same number of threads. "CPU" compares their CPU seconds, which depend
less on what else the machine does.
"in all" is the whole command, with counting, merging and every start of Python. The environments are slurmtf's tool
environments: that of ONNX Runtime scores, that of the newest TensorFlow for ONNX builds the models.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import Row, report
from slurmtf.environments.store import resolve_store
from slurmtf.environments.tools import NEWEST, SCORING
from slurmtf.models import score
from slurmtf.runs.workspaces.workspace import resolve_workspace
from slurmtf.sites import resolve_target
from slurmtf.submit.tools import Toolbox

BUILD = """
import sys
import numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(1)
constants, nodes = [], []

def constant(*shape):
    constants.append(numpy_helper.from_array(random.standard_normal(shape).astype("float32") * 0.1, f"c{len(constants)}"))
    return constants[-1].name

def node(kind, *inputs, **given):
    nodes.append(helper.make_node(kind, inputs, [f"n{len(nodes)}"], **given))
    return nodes[-1].output[0]

def write(path, shape, answer, columns):
    sizes = {"x": shape, answer: [columns]}
    face = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *own]) for name, own in sizes.items()]
    graph = helper.make_graph(nodes, "g", face[:1], face[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    nodes.clear(), constants.clear()

hidden = node("Relu", node("Gemm", "x", constant(4, 8), constant(8)))
write(f"{sys.argv[1]}/tiny.onnx", [4], node("Softmax", node("Gemm", hidden, constant(8, 3), constant(3))), 3)
value = node("Transpose", "x", perm=[0, 3, 1, 2])
for before, after in ((3, 32), (32, 64), (64, 64)):
    value = node("Relu", node("Conv", value, constant(after, before, 3, 3), constant(after), pads=[1, 1, 1, 1]))
    value = node("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
value = node("Flatten", node("GlobalAveragePool", value))
write(f"{sys.argv[1]}/convnet.onnx", [64, 64, 3], node("Softmax", node("Gemm", value, constant(64, 10), constant(10))), 10)
for number in range(4):
    np.savez(f"{sys.argv[1]}/tiny-{number}.npz", x=random.standard_normal((500_000, 4)).astype("float32"))
    np.savez(f"{sys.argv[1]}/convnet-{number}.npz", x=random.integers(0, 256, (500, 64, 64, 3), dtype="uint8"))
"""
PLAIN = """
import os, sys, time
import numpy as np, onnxruntime

model, batch, target, *files = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = len(os.sched_getaffinity(0))
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
names, size = [one.name for one in session.get_outputs()], int(batch)
began, cpu = time.monotonic(), time.process_time()
answers = []
for file in files:
    with np.load(file) as held:
        rows = held["x"]
    for start in range(0, len(rows), size):
        answers.append(session.run(names, {"x": rows[start : start + size].astype("float32", copy=False)})[0])
with open(target, "wb") as file:
    np.savez(file, answer=np.concatenate(answers))
    file.flush()
    os.fsync(file.fileno())
print(time.monotonic() - began, time.process_time() - cpu)
"""


class Taken(NamedTuple):
    """Seconds: the loop by the clock, the loop in CPU time, the whole command."""

    loop: float
    cpu: float
    whole: float


def measure_plain(python: str, folder: Path, name: str, batch: int) -> Taken:
    """Time a plain loop."""
    files = sorted(map(str, folder.glob(f"{name}-*.npz")))
    words = [python, "-I", "-c", PLAIN, str(folder / f"{name}.onnx"), str(batch), str(folder / "plain.npz"), *files]
    began = time.monotonic()
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    loop, cpu = map(float, done.stdout.split())
    return Taken(loop, cpu, time.monotonic() - began)


def measure_slurmtf(folder: Path, name: str) -> tuple[Taken, dict[str, Any]]:
    """Time a scoring of one shard. Returns the times, and the scoring's plan."""
    with tempfile.TemporaryDirectory(dir=folder) as output:
        began = time.monotonic()
        score(folder / f"{name}.onnx", [str(folder / f"{name}-*.npz")], output=Path(output, "scores"), site="local")
        whole = time.monotonic() - began
        plan: dict[str, Any] = json.loads(Path(output, "scores/plan.json").read_text())
        shard = json.loads(Path(output, "scores/shards/00000.json").read_text())
        return Taken(shard["seconds"], shard["cpu_seconds"], whole), plan


def compare_model(name: str, python: str, folder: Path, times: int) -> Row:
    mine, theirs, plan = list[Taken](), list[Taken](), dict[str, Any]()
    for _ in range(times):
        taken, plan = measure_slurmtf(folder, name)
        mine.append(taken)
        theirs.append(measure_plain(python, folder, name, plan["batch"]))
    rows = sum(plan["counts"])
    own, rival = (Taken(*map(statistics.median, zip(*of))) for of in (mine, theirs))
    ratios = [other.loop / taken.loop for taken, other in zip(mine, theirs)]
    rates = (
        f"{rows / own.loop:,.0f}",
        f"{rows / rival.loop:,.0f}",
        f"{rival.loop / own.loop:.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
    )
    return (
        name,
        f"{rows:,}",
        str(plan["batch"]),
        *rates,
        f"{rival.cpu / own.cpu:.2f}",
        f"{own.whole:.1f} s",
        f"{rival.whole:.1f} s",
    )


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    site = resolve_target("local")
    toolbox = Toolbox(site, resolve_store(site, resolve_workspace(site.storage.workspace, None)), print)
    python = toolbox.provide_python(SCORING)
    with tempfile.TemporaryDirectory() as base:
        subprocess.run([toolbox.provide_python(NEWEST), "-I", "-c", BUILD, base], check=True)
        heading = ("model", "rows", "batch", "rows/s", "plain rows/s", "ratio", "CPU", "in all", "plain in all")
        rows = [heading, *(compare_model(name, python, Path(base), times) for name in ("tiny", "convnet"))]
        report("Scoring (target: 0.95 of a plain onnxruntime loop)", rows)


if __name__ == "__main__":
    main()
