"""What all tests share: the test Slurm, the job environments, and a home of their own."""

from __future__ import annotations

pytest_plugins = [
    "tests.browser",
    "tests.signals",
    "tests.cluster.fixtures",
    "tests.conda.fixtures",
    "tests.environments.fixtures",
]
