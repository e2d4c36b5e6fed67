"""What to do about an outcome, by itself."""

from __future__ import annotations

import pytest

from slurmtf.diagnosis.dying import advice
from slurmtf.job.contract.outcome import Cause, Outcome


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("ModuleNotFoundError: No module named 'sktime.datasets'", "install sktime.datasets in the job's Python"),
        ("OMPI was not built with SLURM's PMI support", "srun can't start this MPI"),
        ('FATAL:   "python4": executable file not found in $PATH', "the image has no such program"),
        ("slurmstepd-node1: error: execve(): singularity: No such file or directory", "singularity is not on the node"),
        ("[Errno 2] No such file or directory: 'apptainer'", "apptainer is not on the node"),
        (
            "FATAL: While checking container encryption: could not open image /i/tf.sif: failed",
            "the node does not have the image",
        ),
        ("mount /data->/data error: mount source /data doesn't exist", "the node has no /data"),
        (
            "NotFoundError: libmpi_cxx.so.40: cannot open shared object file: No such file",
            "libmpi_cxx.so.40 is not on the node",
        ),
        ("srun: unrecognized option '--container-image=a/b'", "this Slurm has no pyxis"),
        ("srun: unrecognized option '--container-env=A'", "this Slurm's pyxis is older than 0.15"),
        ("pyxis: failed to import docker image", "the node could not fetch the image"),
        ("pyxis:     [ERROR] No such file or directory: /i/tf.sqsh", "the node does not have the image /i/tf.sqsh:"),
        ("pyxis:     [ERROR] Invalid image format: /i/tf.sif", "pyxis starts squashfs files"),
        ("enroot-mount: failed to mount: /data at /run/c/data: No such file or directory", "the node has no /data"),
        ("slurmstepd: error: execve(): python4: No such file or directory", "the node, or the image, has no python4"),
    ],
)
def test_ends_that_need_advice(words: str, meaning: str) -> None:
    assert advice(Outcome(Cause.LAUNCHER, exit_code=1, tail=f"before\n{words}\nafter")).startswith(meaning)


@pytest.mark.parametrize(
    ("outcome", "meaning"),
    [
        (Outcome(Cause.SCRIPT, signal=9), "often the node's memory is used up"),
        (Outcome(Cause.TIME_LIMIT, signal=15), "set a longer `time`"),
        (Outcome(Cause.OUT_OF_MEMORY), "ask for more"),
        (Outcome(Cause.NODE_FAILURE, host="node3"), "not the script's doing"),
        (Outcome(Cause.LAUNCHER, exit_code=127), "a shell ends with 127"),
        (Outcome(Cause.AGENT, detail={"error": "[Errno 2] No such file or directory: 'apptainer'"}), "apptainer is not on the"),
        (Outcome(Cause.SCRIPT, exit_code=1, tail="ValueError: {learning rate} must be positive"), ""),
        (Outcome(Cause.CANCELED, signal=9), ""),
    ],
)
def test_an_outcome_and_what_to_do_about_it(outcome: Outcome, meaning: str) -> None:
    found = advice(outcome)
    assert found.startswith(meaning) if meaning else found == ""
