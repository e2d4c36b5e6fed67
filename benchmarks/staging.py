"""`import tensorflow` on all nodes of a job: from the shared file system, and from each node's disk, unpacked and mounted.

scripts/cluster start; scripts/cluster exec .venv/bin/python -m benchmarks.staging PYTHON [NODES] [TURNS]

PYTHON is that of a virtual environment with TensorFlow. strace counts the calls, by all processes of the job's tasks, that
name a file on the shared file system (on a real one, each is a request to its servers). The test Slurm's nodes share one disk,
so the times show what staging costs, not what it gains.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, format_ratio, report
from slurmtf import Environment, Experiment, Run, RunStatus, Site, TensorFlow
from slurmtf.sites.model import Defaults, Launcher, Storage

SCRIPT = """
import time
import tensorflow
open("outputs/imported-" + __import__("os").environ["SLURMTF_RANK"], "w").write(repr(time.time()))
"""
CALL = re.compile(r'^\d+ +(?P<name>\w+)\((?:AT_FDCWD, )?"(?P<path>/[^"]*)".* = (?P<result>-?\d+)')
MODES = {
    "shared": Storage(),
    "unpacked": Storage(stage="node-local"),
    "mounted": Storage(stage="node-local", pack="squashfs"),
}


def main(python: str, nodes: int, turns: int) -> None:
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        root = Path(folder)
        (root / "source").mkdir()
        (root / "source" / "train.py").write_text(SCRIPT)
        counts = {mode: _count_calls(root, python, nodes, mode) for mode in MODES}
        starts: dict[str, list[float]] = {mode: [] for mode in MODES}
        last = {}
        for _ in range(turns):
            for mode in MODES:
                run = run_imports(root, python, nodes, mode, ())
                starts[mode].append(compute_start_time(run, nodes))
                last[mode] = _read_events(run)
        _tell(counts, starts, nodes, last)


def _tell(
    counts: dict[str, Counter[str]], starts: dict[str, list[float]], nodes: int, last: dict[str, list[dict[str, Any]]]
) -> None:
    rows: list[Row] = [("calls on the shared file system", "shared", "unpacked", "", "mounted", "")]
    for name in ("that name a file", "that open one"):
        rows.append((name, *_format_with_ratios([counts[mode][name] for mode in MODES], "{}")))
    report(f"import tensorflow on {nodes} nodes", rows)
    medians = [statistics.median(starts[mode]) for mode in MODES]
    rows = [("median of the start", "shared", "unpacked", "", "mounted", "")]
    rows.append(("launch to all imported", *_format_with_ratios(medians, "{:.1f} s")))
    report("Time, on one disk for all nodes", rows)
    rows = [("way to a node, in the last run", "MB", "seconds")]
    for mode, events in last.items():
        phases = [event["phases"]["environment"] for event in events if event["event"] == "staged" and event["phases"]]
        rows += [(mode, f"{phase['bytes'] / 1e6:.0f}", f"{phase['seconds']:.1f}") for phase in phases]
    report("The environment", rows)


def _format_with_ratios(values: Sequence[float], form: str) -> list[str]:
    """Return the first value, and each other one with how many times smaller than the first it is."""
    first, *others = values
    return [
        form.format(first),
        *(text for value in others for text in (form.format(value), format_ratio(first, max(value, 1e-3)))),
    ]


def run_imports(root: Path, python: str, nodes: int, mode: str, args: Sequence[str]) -> Run:
    site = Site(
        name="bench",
        storage=replace(MODES[mode], local=f"{root}/disks/$SLURMD_NODENAME"),
        defaults=Defaults(time="20:00", memory="3G"),
        launcher=Launcher(args=list(args)),
    )
    estimator = TensorFlow(
        root / "source",
        compute_target=site,
        node_count=nodes,
        distributed_backend="multiworker",
        worker_count=nodes,
        environment_definition=Environment(python=python),
        environment_variables={"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "2"},
    )
    run = Experiment("bench", root / "workspace").submit(estimator, tell=print)
    run.wait_for_completion()
    if run.state.status is not RunStatus.COMPLETED:
        raise RuntimeError(run.state.message)
    return run


def _count_calls(root: Path, python: str, nodes: int, mode: str) -> Counter[str]:
    traces = root / f"traces-{mode}"
    traces.mkdir()
    trace = f'exec strace -f -qq -e signal=none -e trace=%file -o {traces}/$SLURM_PROCID "$@"'
    run_imports(root, python, nodes, mode, ["sh", "-c", trace, "sh"])
    prefix = str(Path(python).parent.parent)
    shared = (prefix, str(Path(prefix).resolve()), str(root / "workspace"))
    found: Counter[str] = Counter()
    for path in traces.iterdir():
        for line in path.read_text(errors="replace").splitlines():
            call = CALL.match(line)
            if call and call["path"].startswith(shared):
                found["that name a file"] += 1
                found["that open one"] += call["name"].startswith("open") and int(call["result"]) >= 0
    return found


def _read_events(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for path in (run.folder / "journal").iterdir() for line in path.read_text().splitlines()]


def compute_start_time(run: Run, nodes: int) -> float:
    """Return the seconds from the start of the launcher until TensorFlow is imported on all nodes."""
    launched = next(event["time"] for event in _read_events(run) if event["event"] == "launched")
    ends = [float((run.folder / "outputs" / f"imported-{rank}").read_text()) for rank in range(nodes)]
    return max(ends) - float(launched)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(usage="python -m benchmarks.staging PYTHON [NODES] [TURNS]")
    parser.add_argument("python")
    parser.add_argument("nodes", nargs="?", type=int, default=2)
    parser.add_argument("turns", nargs="?", type=int, default=3)
    main(**vars(parser.parse_args()))
