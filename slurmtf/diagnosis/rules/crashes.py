"""Messages of crashes, which leave no traceback."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

CRASHES: tuple[Rule, ...] = (
    Rule("illegal-instruction", Kind.CPU, ("llegal instruction", "compiled to use", "baseline optimizations", "ISA level",
         "not support", "doesn't support"),
         r"[Ii]llegal instruction|built with baseline optimizations|CPU ISA level is lower than required|"
         r"(?:CPU|processor) (?:does not|doesn't) support|compiled to use .+ instructions, but these aren't available",
         "the program was built for a newer CPU (AVX, AVX2, FMA): ask for such nodes (`constraint`), or use another build"),
    Rule("python-crash", Kind.CRASH, ("Fatal Python error: ",), r"Fatal Python error: (?:Aborted|Floating|Segmentation)",
         "the line shown is where the script was; what crashed is a library that it calls there"),
    Rule("child-killed", Kind.KILLED, ("exitcode", "signal: Killed", "signal: Terminated", "SIGKILL(-", "died with <"),
         r"exitcode *: -9\b|died with <Signals\.SIG(?:KILL|TERM)|"
         r"killed by signal: (?:Killed|Terminated)|workers are \{.*SIGKILL\(-9\)",
         "often the node's memory is used up: ask for more (`memory`)"),
    Rule("child-crashed", Kind.CRASH, ("exitcode", "signal: Segm", "SIGSEGV(-", "died with <"),
         r"exitcode *: -11\b|died with <Signals\.SIG(?:SEGV|ABRT|BUS|FPE)|"
         r"killed by signal: Segmentation fault|workers are \{.*SIGSEGV\(-11\)",
         "a process that the script had started crashed: set `environment_variables[PYTHONFAULTHANDLER]=1`, and the log "
         "shows where"),
    Rule("pool-broken", Kind.KILLED, ("terminated abruptly", "unexpectedly terminated", "exited unexpectedly"),
         r"process(?: in the process pool)? (?:was )?terminated abruptly|worker process .*was unexpectedly terminated|"
         r"DataLoader worker .*exited unexpectedly",
         "a worker of the pool disappeared without a message: often the node's memory is used up (`memory`), else it crashed; "
         "with one worker, or none, the log may show more", vague=True),
    Rule("loader-shm", Kind.DISK, ("signal: Bus error",), r"DataLoader worker .*killed by signal: Bus error",
         "the node's /dev/shm is full or too small: use a larger one in the container, or fewer workers"),
    Rule("bus-error", Kind.CRASH, ("Bus error",), r"\bBus error\b",
         "often /dev/shm is too small (in a container), or a file that was mapped was cut or is over a quota"),
    Rule("segmentation", Kind.CRASH, ("egmentation fault",), r"[Ss]egmentation fault\b",
         "set `environment_variables[PYTHONFAULTHANDLER]=1`: the log then shows where it was"),
    Rule("gave-up", Kind.CRASH, ("Check failed: ", "ssertion ", "terminate called"),
         r"Check failed: |[Aa]ssertion [`'].*' failed|terminate called (?:after throwing|without an active exception)",
         "this line and those before it say why the program aborted", vague=True),
    Rule("heap", Kind.CRASH, ("double free", "free(): ", "malloc(): ", "corrupted size"),
         r"double free or corruption|free\(\): invalid|malloc\(\): (?:invalid|corrupted|unaligned)|corrupted size vs\. ",
         "memory was corrupted, often by two builds of a library in one process: set "
         "`environment_variables[PYTHONFAULTHANDLER]=1`, and the log shows where it was"),
)  # fmt: skip
