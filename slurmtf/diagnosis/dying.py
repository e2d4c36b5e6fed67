"""Why a run died, from its outcome and its logs: the first task that failed, not those that died of it. Pure."""

from __future__ import annotations

import itertools
import re
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial

from slurmtf.diagnosis.hiding import without_secrets
from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.raised import Raised, after_progress, last_raised, without_tags
from slurmtf.diagnosis.rules import MORE_MEMORY, RULES, Rule
from slurmtf.job.contract.log_excerpt import CUT, LONGEST_LINE
from slurmtf.job.contract.outcome import CanceledBy, Cause, End, Outcome

OF_CAUSE: dict[Cause, tuple[Kind, str]] = {
    Cause.TIME_LIMIT: (Kind.TIME_LIMIT, "set a longer `time`, and have the script save checkpoints and go on from them"),
    Cause.OUT_OF_MEMORY: (Kind.HOST_MEMORY, MORE_MEMORY),
    Cause.NODE_FAILURE: (Kind.NODE, "not the script's doing: submit it again"),
    Cause.PREEMPTED: (Kind.PREEMPTED, "submit it again, to a `partition` or `qos` that is not preempted if there is one"),
    Cause.REQUEUED: (Kind.REQUEUED, "submit it again"),
    Cause.CANCELED: (Kind.CANCELED, ""),
    Cause.DEPENDENCY: (Kind.DEPENDENCY, "see why the earlier run ended so (slurmtf why), then submit both again"),
    Cause.SOFTWARE: (Kind.SOFTWARE, "fix what the build reports, then submit the run again"),
    Cause.RESULTS: (Kind.RESULTS, "set a longer `time`, or have less copied back"),
    Cause.STALL: (Kind.STALL, "see in stacks/ where each task stood"),
    Cause.STRAGGLER: (Kind.STALL, "let all ranks take equally many steps, or raise the distribution's straggler_grace_s"),
    Cause.LOST: (Kind.LOST, ""),
}
"""What Slurm or the supervisor has seen: no log knows better."""
OF_CANCELER: dict[str, str] = {
    CanceledBy.OTHER.value: "ask {user} or your administrators why, before you submit it again",
    CanceledBy.SLURM.value: "ask your administrators why, with the job's number; Slurm's own log (slurmctld) says it",
    CanceledBy.UNKNOWN.value: "ask whoever may cancel it: you, those who share your account, your administrators",
}
"""What to do about a run that was not canceled by its own user."""
OF_REST: dict[Cause, Kind] = {
    Cause.STAGING: Kind.STAGING,
    Cause.LAUNCHER: Kind.LAUNCH,
    Cause.AGENT: Kind.LAUNCH,
    Cause.NOT_CONNECTED: Kind.LAUNCH,
    Cause.NOT_STARTED: Kind.NOT_STARTED,
}
"""What it was where no log says more."""
OF_SIGNAL: dict[int, tuple[Kind, str]] = {
    signal.SIGILL: (Kind.CPU, next(rule.remedy for rule in RULES if rule.id == "illegal-instruction")),
    signal.SIGBUS: (Kind.CRASH, next(rule.remedy for rule in RULES if rule.id == "bus-error")),
    signal.SIGFPE: (Kind.CRASH, "a division of integers by zero in a library; the lines before it may say which"),
    signal.SIGSEGV: (Kind.CRASH, next(rule.remedy for rule in RULES if rule.id == "segmentation")),
    signal.SIGABRT: (Kind.CRASH, "the lines before it in the log say why it gave up"),
    signal.SIGINT: (Kind.KILLED, "something interrupted it (SIGINT), as Ctrl-C does"),
    signal.SIGTERM: (Kind.KILLED, "somebody asked it to end: a watchdog of the node or of yours, or a limit on its processes"),
    signal.SIGKILL: (Kind.KILLED, "often the node's memory is used up: ask for more (`memory`)"),
}
NOT_FOUND = "the command was not found on the node: check `environment_definition.python` and `environment_definition.modules`"
BY_ITS_SHELL = (
    "a file that bash reads before a script ends or replaces the shell (exit, exec, a failure under set -e): ~/.bash_profile, "
    "~/.bash_login or ~/.profile where environment.shebang of the site's profile is a login shell (#!/bin/bash -l), $BASH_ENV "
    "everywhere; have it do so in interactive shells alone ('[[ $- == *i* ]] || return' above it), or set environment.shebang "
    "to #!/bin/bash; bash -lc 'echo ok' prints ok when it is right"
)
BY_ITS_LINE = (
    "that line of job.sh ended the batch script: take what ends or replaces the shell (exit, exec, a failure under set -e) out "
    "of it, or of what it sources; it comes from the site's prologue, its template, or what a module or an environment runs "
    "(slurmtf render shows where)"
)
OF_HUNG = (Cause.TIME_LIMIT, Cause.STALL, Cause.STRAGGLER)
"""How a run ends of which a task raised an error and stayed."""
IT_STAYED = (
    "mend that error first: the task's process stayed after it (MPI_Finalize waits for the other ranks, a thread for itself), "
    "and more time helps nothing; started by 'python -m mpi4py', an MPI program ends at once when a rank fails"
)
ERROR_LIKE = ("error", "fatal", "failed", "exception")
CERTAIN = tuple(rule for rule in RULES if not (rule.weak or rule.cascade))
PLAIN = tuple(rule for rule in CERTAIN if not rule.vague)
VAGUE = tuple(rule for rule in CERTAIN if rule.vague)
VAGUE_BUT_FOR_CRASHES = tuple(rule for rule in VAGUE if rule.kind is not Kind.CRASH)
"""A script that ends by an error of its own may crash on the way out."""
SAID_BY_SCRIPTS = tuple(rule for rule in CERTAIN if rule.by_script)
ANYWHERE = tuple(rule for rule in CERTAIN if rule.anywhere)
WEAK = tuple(rule for rule in RULES if rule.weak)
WEAK_WITHOUT_GPUS = tuple(rule for rule in WEAK if rule.kind not in (Kind.GPU_MISSING, Kind.GPU_SOFTWARE))
"""TensorFlow says on each node without GPUs that it has none: it explains an error that speaks of them alone."""
CASCADES = tuple(rule for rule in RULES if rule.cascade)
TASK_ENDED = re.compile(r"(?m)^srun: error: \S+: tasks? [\d,-]+: Exited with exit code \d+\n?")
MOST_SAID = 20
MANY_RULES = 40
NO_DIGITS = str.maketrans("", "", "0123456789")
MESSAGE_LENGTH = 2000
"""Characters of an error's message that are looked at."""
SURVIVED = re.compile(
    r"^(?!.*\b(?:NCCL WARN|UCX)\b)(?:.{0,60}?\b(?:WARN(?:ING)?|[Ww]arning|INFO|DEBUG)\b(?!!)|[\d.: -]*[WI]\d* )"
    r"|\bretry(?:ing)?\b"
)
"""A line by which a program says that it goes on."""
TOLD_BY_TENSORFLOW = re.compile(r"(?m)^[\d.: -]*E\d* .*\n?")
"""An error that TensorFlow or XLA tells of, and mostly goes on: without a GPU, with another way to do it."""
LAST_LINES = 3
OUTRANKING = tuple(rule for rule in PLAIN if rule.kind in (Kind.HOST_MEMORY, Kind.TIME_LIMIT, Kind.PREEMPTED, Kind.NODE))
"""What the job's own log says that no task could go on with."""
OF_THE_ENVIRONMENT = (Kind.IMPORT, Kind.LIBRARY, Kind.GPU_SOFTWARE, Kind.COMMAND, Kind.MPI)
"""What a module that was not loaded leads to."""
ABOUT_GPUS = re.compile(r"gpu|cuda|cudnn", re.IGNORECASE)


@dataclass(frozen=True)
class Log:
    """A log, or the parts of it that were read. ``task``: whose it is; empty for the job's own."""

    name: str
    task: str
    text: str


@dataclass(frozen=True)
class TaskFailure:
    """The end of a task that did not succeed."""

    task: str
    end: End


@dataclass(frozen=True)
class Evidence:
    """A line that shows it: of a log of the run, without what may be a secret."""

    log: str
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", without_secrets(self.text))


@dataclass(frozen=True)
class Explanation:
    """``task`` is the first that failed; ``rule`` the id of the rule that knew, empty where none was needed."""

    kind: Kind
    task: str = ""
    host: str = ""
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""
    rule: str = ""


@dataclass(frozen=True)
class _Clue:
    rule: Rule
    log: Log
    line: str
    groups: tuple[str, ...]
    host: str = ""

    def explains(self, outcome: Outcome) -> Explanation:
        host = self.host or (outcome.host if self.log.task in ("", outcome.task) else "")
        remedy = self.rule.remedy.format(*self.groups)
        return Explanation(
            self.rule.kind, self.log.task or outcome.task, host, (Evidence(self.log.name, self.line),), remedy, self.rule.id
        )


def explain(outcome: Outcome, failures: Sequence[TaskFailure] = (), logs: Sequence[Log] = ()) -> Explanation:
    """Return why a run died.

    ``failures`` are the tasks that failed, in the order in which they ended. What Slurm has seen outranks any text. The job's
    own log comes first, then task by task in the order of ``failures``: what a log is certain of, the error that its script
    raised, the signal that killed it. What a process says that lost another one explains only what nothing else does.
    """
    if outcome.cause in OF_CAUSE:
        return _but_for_hung(outcome, hung(logs, failures), _of_cause(outcome, logs))
    logs = [replace(log, text=without_tags(log.text)) for log in logs or [Log(outcome.log, outcome.task, _text_of(outcome))]]
    ends: dict[str, End | None] = {
        failure.task: failure.end for failure in [TaskFailure(outcome.task, outcome.end), *reversed(failures)]
    }
    order = dict.fromkeys([outcome.task, *(failure.task for failure in failures), *(log.task for log in logs if log.task)])
    tasks = {task: [log for log in logs if log.task == task] for task in order}
    of_job = [log for log in logs if not log.task]
    for task in _stopped(outcome, failures, tasks[outcome.task]):
        ends[task] = None
    found = (_of_task(outcome, task, own, ends.get(task)) for task, own in tasks.items())
    return (
        _of_clue(outcome, of_job, OUTRANKING)
        or _but_for_modules(outcome, of_job, next((explanation for explanation in found if explanation), None))
        or _of_task(outcome, "", of_job, None)
        or _passed_on(outcome, logs)
        or _of_clue(outcome, logs, WEAK if any(map(_is_about_gpus, logs)) else WEAK_WITHOUT_GPUS)
        or _of_clue(outcome, logs, CASCADES)
        or _of_rest(outcome, logs)
    )


def hung(logs: Sequence[Log], failures: Sequence[TaskFailure] = ()) -> Explanation | None:
    """Return the error that a task's script ended by while its process stayed; None where no task's did.

    Such a run ends by its time limit, as a stall, or never: that rank waits in MPI_Finalize for the others, and they for it.
    One that ended with an exit code did not stay: it may have raised the error because it was told to end.
    """
    left = {failure.task for failure in failures if not failure.end.signal}
    own = (replace(log, text=without_tags(log.text)) for log in logs if log.task and log.task not in left)
    raised = ((log, last_raised(log.text)) for log in own)
    ended = ((log, error) for log, error in raised if error and error.is_uncaught and not _tells_of_another(log, error))
    found = (_of_raised(Outcome(Cause.SCRIPT, log.task), log, error) for log, error in ended)
    return next((replace(one, remedy=_also_hung(one.remedy)) for one in found if one), None)


def _but_for_hung(outcome: Outcome, stayed: Explanation | None, found: Explanation) -> Explanation:
    """Return what a run ended by; where a task had stayed after an error: that. Who cancels such a run is told it beside."""
    if stayed and outcome.cause in OF_HUNG:
        return stayed
    if stayed and outcome.cause is Cause.CANCELED:
        return replace(found, task=stayed.task, evidence=stayed.evidence, remedy=stayed.remedy)
    return found


def _also_hung(remedy: str) -> str:
    return f"{remedy}; {IT_STAYED}" if remedy else IT_STAYED


def _stopped(outcome: Outcome, failures: Sequence[TaskFailure], logs: Sequence[Log]) -> list[str]:
    """Return the tasks that were ended because of the one that decided: by a signal, after it had ended by itself.

    Where its log tells that another one was gone, one that was killed (SIGKILL) may have been so before, and heard of later.
    """
    names = [failure.task for failure in failures]
    if outcome.task not in names or outcome.signal:
        return []
    of_launchers = {signal.SIGTERM} if any(_match(log, CASCADES) for log in logs) else {signal.SIGTERM, signal.SIGKILL}
    later = failures[names.index(outcome.task) + 1 :]
    return [failure.task for failure in later if _signal_of(failure.end) in of_launchers]


def _but_for_modules(outcome: Outcome, of_job: Sequence[Log], found: Explanation | None) -> Explanation | None:
    """Return the module that the job's log misses, where what a task died of comes of that."""
    rules = [rule for rule in PLAIN if rule.kind is Kind.MODULE]
    missed = _of_clue(outcome, of_job, rules) if found and found.kind in OF_THE_ENVIRONMENT else None
    return missed or found


def _of_task(outcome: Outcome, task: str, logs: Sequence[Log], end: End | None) -> Explanation | None:
    """Return what the logs of a task tell: the error that ended its script, else a program's last lines, else its signal."""
    raised = [(log, last_raised(log.text)) for log in logs]
    found = (_of_raised(outcome, log, error) for log, error in raised if error)
    said = (_said(log, killed=_signal_of(end) > 0) for log, error in raised if not error)
    return (
        next((explanation for explanation in found if explanation), None)
        or next((clue.explains(outcome) for clue in said if clue), None)
        or _of_signal(outcome, task, logs, end)
    )


def advice(outcome: Outcome) -> str:
    """Return what to do about how a run ended, by its outcome alone; empty where nothing is known."""
    return explain(outcome).remedy


def _text_of(outcome: Outcome) -> str:
    return f"{outcome.tail}\n{outcome.detail.get('error') or ''}"


def _of_cause(outcome: Outcome, logs: Sequence[Log]) -> Explanation:
    kind, remedy = OF_CAUSE[outcome.cause]
    remedy = OF_CANCELER.get(str(outcome.detail.get("by")), "") if kind is Kind.CANCELED else remedy
    remedy = remedy.replace("{user}", str(outcome.detail.get("user") or ""))
    clues = (_match(log, [rule for rule in CERTAIN if rule.kind is kind]) for log in logs)
    shown = next((clue for clue in clues if clue), None)
    evidence = (Evidence(shown.log.name, shown.line),) if shown else ()
    return Explanation(kind, outcome.task, outcome.host, evidence, remedy, shown.rule.id if shown else "")


def _of_raised(outcome: Outcome, log: Log, error: Raised) -> Explanation | None:
    """Return what the error that ended a script means: what it, or an error that it comes from, says is certain.

    What stands before it was survived, but for what nothing survives, and where the error does not say why. An error of which
    nobody knows whose it is explains nothing.
    """
    clue = _told_by(log, error)
    if clue:
        found = clue.explains(outcome)
        frame = Evidence(log.name, _shortened(error.failure.frame.strip()))
        return replace(found, evidence=(frame, *found.evidence)) if frame.text else found
    own = error.is_own and not error.is_from_below and not _tells_of_another(log, error)
    return _shown_as(outcome, log, error, Kind.SCRIPT) if own else None


def _told_by(log: Log, error: Raised) -> _Clue | None:
    if error.speaks_for_itself:
        message = Log(log.name, log.task, error.failure.error)
        return _match(message, SAID_BY_SCRIPTS) or _match(_joined(log, error.causes), PLAIN)
    clue = (
        (None if error.is_own else _match(log, ANYWHERE))
        or _match(log, PLAIN, error.at)
        or _match(_joined(log, error.causes), PLAIN)
    )
    vague = None if clue else _match(log, VAGUE_BUT_FOR_CRASHES if error.is_own else VAGUE, error.at)
    if clue or not (vague or error.is_from_below or error.is_of_children):
        return clue
    before = replace(log, text=log.text[: error.start])
    return _match(_joined(log, error.handled), PLAIN) or _match(before, PLAIN, after_progress(before.text)) or vague


def _joined(log: Log, errors: Sequence[str]) -> Log:
    return replace(log, text="\n".join(errors))


def _said(log: Log, killed: bool) -> _Clue | None:
    """Return what a log without a traceback is certain of: in what stands after the last sign that the training went on."""
    start = after_progress(log.text)
    ends_it = partial(_ends_it, log.text, 0 if killed else _start_of_last_lines(log.text))
    clue = _match(log, ANYWHERE, start) or _match(log, PLAIN, start, ends_it)
    return clue or (None if _match(log, CASCADES, start) else _match(log, VAGUE, start, ends_it))


def _ends_it(text: str, last: int, place: int) -> bool:
    """Tell whether a program can't go on after what it says at ``place``: of TensorFlow's errors, those at the end."""
    line = _line_at(text, place)
    return not SURVIVED.search(line) and (place >= last or not TOLD_BY_TENSORFLOW.match(line))


def _start_of_last_lines(text: str) -> int:
    end = len(text.rstrip())
    for _ in range(LAST_LINES):
        end = max(text.rfind("\n", 0, max(end, 0)), 0)
    return end


def _match(log: Log, rules: Sequence[Rule], start: int = 0, counts: Callable[[int], bool] | None = None) -> _Clue | None:
    said = _without_digits(log.text) if len(rules) > MANY_RULES else ""
    for rule in rules:
        if any(word.translate(NO_DIGITS) in said if said else word in log.text for word in rule.words):
            found = _first(rule, log.text, start, counts)
            if found:
                groups = tuple(group or "" for group in found.groups())
                return _Clue(rule, log, _line_at(log.text, found.start()), groups, found.groupdict().get("host") or "")
    return None


@lru_cache(maxsize=4)
def _without_digits(text: str) -> str:
    """Return a log's lines without digits, each once: what a training says a thousand times is looked through once."""
    lines = text.encode("utf-8", "replace").translate(None, b"0123456789").split(b"\n")
    return b"\n".join(dict.fromkeys(lines)).decode("utf-8", "replace")


def _first(rule: Rule, text: str, start: int, counts: Callable[[int], bool] | None) -> re.Match[str] | None:
    """Return where a rule's pattern is first said; the source that a traceback shows says nothing."""
    places = _compiled(rule.pattern).finditer(text, start)
    found = list(itertools.islice((one for one in places if counts is None or counts(one.start())), MOST_SAID))
    said = (one for one in found if not text.startswith("    ", text.rfind("\n", 0, one.start()) + 1))
    return next(said, found[0] if found else None)


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _line_at(text: str, place: int) -> str:
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    return _shortened(text[start : end if end >= 0 else len(text)], place - start)


def _shortened(line: str, place: int = 0) -> str:
    """Return a line as it is shown: of one that prints a whole array, what stands at ``place``."""
    first = max(0, place - LONGEST_LINE // 4) if len(line) > LONGEST_LINE else 0
    shown = line[first : first + LONGEST_LINE].strip()
    return " ".join(filter(None, (CUT if first else "", shown, CUT if first + LONGEST_LINE < len(line) else "")))


def _of_clue(outcome: Outcome, logs: Iterable[Log], rules: Sequence[Rule]) -> Explanation | None:
    found = next((clue for clue in (_match(log, rules, after_progress(log.text)) for log in logs) if clue), None)
    return found.explains(outcome) if found else None


def _is_about_gpus(log: Log) -> bool:
    error = last_raised(log.text)
    said = error.failure.error if error else _error_line(TOLD_BY_TENSORFLOW.sub("", log.text))
    return ABOUT_GPUS.search(said) is not None


def _passed_on(outcome: Outcome, logs: Iterable[Log]) -> Explanation | None:
    """Return an error that no rule knows, and that is not the script's own: what it came from, nobody knows."""
    for log in logs:
        error = last_raised(log.text)
        if error and not _tells_of_another(log, error):
            return _shown_as(outcome, log, error, Kind.UNKNOWN)
    return None


def _tells_of_another(log: Log, error: Raised) -> bool:
    """Tell whether an error is about another process that is gone; Keras' message begins a line later."""
    return _match(Log("", "", log.text[error.at : error.at + MESSAGE_LENGTH]), CASCADES) is not None


def _shown_as(outcome: Outcome, log: Log, error: Raised, kind: Kind) -> Explanation:
    task = log.task or outcome.task
    return Explanation(kind, task, outcome.host if task == outcome.task else "", _shown(log, error))


def _shown(log: Log, error: Raised) -> tuple[Evidence, ...]:
    lines = (error.failure.frame.strip(), error.failure.source.strip(), error.failure.error)
    return tuple(Evidence(log.name, _shortened(line)) for line in lines if line)


def _of_signal(outcome: Outcome, task: str, logs: Sequence[Log], end: End | None) -> Explanation | None:
    """Return what the signal means that ended a task, unless its log tells that it gave up because of another one.

    A program that aborts has said why: what that means, no rule knew.
    """
    number = _signal_of(end)
    if number not in OF_SIGNAL or any(_match(log, CASCADES) for log in logs):
        return None
    if number == signal.SIGABRT and any(_error_line(log.text) for log in logs):
        return None
    kind, remedy = OF_SIGNAL[number]
    return Explanation(kind, task, outcome.host if task == outcome.task else "", remedy=remedy)


def _signal_of(end: End | None) -> int:
    """Return the signal that ended a task, also as a shell says it (bash(1), EXIT STATUS); 0 where it was none."""
    if end is None or end.signal:
        return end.signal or 0 if end else 0
    return max(0, (end.exit_code or 0) - 128)


def _of_rest(outcome: Outcome, logs: Sequence[Log]) -> Explanation:
    """Return what the outcome alone says; where that is nothing, the first line that looks like an error."""
    tasks_first = sorted(logs, key=lambda log: not log.task)
    shown = [Evidence(log.name, line) for log in tasks_first for line in [_error_line(log.text)] if log.name and line]
    if outcome.exit_code == 127 and not shown:
        return Explanation(Kind.COMMAND, outcome.task, outcome.host, remedy=NOT_FOUND)
    kind = OF_REST.get(outcome.cause, Kind.UNKNOWN)
    remedy, rule = _who_ended_the_script(outcome) if outcome.cause is Cause.NOT_STARTED else ("", "")
    return Explanation(kind, outcome.task, outcome.host, tuple(shown[:1]), remedy, rule)


def _who_ended_the_script(outcome: Outcome) -> tuple[str, str]:
    """Return what to do, and the rule's id: without a line of its own that it came to, what its shell reads first ended it."""
    return (BY_ITS_LINE, "script-ended") if outcome.detail.get("line") else (BY_ITS_SHELL, "shell-ended")


def _error_line(text: str) -> str:
    """Return the first line that looks like an error; empty when none does. That srun's task ended is none."""
    text = TASK_ENDED.sub("", text)
    lower = text.lower()
    places = [place for word in ERROR_LIKE if (place := lower.find(word)) >= 0]
    return _line_at(text, min(places)) if places else ""
