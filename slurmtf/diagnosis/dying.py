"""What to do about how a run ended."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from slurmtf.job.contract.outcome import Cause, Outcome

MEANINGS: Sequence[tuple[str, str]] = (
    (
        r"SLURM's PMI support|Invalid MPI type",
        "srun can't start this MPI: set `launcher=mpirun`, another `srun[mpi]=...` ('srun --mpi=list'), or, for Horovod, "
        "`Mpi.transport=gloo`",
    ),
    (
        r"executable file .*not found in \$PATH",
        "the image has no such program: set `environment_definition.python` to one that it has, 3.6 or later, or use another "
        "image",
    ),
    (
        r"(?:execve\(\): |directory: ')(apptainer|singularity|podman-hpc|shifter)",
        "{0} is not on the node: load the module that brings it (`environment_definition.modules`, or containers.modules in "
        "the site's profile)",
    ),
    (
        r"execve\(\): \S+: No such file",
        "the node, or the image, has no such program: set `environment_definition.python` to one that it has, 3.6 or later",
    ),
    (
        r"(?:could not open image|\[ERROR\] No such file or directory:) ([^\s:]+)",
        "the node does not have the image {0}: put it where all nodes see it",
    ),
    (
        r"(?:mount source |failed to mount: )(\S+) (?:doesn't exist|at .*No such file)",
        "the node has no {0}, which the container is to see (containers.binds in the profile)",
    ),
    (
        r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file",
        "{0} is not on the node, or not in the image: load the module that brings it, or build it into the image",
    ),
    (r"Invalid image format: ", "pyxis starts squashfs files: 'enroot import' creates one of an image in a registry"),
    (
        r"failed to import docker image",
        "enroot could not fetch the image: is the name right, and is a login that it needs in ~/.config/enroot/.credentials?",
    ),
    (
        r"unrecognized option '--container-image",
        "this Slurm has no pyxis: containers.runtime in the site's profile names something else",
    ),
    (
        r"unrecognized option '--container-env",
        "this Slurm's pyxis is older than 0.15: ask for a newer one",
    ),
    (r"HorovodVersionMismatchError", "Horovod was built for another TensorFlow: build it again where the job runs"),
    (r"No module named '?([\w.]+)", "install {0} in the job's Python, or use another one (`environment_definition.python`)"),
    (r"CUDA_ERROR_OUT_OF_MEMORY|ResourceExhaustedError", "the GPU's memory is used up: take smaller batches, or more GPUs"),
)
"""What the log says, and what that means."""
OF_CAUSE = {
    Cause.TIME_LIMIT: "set a longer `time`, and have the script save checkpoints and go on from them",
    Cause.OUT_OF_MEMORY: "ask for more (`memory`)",
    Cause.NODE_FAILURE: "nothing that the script did: submit it again",
}
KILLED = "often the node's memory is used up: ask for more (`memory`)"
NOT_FOUND = "the command was not found on the node: check `environment_definition.python` and `environment_definition.modules`"


def advice(outcome: Outcome) -> str:
    """Return what to do about how a run ended; empty where that speaks for itself."""
    text = f"{outcome.tail}\n{outcome.detail.get('error') or ''}"
    for pattern, meaning in MEANINGS:
        found = re.search(pattern, text)
        if found:
            return meaning.format(*found.groups())
    return OF_CAUSE.get(outcome.cause) or _of_end(outcome)


def _of_end(outcome: Outcome) -> str:
    if outcome.cause is Cause.SCRIPT and outcome.signal == signal.SIGKILL:
        return KILLED
    return NOT_FOUND if outcome.exit_code == 127 else ""
