"""What all tests share: the test Slurm, the job environments, and a home of their own."""

from __future__ import annotations

import os

# What the developer has set for his own runs (SLURMTF_ENVIRONMENTS, SLURMTF_WORKSPACE) is none of a test's.
OURS = ("SLURMTF_REQUIRE_", "SLURMTF_TEST_", "SLURMTF_CLUSTER_DIR", "SLURMTF_DEBIAN_MIRROR", "SLURMTF_FUZZ_S")
for name in [name for name in os.environ if name.startswith("SLURMTF_") and not name.startswith(OURS)]:
    del os.environ[name]

pytest_plugins = [
    "tests.browser",
    "tests.order",
    "tests.signals",
    "tests.cluster.fixtures",
    "tests.conda.fixtures",
    "tests.environments.fixtures",
]
