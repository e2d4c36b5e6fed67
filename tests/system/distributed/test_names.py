"""A site whose nodes can reach each other only by names other than Slurm's."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from slurmtf.runs.states.state import RunStatus
from tests.cluster import Cluster
from tests.cluster.config import SUFFIX

from .examples import Examples

pytestmark = [pytest.mark.slurm, pytest.mark.tensorflow]


def test_all_that_connect_by_name_use_the_routable_one(
    slurm_env: Cluster, examples: Examples, tf_classic: Path, jax: Path, tmp_path: Path
) -> None:
    """TF_CONFIG, JAX's coordinator, Horovod's Gloo (also between its processes), and the supervisor's own address."""
    site = tmp_path / "suffixed.yaml"
    site.write_text(f"extends: slurm\nname: suffixed\nnetwork: {{host_suffix: {SUFFIX}}}\n")
    pythons = {"multiworker": tf_classic, "horovod-loop": tf_classic, "jax-loop": jax}
    one = {"process_count_per_node": 1}
    each = {"multiworker": {}, "horovod-loop": one, "jax-loop": one}
    with slurm_env.only_suffixed():
        lost = examples.start("gloo", "jax-loop", jax)
        found = [examples.start("gloo", name, pythons[name], compute_target=str(site), **each[name]) for name in pythons]
        for launched in found:
            assert len(launched.results()) > 1, launched.run.folder
        state = lost.end()
    assert state.status is RunStatus.FAILED
    assert (state.cause, os.strerror(errno.ENETUNREACH) in state.message) == ("launcher", True)
    assert "network.host_suffix" in state.message
