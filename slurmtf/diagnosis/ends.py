"""Explain an end without any log: by its cause, its signal or its exit code."""

from __future__ import annotations

import signal

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules import RULES
from slurmtf.diagnosis.rules.rule import MORE_MEMORY
from slurmtf.job.contract.attempt.outcome import CanceledBy, Cause, End, Outcome

KIND_OF_CAUSE: dict[Cause, tuple[Kind, str]] = {
    Cause.TIME_LIMIT: (Kind.TIME_LIMIT, "set a longer `time`, and have the script save checkpoints and resume from them"),
    Cause.OUT_OF_MEMORY: (Kind.HOST_MEMORY, MORE_MEMORY),
    Cause.NODE_FAILURE: (Kind.NODE, "not the script's fault: submit it again"),
    Cause.PREEMPTED: (Kind.PREEMPTED, "submit it again, to a `partition` or `qos` that is not preempted if there is one"),
    Cause.REQUEUED: (Kind.REQUEUED, "submit it again"),
    Cause.CANCELED: (Kind.CANCELED, ""),
    Cause.DEPENDENCY: (Kind.DEPENDENCY, "find out why the earlier run ended that way (slurmtf why), then submit both again"),
    Cause.SOFTWARE: (Kind.SOFTWARE, "fix what the build reports, then submit the run again"),
    Cause.RESULTS: (Kind.RESULTS, "set a longer `time`, or copy less back"),
    Cause.STALL: (Kind.STALL, "stacks/ shows where each task was"),
    Cause.STRAGGLER: (Kind.STALL, "have all ranks take as many steps, or raise the distribution's straggler_grace_s"),
    Cause.LOST: (Kind.LOST, ""),
}
"""Causes that Slurm or the supervisor observed; no log is more reliable."""
REMEDY_BY_CANCELER: dict[str, str] = {
    CanceledBy.OTHER.value: "ask {user} or your administrators why, before you submit it again",
    CanceledBy.SLURM.value: "ask your administrators, naming the job id: Slurm's own log (slurmctld) says why",
    CanceledBy.UNKNOWN.value: "ask those who may cancel it: yourself, the people who share your account, your administrators",
}
"""The remedy for a run that was not canceled by its own user."""
KIND_OF_OTHER_CAUSE: dict[Cause, Kind] = {
    Cause.STAGING: Kind.STAGING,
    Cause.LAUNCHER: Kind.LAUNCH,
    Cause.AGENT: Kind.LAUNCH,
    Cause.NOT_CONNECTED: Kind.LAUNCH,
    Cause.NOT_STARTED: Kind.NOT_STARTED,
    Cause.TASK_LOST: Kind.LOST,
}
"""The kind of a cause if no log says more."""
KIND_OF_SIGNAL: dict[int, tuple[Kind, str]] = {
    signal.SIGILL: (Kind.CPU, next(rule.remedy for rule in RULES if rule.id == "illegal-instruction")),
    signal.SIGBUS: (Kind.CRASH, next(rule.remedy for rule in RULES if rule.id == "bus-error")),
    signal.SIGFPE: (Kind.CRASH, "a division of integers by zero in a library; the lines before it may say which"),
    signal.SIGSEGV: (Kind.CRASH, next(rule.remedy for rule in RULES if rule.id == "segmentation")),
    signal.SIGABRT: (Kind.CRASH, "the lines before it in the log say why it gave up"),
    signal.SIGINT: (Kind.KILLED, "something interrupted it (SIGINT), as Ctrl-C does"),
    signal.SIGTERM: (Kind.KILLED, "somebody asked it to end: a watchdog of the node or of yours, or a limit on its processes"),
    signal.SIGKILL: (Kind.KILLED, "often the node's memory is used up: ask for more (`memory`)"),
}
REMEDY_OF_EXIT_CODE: dict[int, str] = {
    126: "the command is not executable, or is not a program: 'chmod +x' it, or name the interpreter that runs it",
    127: "the command was not found on the node: check `environment_definition.python` and `environment_definition.modules`",
}
"""The remedies for the exit codes of a shell that could not run a command (bash(1), EXIT STATUS)."""
MAYBE_OF_SHELL = {
    126: "a shell ends with 126 when a command may not be run, and no log says so: look at the last command that ran",
    127: "a shell ends with 127 when it finds no such command, and no log says so: look at the last command that ran",
}
"""The remedies for these codes if no shell reported a reason: a program may use them for reasons of its own."""
LOST_WITH_ITS_NODE = (
    "the task's node died or was cut off, or what ran there was killed as a whole: submit it again; if it happens again, "
    "without that node (`sbatch[exclude]=...`), and tell your admins the node and the time"
)
SHELL_REMEDY = (
    "a file that bash reads before a script ends or replaces the shell (exit, exec, a failure under set -e): ~/.bash_profile, "
    "~/.bash_login or ~/.profile where environment.shebang of the site's profile is a login shell (#!/bin/bash -l), $BASH_ENV "
    "everywhere; have it do so only in interactive shells ('[[ $- == *i* ]] || return' above it), or set environment.shebang "
    "to #!/bin/bash; bash -lc 'echo ok' prints ok when it is right"
)
UNLAUNCHED = (
    "most often the node can't open the job's log in the run folder: its file system is full, read-only, or not mounted there "
    "(try: srun -w NODE touch FILE in the workspace); use another workspace (--workspace, $SLURMTF_WORKSPACE), or exclude the "
    "node; else the node's own log (slurmd) says why: ask your administrators, naming the job id"
)
LINE_REMEDY = (
    "that line of job.sh ended the batch script: take what ends or replaces the shell (exit, exec, a failure under set -e) out "
    "of it, or of what it sources; it comes from the site's prologue, its template, or what a module or an environment runs "
    "(slurmtf render shows where)"
)
CAUSES_OF_HUNG_TASKS = (Cause.TIME_LIMIT, Cause.STALL, Cause.STRAGGLER)
"""How a run can end if one of its tasks raised an error and stayed."""
IT_STAYED = (
    "fix that error first: the task's process stayed after it (MPI_Finalize waits for the other ranks, a thread for itself), "
    "and more time does not help; started by 'python -m mpi4py', an MPI program ends at once when a rank fails"
)
MAY_HAVE_STAYED = "the last error in its log is shown: if the script stopped there, fix that first: more time does not help"


def infer_signal(end: End | None) -> int:
    """Return the signal that ended a task, even if a shell reports it as an exit code (bash(1), EXIT STATUS); 0 if none did."""
    if end is None or end.signal:
        return end.signal or 0 if end else 0
    return max(0, (end.exit_code or 0) - 128)


def choose_early_end_remedy(outcome: Outcome) -> tuple[str, str]:
    """Return the remedy for a batch script that ended early, and the rule's id.

    If it did not reach a line of its own, a file that its shell reads first ended it.
    """
    if outcome.detail.get("unlaunched"):
        return UNLAUNCHED, "unlaunched"
    return (LINE_REMEDY, "script-ended") if outcome.detail.get("line") else (SHELL_REMEDY, "shell-ended")
