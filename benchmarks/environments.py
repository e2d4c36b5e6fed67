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

from benchmarks.measure import ms, report, seconds, times
from slurmtf import Environment, Experiment, TensorFlow
from slurmtf.environments import EnvironmentStore
from slurmtf.environments.building import build
from slurmtf.environments.spec import of_packages
from slurmtf.sites import load

PACKAGES = ["six", "packaging"]


def _silent(step: str) -> None:  # noqa: ARG001
    return


def _submissions(folder: Path) -> None:
    source = folder / "source"
    source.mkdir()
    (source / "train.py").write_text("")
    experiment = Experiment("environments", folder / "runs")
    bare = TensorFlow(source, compute_target="local")
    built = TensorFlow(source, compute_target="local", pip_packages=PACKAGES)
    experiment.submit(built).wait_for_completion()
    pairs = [(seconds(lambda: experiment.submit(bare), 1), seconds(lambda: experiment.submit(built), 1)) for _ in range(15)]
    without, with_it = (sorted(column)[len(pairs) // 2] for column in zip(*pairs, strict=True))
    rows = [("submission", "time", "ratio"), ("with the Python that submits", ms(without), ""),
            ("with an environment that is there", ms(with_it), times(with_it, without))]  # fmt: skip
    report("A submission to this machine, median of 15 turns", rows)


def _makings(folder: Path) -> None:
    site = load("local")

    def ours(name: str) -> None:
        spec = of_packages(Environment(pip_packages=PACKAGES), site, folder)
        build(spec, EnvironmentStore(folder / name), site, _silent)

    def by_hand() -> None:
        place = folder / "by-hand"
        venv.create(place, with_pip=True)
        subprocess.run([place / "bin" / "python", "-m", "pip", "install", "-q", *PACKAGES], check=True)

    hand = seconds(by_hand, 1)
    rows = [("built", "time", "ratio"), ("python -m venv, pip install", ms(hand), "")]
    taken = seconds(lambda: ours("first"), 1)
    rows.append(
        (f"by slurmtf ({'uv' if Path(sys.executable).with_name('uv').is_file() else 'pip'})", ms(taken), times(taken, hand))
    )
    report(f"An environment of {' and '.join(PACKAGES)}", rows)


def main() -> None:
    os.environ.pop("SLURMTF_ENVIRONMENTS", None)
    with tempfile.TemporaryDirectory() as folder:
        _submissions(Path(folder))
        _makings(Path(folder))


if __name__ == "__main__":
    main()
