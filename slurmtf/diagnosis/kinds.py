"""The classes of causes of a failure. The values appear in ``why --json``, and programs may rely on them."""

from __future__ import annotations

from enum import Enum


class Kind(str, Enum):
    """A class of causes; :mod:`slurmtf.diagnosis.rules` recognizes it in logs."""

    HOST_MEMORY = "host-memory"
    GPU_MEMORY = "gpu-memory"
    TIME_LIMIT = "time-limit"
    PREEMPTED = "preempted"
    REQUEUED = "requeued"
    NODE = "node"
    CANCELED = "canceled"
    IMPORT = "import"
    LIBRARY = "library"
    CPU = "cpu"
    MPI = "mpi"
    ALONE = "alone"
    NETWORK = "network"
    PORT = "port"
    LIMIT = "limit"
    QUOTA = "quota"
    DISK = "disk"
    FILE_LOCKING = "file-locking"
    MODULE = "module"
    COMMAND = "command"
    IMAGE = "image"
    GPU_MISSING = "gpu-missing"
    GPU_SOFTWARE = "gpu-software"
    GPU_HARDWARE = "gpu-hardware"
    STALL = "stall"
    DIVERGED = "diverged"
    CRASH = "crash"
    KILLED = "killed"
    SCRIPT = "script"
    PEER = "peer"
    LAUNCH = "launch"
    STAGING = "staging"
    RESULTS = "results"
    DEPENDENCY = "dependency"
    SOFTWARE = "software"
    NOT_STARTED = "not-started"
    LOST = "lost"
    UNKNOWN = "unknown"

    @property
    def meaning(self) -> str:
        """A description in a few words."""
        return MEANINGS[self]


MEANINGS: dict[Kind, str] = {
    Kind.HOST_MEMORY: "it used more of the node's memory than it was allowed",
    Kind.GPU_MEMORY: "the GPU's memory is used up",
    Kind.TIME_LIMIT: "it reached its time limit",
    Kind.PREEMPTED: "a job of higher priority took its place",
    Kind.REQUEUED: "it was requeued",
    Kind.NODE: "a node failed",
    Kind.CANCELED: "somebody canceled it",
    Kind.IMPORT: "a Python package is missing",
    Kind.LIBRARY: "incompatible libraries, or a missing one",
    Kind.CPU: "the program uses instructions that the node's CPU does not have",
    Kind.ALONE: "the processes did not connect to one another",
    Kind.MPI: "MPI and the launcher are incompatible",
    Kind.NETWORK: "the nodes can't reach each other as the library wants",
    Kind.PORT: "the port is taken",
    Kind.LIMIT: "it reached a limit of the node: threads, processes, open files, the size of a file",
    Kind.QUOTA: "a disk quota is used up",
    Kind.DISK: "a file system is full, or fails",
    Kind.FILE_LOCKING: "the file system does not lock files, or another process holds the lock",
    Kind.MODULE: "a module is unknown, or not loaded",
    Kind.COMMAND: "a program was not found",
    Kind.IMAGE: "the container's image can't be used",
    Kind.GPU_MISSING: "the process sees no GPU",
    Kind.GPU_SOFTWARE: "the GPU's libraries do not match TensorFlow",
    Kind.GPU_HARDWARE: "a GPU is broken",
    Kind.STALL: "no progress: it waited for something that never came",
    Kind.DIVERGED: "the loss is not a number",
    Kind.CRASH: "the process crashed",
    Kind.KILLED: "the process was killed, and nothing says by whom",
    Kind.SCRIPT: "the script raised an error, or ended itself",
    Kind.PEER: "it lost another process, and nothing says why that one ended",
    Kind.LAUNCH: "the tasks could not be started",
    Kind.STAGING: "software or data could not be brought to a node",
    Kind.RESULTS: "results were not copied back",
    Kind.DEPENDENCY: "a run that it was to follow did not end as required",
    Kind.SOFTWARE: "the environment could not be built",
    Kind.NOT_STARTED: "the batch script ended before slurmtf's supervisor began",
    Kind.LOST: "it is not known how it ended",
    Kind.UNKNOWN: "no rule matches this",
}
