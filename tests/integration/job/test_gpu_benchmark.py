"""benchmarks.gpu on a machine with no GPUs, or with simulated ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import MIG, TRIALS, Card, parse_cards

ROOT = Path(__file__).parents[3]
PROGRAM = """#!/bin/sh
case "$1" in
-L) echo "GPU 0: NVIDIA H100 (UUID: GPU-aa)"; echo "  MIG 1g.10gb     Device  0: (UUID: MIG-bb)" ;;
*) echo "0, NVIDIA H100, GPU-aa, 81559 MiB, 570.1, Exclusive_Process" ;;
esac
"""
PLAIN = "/usr/bin/python3"
"""A Python without TensorFlow."""
NAMES = {name for name in TRIALS if name.startswith("names")} | {"two processes, one GPU: refused"}


def outcomes(folder: Path, *path: Path) -> dict[str, tuple[str, str]]:
    command = [sys.executable, "-m", "benchmarks.gpu", PLAIN, "--save", str(folder / "found.json")]
    environ = {**os.environ, "PATH": os.pathsep.join([*map(str, path), "/usr/bin", "/bin"])}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows: list[list[str]] = json.loads((folder / "found.json").read_text())["rows"]
    return {name: (outcome, detail) for name, outcome, detail in rows}


def test_without_a_gpu_the_untested_checks_are_listed(tmp_path: Path) -> None:
    found = outcomes(tmp_path)
    assert {name for name, (outcome, _) in found.items() if outcome == "ok"} == NAMES
    assert found["names by role"][1] == "ps, worker, worker: ['', '0', '1']"
    (untried,) = {detail for outcome, detail in found.values() if outcome == "not tried"}
    assert "nvidia-smi" in untried


def test_with_a_gpu_other_missing_requirements_are_listed(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    found = outcomes(tmp_path, tmp_path)
    lacking = {"a GPU for each process": "2 GPUs", "two processes on one GPU": "Exclusive_Process",
               "TensorFlow sees the plan's GPUs": PLAIN}  # fmt: skip
    assert {name: found[name][0] for name in lacking} == dict.fromkeys(lacking, "not tried")
    assert all(fact in found[name][1] for name, fact in lacking.items())


@pytest.mark.parametrize(
    ("text", "cards"),
    [
        ("0, A100, GPU-a, 40960 MiB, 550.1, Default\n", [Card("0", "A100", "GPU-a", "40960 MiB", "550.1", "Default")]),
        ("No devices were found\n", []),
        ("", []),
    ],
)
def test_the_output_of_nvidia_smi_is_parsed(text: str, cards: list[Any]) -> None:
    assert list(parse_cards(text)) == cards
    assert MIG.findall("  MIG 3g.20gb Device 0: (UUID: MIG-GPU-aa/1/0)\nGPU 0: A100 (UUID: GPU-a)") == ["MIG-GPU-aa/1/0"]
