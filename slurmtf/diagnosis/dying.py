"""What the last words of a run mean."""

from __future__ import annotations

import re
from collections.abc import Sequence

MEANINGS: Sequence[tuple[str, str]] = (
    (
        r"SLURM's PMI support|Invalid MPI type",
        "srun can't start this MPI: give launcher='mpirun', another srun={{'mpi': ...}} ('srun --mpi=list'), or, for Horovod, "
        "Mpi(transport='gloo')",
    ),
    (r"HorovodVersionMismatchError", "Horovod was built for another TensorFlow: build it again where the job runs"),
    (r"No module named '?([\w.]+)", "install {0} in the job's Python, or give another one (--python)"),
    (r"CUDA_ERROR_OUT_OF_MEMORY|ResourceExhaustedError", "the GPU's memory is used up: take smaller batches, or more GPUs"),
    (r"killed by signal 9", "often the node's memory is used up: ask for more (memory)"),
    (r"reached its time limit", "give it more time (--time), and have the script save checkpoints and go on from them"),
    (r"used more memory than it asked for", "ask for more (--mem)"),
    (r"a node of the job failed", "nothing that the script did: submit it again"),
    (r"exit code 127", "the command was not found on the node: is the Python there (--python, --module)?"),
)


def advice(message: str) -> str:
    """Return what to do about a run's last words; empty where they speak for themselves."""
    for pattern, meaning in MEANINGS:
        found = re.search(pattern, message)
        if found:
            return meaning.format(*found.groups())
    return ""
