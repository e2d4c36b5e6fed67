"""The advice for an outcome, without any logs."""

from __future__ import annotations

import pytest

from slurmtf.diagnosis.dying import find_remedy
from slurmtf.job.contract.attempt.outcome import Cause, Outcome


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("ModuleNotFoundError: No module named 'sktime.datasets'", "sktime.datasets"),
        ("OMPI was not built with SLURM's PMI support", "`Mpi.transport=gloo`"),
        ('FATAL:   "python4": executable file not found in $PATH', "`environment_definition.python`"),
        ("slurmstepd-node1: error: execve(): singularity: No such file or directory", "singularity"),
        ("[Errno 2] No such file or directory: 'apptainer'", "apptainer"),
        ("FATAL: While checking container encryption: could not open image /i/tf.sif: failed", "/i/tf.sif"),
        ("mount /data->/data error: mount source /data doesn't exist", "/data"),
        ("NotFoundError: libmpi_cxx.so.40: cannot open shared object file: No such file", "libmpi_cxx.so.40"),
        ("srun: unrecognized option '--container-image=a/b'", "containers.runtime"),
        ("srun: unrecognized option '--container-env=A'", "0.15"),
        ("pyxis: failed to import docker image", ".credentials"),
        ("pyxis:     [ERROR] No such file or directory: /i/tf.sqsh", "/i/tf.sqsh"),
        ("pyxis:     [ERROR] Invalid image format: /i/tf.sif", "'enroot import'"),
        ("enroot-mount: failed to mount: /data at /run/c/data: No such file or directory", "/data"),
        ("slurmstepd: error: execve(): python4: No such file or directory", "python4"),
    ],
)
def test_errors_of_the_launcher_have_advice(words: str, named: str) -> None:
    assert named in find_remedy(Outcome(Cause.LAUNCHER, exit_code=1, tail=f"before\n{words}\nafter"))


@pytest.mark.parametrize(
    ("outcome", "named"),
    [
        (Outcome(Cause.SCRIPT, signal=9), "`memory`"),
        (Outcome(Cause.TIME_LIMIT, signal=15), "`time`"),
        (Outcome(Cause.OUT_OF_MEMORY), "`memory`"),
        (Outcome(Cause.NODE_FAILURE, host="node3"), "again"),
        (Outcome(Cause.LAUNCHER, exit_code=127), "127"),
        (Outcome(Cause.AGENT, detail={"error": "[Errno 2] No such file or directory: 'apptainer'"}), "apptainer"),
        (Outcome(Cause.SCRIPT, exit_code=1, tail="ValueError: {learning rate} must be positive"), ""),
        (Outcome(Cause.CANCELED, signal=9), ""),
    ],
)
def test_outcomes_have_advice_if_anything_can_be_done(outcome: Outcome, named: str) -> None:
    found = find_remedy(outcome)
    assert named in found if named else found == ""
