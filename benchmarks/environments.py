"""What an existing environment costs a submission, and what building one costs with uv and with plain venv and pip.

python -m benchmarks.environments
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from benchmarks.measure import format_ms, format_ratio, measure_action, report
from slurmtf import Environment, Experiment, TensorFlow
from slurmtf.environments import EnvironmentStore
from slurmtf.environments.building import build
from slurmtf.environments.spec import build_package_spec
from slurmtf.sites import load

PACKAGES = ["six", "packaging"]
TURNS = 15


def _ignore_step(step: str) -> None:  # noqa: ARG001
    return


def _measure_submissions(folder: Path) -> None:
    source = folder / "source"
    source.mkdir()
    (source / "train.py").write_text("")
    experiment = Experiment("environments", folder / "runs")
    bare = TensorFlow(source, compute_target="local")
    built = TensorFlow(source, compute_target="local", pip_packages=PACKAGES)
    experiment.submit(built).wait_for_completion()
    pairs = [
        (measure_action(lambda: experiment.submit(bare), 1), measure_action(lambda: experiment.submit(built), 1))
        for _ in range(TURNS)
    ]
    without, with_it = (sorted(column)[len(pairs) // 2] for column in zip(*pairs, strict=True))
    rows = [("submission", "time", "ratio"), ("with the Python that submits", format_ms(without), ""),
            ("with an environment that is there", format_ms(with_it), format_ratio(with_it, without))]  # fmt: skip
    report(f"A submission to this machine, median of {TURNS} turns", rows)


def _measure_builds(folder: Path) -> None:
    site = load("local")

    def build_with_slurmtf(name: str) -> None:
        spec = build_package_spec(Environment(pip_packages=PACKAGES), site, folder)
        build(spec, EnvironmentStore(folder / name), site, _ignore_step)

    def build_with_pip() -> None:
        place = folder / "by-hand"
        venv.create(place, with_pip=True)
        subprocess.run([place / "bin" / "python", "-m", "pip", "install", "-q", *PACKAGES], check=True)

    hand = measure_action(build_with_pip, 1)
    rows = [("built", "time", "ratio"), ("python -m venv, pip install", format_ms(hand), "")]
    taken = measure_action(lambda: build_with_slurmtf("first"), 1)
    rows.append(
        (
            f"by slurmtf ({'uv' if Path(sys.executable).with_name('uv').is_file() else 'pip'})",
            format_ms(taken),
            format_ratio(taken, hand),
        )
    )
    report(f"An environment of {' and '.join(PACKAGES)}", rows)


def main() -> None:
    os.environ.pop("SLURMTF_ENVIRONMENTS", None)
    with tempfile.TemporaryDirectory() as folder:
        _measure_submissions(Path(folder))
        _measure_builds(Path(folder))


if __name__ == "__main__":
    main()
