"""Messages about limits of the node."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

LIMITS: tuple[Rule, ...] = (
    Rule("threads", Kind.LIMIT, ("pthread_create failed", "can't start new thread", "Resource temporarily unavailable",
         "hread creation failed", "fork", "new OS thread", "native thread", "OMP thread"),
         r"pthread_create failed|can't start new thread|[Tt]hread creation failed|fork: Interrupted system call|"
         r"(?:(?:fork|clone): (?:retry: )?|std::system_error'\s+what\(\): +|thread_resource_error: |"
         r"OMP: System error #11: )Resource temporarily unavailable|[Cc]annot fork\b|failed to create new OS thread|"
         r"unable to create (?:new )?native thread|necessary resources for OMP thread",
         "the node allows no more threads or processes: use fewer (`environment_variables[OPENBLAS_NUM_THREADS]=1`)"),
    Rule("processes", Kind.LIMIT, ("[Errno 11]",), r"BlockingIOError: \[Errno 11\]",
         "the node allows no more threads or processes: use fewer (`environment_variables[OPENBLAS_NUM_THREADS]=1`)",
         called=r"\b_?(?:v?fork(?:pty)?|fork_exec|posix_spawnp?|start_new_thread)\("),
    Rule("open-files", Kind.LIMIT, ("Too many open files", "inotify ", "items of ancdata"),
         r"Too many open files|inotify (?:watch|instance) limit reached|received \d+ items of ancdata",
         "close what was read, read fewer files at once, or have the site's prologue raise the limit (ulimit -n)"),
    Rule("file-size", Kind.LIMIT, ("[Errno 27]", "errno = 27", "File size limit exceeded"),
         r"\[Errno 27\] File too large|errno = 27\b|File size limit exceeded",
         "files can't be that large there (ulimit -f, or the file system's own limit): write several smaller ones"),
    Rule("cpu-time", Kind.LIMIT, ("CPU time limit exceeded", "Cputime limit exceeded"),
         r"CPU time limit exceeded|Cputime limit exceeded",
         "a limit on CPU time ended it, often one for login nodes (ulimit -t): let the job set none, or ask your admins"),
)  # fmt: skip
