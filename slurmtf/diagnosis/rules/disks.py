"""Messages about disks and locks."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

ELSEWHERE = "write to another file system (scratch), and keep fewer checkpoints; the same again will fail again"

DISKS: tuple[Rule, ...] = (
    Rule("quota", Kind.QUOTA, ("isk quota exceeded",), r"[Dd]isk quota exceeded", ELSEWHERE),
    Rule("disk-full", Kind.DISK, ("No space left on device", " full", "errno = 28", "ENOSPC", " written",
         "unexpected pos ", "failed writing"),
         r"No space left on device|errno = 28\b|ENOSPC|(?i:error)\b.*\b[Dd]isk (?:is )?full|\d requested and \d+ written|"
         r"enforce fail at inline_container\S+ \. unexpected pos \d+|PytorchStreamWriter failed writing",
         ELSEWHERE),
    Rule("locked", Kind.FILE_LOCKING, ("[Errno ",),
         r"(?:OS|IO|BlockingIO|Permission)Error: \[Errno (?:11|13|35|38|95|524)\] (.+)",
         "{0}: another process has the lock, or that file system has no locks: let only rank 0 take it, in a folder with locks "
         "(the node's own disk)", called=r"\b(?:flock|lockf)\("),
    Rule("mpi-shm", Kind.DISK, ("the shared-memory",), r"not enough space for\s+\S+ \(the shared-memory",
         "the node's /tmp or /dev/shm is full or too small: set `environment_variables[OMPI_MCA_orte_tmpdir_base]=/path` to a "
         "place with room"),
    Rule("file-lock", Kind.FILE_LOCKING, ("unable to lock file", "No locks available", "lock on file", "file lock"),
         r"unable to lock file, errno = \d+|No locks available|file locking (?:is )?(?:disabled|not supported)|"
         r"file lock \S+ could not be acquired|"
         r"(?:[Ff]ail(?:ed)?|[Uu]nable|[Cc]annot|[Cc]ould not)\b.{0,20} (?:a |the )?(?:file lock|lock on file)",
         "set `environment_variables[HDF5_USE_FILE_LOCKING]=FALSE`, or let only rank 0 write that file"),
    Rule("database-lock", Kind.FILE_LOCKING, ("database is locked",), r"database is locked",
         "another process holds the database: use one for each run and rank, on the node's own disk"),
    Rule("file-system", Kind.DISK, ("Input/output error", "Transport endpoint is not connected", "transport endpoint shutdown",
         "Structure needs cleaning", "Remote I/O error", "Communication error on send", "Host is down"),
         r"(?m)\[Errno 5\] Input/output error|errno = 5, error message = 'Input/output error'|"
         r"^(?!.*(?:UCX|MPI|NCCL)).*[;:] Input/output error|"
         r"Transport endpoint is not connected: '|after transport endpoint shutdown|"
         r"\[Errno \d+\] (?:Structure needs cleaning|Remote I/O error|Communication error on send|Host is down)",
         "the file system failed, not the script: submit it again; if it fails again, tell your admins the node and the time"),
    Rule("stale", Kind.DISK, ("Stale file handle", "Stale NFS file handle"), r"Stale (?:NFS )?file handle",
         "another node replaced the file: write to a new name and rename it; submitting again may help"),
    Rule("read-only", Kind.DISK, ("Read-only file system",), r"Read-only file system",
         "the node can't write there: write to outputs/ (the working directory's), or to scratch"),
)  # fmt: skip
