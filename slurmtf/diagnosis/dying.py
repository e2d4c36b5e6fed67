"""Explain why a run died from its outcome and its logs: the first task that failed, not those that it took down. Pure."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from slurmtf.diagnosis.clues import (
    CASCADES,
    CERTAIN,
    OUTRANKING,
    PLAIN,
    SAID_BY_SCRIPTS,
    VAGUE,
    VAGUE_BUT_FOR_CRASHES,
    WEAK,
    Clue,
    find_certain_clue,
    find_clue_before,
    find_error_line,
    find_fatal_clue,
    find_last_line,
    find_program_message,
    find_shell_message,
    is_misuse,
    join_errors,
    locate_end,
    match_rules,
    shorten,
)
from slurmtf.diagnosis.ends import (
    CAUSES_OF_HUNG_TASKS,
    IT_STAYED,
    KIND_OF_CAUSE,
    KIND_OF_OTHER_CAUSE,
    KIND_OF_SIGNAL,
    LOST_WITH_ITS_NODE,
    MAY_HAVE_STAYED,
    MAYBE_OF_SHELL,
    REMEDY_BY_CANCELER,
    REMEDY_OF_EXIT_CODE,
    choose_early_end_remedy,
    infer_signal,
)
from slurmtf.diagnosis.explanation import Evidence, Explanation, Log, TaskFailure
from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.leaving import (
    find_clue_in_message,
    find_clue_in_retries,
    find_exit,
    find_last_message,
    find_unrelated_message,
    has_ended_itself,
    merge_exits,
)
from slurmtf.diagnosis.raised import (
    RaisedError,
    find_last_error,
    is_of_scripts,
    locate_last_progress,
    normalize_text,
    skip_survived_errors,
)
from slurmtf.diagnosis.rules import Rule
from slurmtf.job.contract.attempt.outcome import Cause, End, Outcome
from slurmtf.spelling import unmark

MESSAGE_LENGTH = 2000
"""The number of characters of an error's message that are examined."""
MESSAGE_END = re.compile(
    r"\n(?=Traceback \(most recent|[A-Za-z_][\w.]*(?:Error|Exception): |Exception (?:in thread|ignored in)"
    r"|srun: |slurmstepd: |-{20})"
)
"""The latest point at which an error's message ends."""
ENVIRONMENT_KINDS = (Kind.IMPORT, Kind.LIBRARY, Kind.GPU_SOFTWARE, Kind.COMMAND, Kind.MPI)
"""Failures that a module that was not loaded can cause."""
AN_ERROR = re.compile(r"(?:\w+\.)*[A-Z]\w*(?:Error|Exception): ")
"""The beginning of Python's line about an error."""
SHELL_MESSAGE = re.compile(r"[^\s:]+: (?:line )?\d+: (?:.+: (?:No such file or directory|Not a directory)|.*can't cd to .+)$")
"""A shell's message about a faulty line of its script."""
FAILS_AT_IMPORT = (
    "a package fails while it is imported, before the script asks anything of it: it does not fit another package, this Python "
    "or the node; install versions that fit together (`pip_packages`)"
)


def explain(outcome: Outcome, failures: Sequence[TaskFailure] = (), logs: Sequence[Log] = ()) -> Explanation:
    """Return why a run died.

    ``failures`` are the tasks that failed, in the order in which they ended. What Slurm observed outranks any text. The job's
    own log comes first, then each task in the order of ``failures``: the certain clues in its logs, the error that its script
    raised, the signal that killed it. Messages about the loss of another process count only if nothing else explains the end.
    """
    if outcome.cause in KIND_OF_CAUSE:
        return _prefer_hang(outcome, logs, failures, _explain_cause(outcome, list(map(_normalize_log, logs))))
    logs = list(map(_normalize_log, logs or [Log(outcome.log, outcome.task, _join_messages(outcome))]))
    ends: dict[str, End | None] = {
        failure.task: failure.end for failure in [TaskFailure(outcome.task, outcome.end), *reversed(failures)]
    }
    order = dict.fromkeys([outcome.task, *(failure.task for failure in failures), *(log.task for log in logs if log.task)])
    logs = merge_exits(logs, ends)
    if outcome.cause is Cause.TASK_LOST and outcome.task:  # the others ended because of it
        logs = [log for log in logs if log.task in ("", outcome.task)]
        order = {outcome.task: None}
    tasks = {task: [log for log in logs if log.task == task] for task in order}
    of_job = [log for log in logs if not log.task]
    for task in _find_stopped(outcome, failures, tasks[outcome.task]):
        ends[task] = None
    found = (_explain_task(outcome, task, own, ends.get(task)) for task, own in tasks.items())
    return (
        _explain_by_rules(outcome, of_job, OUTRANKING)
        or _prefer_missing_module(outcome, logs, next((explanation for explanation in found if explanation), None))
        or _explain_task(outcome, "", of_job, None)
        or _explain_unknown(outcome, logs)
        or _explain_by_weak_rules(outcome, logs, "\n".join(filter(None, map(_find_error_message, logs))))
        or _explain_by_rules(outcome, logs, CASCADES)
        or _explain_last_line(outcome, tasks[outcome.task])
        or _explain_by_outcome(outcome, logs)
    )


def explain_hang(logs: Sequence[Log], failures: Sequence[TaskFailure] = ()) -> Explanation | None:
    """Return the error that ended a task's script while its process stayed; None if there is none.

    Such a run ends at its time limit, as a stall, or never: that rank waits in MPI_Finalize for the others, and they for it.
    A task that ended with an exit code did not stay: it may have raised the error because it was told to end.
    """
    ended = ((log, error) for log, error in _iterate_hung_tasks(logs, failures) if _is_fatal(log, error))
    found = (_explain_error(Outcome(Cause.SCRIPT, log.task), log, error) for log, error in ended)
    return next((replace(one, remedy=_add_hang_remedy(one.remedy)) for one in found if one), None)


def _iterate_hung_tasks(logs: Sequence[Log], failures: Sequence[TaskFailure]) -> Iterator[tuple[Log, RaisedError]]:
    """Yield the last errors of tasks that did not end with an exit code, except errors about another task's end."""
    left = {failure.task for failure in failures if not failure.end.signal}
    for log in (log for log in merge_exits(list(map(_normalize_log, logs)), {}) if log.task and log.task not in left):
        error = _find_error(log)
        if error and (error.is_told or error.is_uncaught) and not _is_about_lost_process(log, error):
            yield log, error


def _find_error(log: Log) -> RaisedError | None:
    return find_last_error(log.text, log.uncaught)


def _is_fatal(log: Log, error: RaisedError) -> bool:
    """Return whether an error ended a script, according to its Python if that was watched, else according to the log."""
    return error.is_told or log.uncaught is None


def _prefer_hang(outcome: Outcome, logs: Sequence[Log], failures: Sequence[TaskFailure], found: Explanation) -> Explanation:
    """Return ``found``, or the error of a task that stayed after it, if any.

    For a canceled run, that error is added to ``found``; for a run that reached a limit, the last error of a task that may
    have stayed.
    """
    stayed = explain_hang(logs, failures)
    if outcome.cause not in CAUSES_OF_HUNG_TASKS:
        hung = stayed if outcome.cause is Cause.CANCELED else None
        return replace(found, task=hung.task, evidence=hung.evidence, remedy=hung.remedy) if hung else found
    if stayed:
        return stayed
    log, error = next(_iterate_hung_tasks(logs, failures), (None, None))
    if not log or not error:
        return found
    return replace(
        found, task=log.task, evidence=(*found.evidence, *_show_error(log, error)), remedy=f"{found.remedy}; {MAY_HAVE_STAYED}"
    )


def _normalize_log(log: Log) -> Log:
    return replace(log, text=normalize_text(log.text))


def _add_hang_remedy(remedy: str) -> str:
    return f"{remedy}; {IT_STAYED}" if remedy else IT_STAYED


def _find_stopped(outcome: Outcome, failures: Sequence[TaskFailure], logs: Sequence[Log]) -> list[str]:
    """Return the tasks that a signal ended because the decisive task had ended by itself before.

    If the decisive task's log reports the loss of another one, a task that was killed (SIGKILL) may have died first and been
    reported later.
    """
    names = [failure.task for failure in failures]
    if outcome.task not in names or outcome.signal:
        return []
    of_launchers = {signal.SIGTERM} if any(match_rules(log, CASCADES) for log in logs) else {signal.SIGTERM, signal.SIGKILL}
    later = failures[names.index(outcome.task) + 1 :]
    return [failure.task for failure in later if infer_signal(failure.end) in of_launchers]


def _prefer_missing_module(outcome: Outcome, logs: Sequence[Log], found: Explanation | None) -> Explanation | None:
    """Return ``found``, or the module that the job or its task failed to load if that can be the cause of ``found``."""
    if found is None or found.kind not in ENVIRONMENT_KINDS:
        return found
    rules = [rule for rule in PLAIN if rule.kind is Kind.MODULE]
    return _explain_by_rules(outcome, [log for log in logs if log.task in ("", found.task)], rules) or found


def _explain_task(outcome: Outcome, task: str, logs: Sequence[Log], end: End | None) -> Explanation | None:
    """Explain a task's end from its logs: the error that ended its script, else a program's last lines, else its signal."""
    raised = [(log, _find_error(log)) for log in logs]
    found = (_explain_error_with_message(outcome, log, error, logs) for log, error in raised if error)
    clues = (find_certain_clue(log, killed=infer_signal(end) > 0) for log, error in raised if not error)
    return (
        next((explanation for explanation in found if explanation), None)
        or next((clue.explain(outcome) for clue in clues if clue), None)
        or _explain_signal(outcome, task, logs, end)
        or (None if any(error for _, error in raised) else _explain_exit(outcome, logs, end))
    )


def _explain_error_with_message(outcome: Outcome, log: Log, error: RaisedError, logs: Sequence[Log]) -> Explanation | None:
    """Explain an error, with what the script said about something else as it exited: it may have survived the error."""
    found = _explain_error(outcome, log, error)
    words = find_unrelated_message(logs, log, error) if found else ""
    if not found or not words:
        return found
    left = find_exit(log)
    kind = Kind.SCRIPT if found.kind is Kind.SCRIPT or (left and left.message) else Kind.UNKNOWN
    shown = tuple(dict.fromkeys((*found.evidence, Evidence(log.name, shorten(words)))))
    return replace(found, kind=kind, evidence=shown, rule="", remedy=found.remedy if kind is found.kind else "")


def _explain_exit(outcome: Outcome, logs: Sequence[Log], end: End | None) -> Explanation | None:
    """Explain the end of a script whose own code ended it by its last message; None if it did not, or if a process was lost."""
    log, left = next(((log, left) for log in logs if (left := find_exit(log))), (None, None))
    words = (left.message if left else "") or find_last_message(logs)
    log = log or next((log for log in logs if has_ended_itself(log, end, words)), None)
    if not log or any(match_rules(one, CASCADES) for one in logs):
        return None
    clue, tried = find_clue_in_message(log, words), next(filter(None, (find_clue_in_retries(one, words) for one in logs)), None)
    known = clue.explain(outcome) if clue else tried.explain(outcome) if tried else _explain_by_weak_rules(outcome, logs, words)
    lines = filter(None, (*(where.strip() for where in (left.failure[1:] if left else ())), words))
    shown = tuple(Evidence(log.name, shorten(line)) for line in lines)
    return (
        replace(known, evidence=shown) if known and clue else known or Explanation(Kind.SCRIPT, log.task, outcome.host, shown)
    )


def find_remedy(outcome: Outcome) -> str:
    """Return what to do about a run's end, from its outcome alone; empty if nothing is known."""
    return explain(outcome).remedy


def _join_messages(outcome: Outcome) -> str:
    return f"{outcome.tail}\n{outcome.detail.get('error') or ''}"


def _explain_cause(outcome: Outcome, logs: Sequence[Log]) -> Explanation:
    kind, remedy = KIND_OF_CAUSE[outcome.cause]
    remedy = REMEDY_BY_CANCELER.get(str(outcome.detail.get("by")), "") if kind is Kind.CANCELED else remedy
    remedy = remedy.replace("{user}", unmark(str(outcome.detail.get("user") or "")))
    clues = (match_rules(log, [rule for rule in CERTAIN if rule.kind is kind]) for log in logs)
    shown = next((clue for clue in clues if clue), None)
    evidence = (Evidence(shown.log.name, shown.line),) if shown else ()
    return Explanation(kind, outcome.task, outcome.host, evidence, remedy, shown.rule.id if shown else "")


def _explain_error(outcome: Outcome, log: Log, error: RaisedError) -> Explanation | None:
    """Explain the error that ended a script by its message or that of an error that caused it; None if its origin is unknown.

    The script survived everything logged before the error, which therefore counts only if nothing survives it or if the error
    gives no reason.
    """
    clue = _find_clue(log, error)
    if clue:
        found = clue.explain(outcome)
        frame = Evidence(log.name, shorten(error.failure.frame.strip()))
        return replace(found, evidence=(frame, *found.evidence)) if frame.text else found
    refused = _explain_refusal(outcome, replace(log, text=log.text[: error.start]), error.childs_exit_code)
    if refused:
        return replace(refused, evidence=(*_show_error(log, error)[:1], *refused.evidence))
    if error.childs_exit_code is not None and is_misuse(log.text[: error.start]):
        return _explain_as(outcome, log, error, Kind.SCRIPT)
    if not error.is_own or (error.is_from_below and not error.raised_here) or _is_about_lost_process(log, error):
        return None
    if error.is_of_an_import:
        return replace(_explain_as(outcome, log, error, Kind.LIBRARY), remedy=FAILS_AT_IMPORT)
    return _explain_as(outcome, log, error, Kind.SCRIPT)


def _find_clue(log: Log, error: RaisedError) -> Clue | None:
    if error.speaks_for_itself:
        message = Log(log.name, log.task, error.failure.error)
        return match_rules(message, SAID_BY_SCRIPTS) or match_rules(join_errors(log, error.causes), PLAIN)
    clue = (
        (None if error.is_own else find_fatal_clue(log, locate_last_progress(log.text[: error.start])))
        or match_rules(log, PLAIN, error.at)
        or match_rules(join_errors(log, error.causes), PLAIN)
    )
    vague = None if clue else match_rules(log, VAGUE_BUT_FOR_CRASHES if error.is_own else VAGUE, error.at)
    of_cause = None if clue or vague else match_rules(join_errors(log, error.causes), VAGUE_BUT_FOR_CRASHES)
    if clue or of_cause or not (vague or error.is_from_below or error.is_of_children):
        return clue or of_cause
    return (
        match_rules(join_errors(log, error.handled), PLAIN) or find_clue_before(log, error.start, error.is_of_children) or vague
    )


def _explain_by_rules(outcome: Outcome, logs: Iterable[Log], rules: Sequence[Rule]) -> Explanation | None:
    found = next(
        (clue for clue in (match_rules(log, rules, skip_survived_errors(log.text, log.uncaught)) for log in logs) if clue), None
    )
    return found.explain(outcome) if found else None


def _find_error_message(log: Log) -> str:
    error = _find_error(log)
    return error.failure.error if error else find_error_line(log.text) or find_last_line(log.text)


def _explain_by_weak_rules(outcome: Outcome, logs: Sequence[Log], message: str) -> Explanation | None:
    """Return the weak explanation: a message that healthy logs have too, but at the end and about the errors in ``message``."""
    rules = [rule for rule in WEAK if re.search(rule.about, message)]
    found = next(filter(None, (match_rules(log, rules, locate_end(log)) for log in logs)), None)
    return found.explain(outcome) if found else None


def _explain_unknown(outcome: Outcome, logs: Iterable[Log]) -> Explanation | None:
    """Return an error of unknown origin: no rule matches it, and it is not the script's own."""
    for log in logs:
        error = _find_error(log)
        if error and not _is_about_lost_process(log, error):
            return _explain_as(outcome, log, error, Kind.UNKNOWN)
    return None


def _is_about_lost_process(log: Log, error: RaisedError) -> bool:
    """Return whether an error is about the loss of another process; Keras' message begins a line later."""
    message = MESSAGE_END.split(log.text[error.at : error.at + MESSAGE_LENGTH], maxsplit=1)[0]
    return match_rules(Log("", "", message), CASCADES) is not None


def _explain_as(outcome: Outcome, log: Log, error: RaisedError, kind: Kind) -> Explanation:
    task = log.task or outcome.task
    return Explanation(kind, task, outcome.host if task == outcome.task else "", _show_error(log, error))


def _show_error(log: Log, error: RaisedError) -> tuple[Evidence, ...]:
    """Return the lines that show an error: its place, the error handled meanwhile, its message, the last messages of a child
    program whose failure it reports, and the last line of a script that continued until it ended itself."""
    last = find_last_line(log.text[error.at :]) if log.uncaught == "" else ""
    before = log.text[: error.start] if error.childs_exit_code is not None else ""
    of_child = (find_program_message(before), find_last_line(before))
    where = (error.failure.frame.strip(), error.failure.source.strip(), *error.handled[:1])
    lines = (*where, error.failure.error, error.detail, *of_child, last)
    return tuple(Evidence(log.name, shorten(line)) for line in dict.fromkeys(lines) if line)


def _explain_signal(outcome: Outcome, task: str, logs: Sequence[Log], end: End | None) -> Explanation | None:
    """Explain the signal that ended a task; None if its log says that it gave up because of another process.

    None also for a program that aborted and logged a reason: no rule knew that one.
    """
    number = infer_signal(end)
    if number not in KIND_OF_SIGNAL or any(match_rules(log, CASCADES) for log in logs):
        return None
    if number == signal.SIGABRT and any(find_error_line(log.text) for log in logs):
        return None
    kind, remedy = KIND_OF_SIGNAL[number]
    clues = filter(None, (match_rules(log, [rule for rule in WEAK if rule.kind is kind], locate_end(log)) for log in logs))
    evidence = tuple(Evidence(clue.log.name, clue.line) for clue in clues)
    return Explanation(kind, task, outcome.host if task == outcome.task else "", evidence[:1], remedy)


def _explain_refusal(outcome: Outcome, log: Log, exit_code: int | None) -> Explanation | None:
    """Explain a shell that could not run a command: its last line says so, and it ends with that exit code; else None."""
    line = find_shell_message(log.text, exit_code) if exit_code in REMEDY_OF_EXIT_CODE else ""
    shown = (Evidence(log.name, line),)
    return Explanation(Kind.COMMAND, outcome.task, outcome.host, shown, REMEDY_OF_EXIT_CODE[exit_code or 0]) if line else None


def _explain_last_line(outcome: Outcome, logs: Sequence[Log]) -> Explanation | None:
    """Return an error without a traceback in the last line as the script's own, as Python, a shell or its programs write it.

    If Python was watched, it has reported any error itself, and a line that looks like one is the script's text.
    """
    if outcome.exit_code not in (1, 2):
        return None
    for log in (log for log in logs if log.uncaught is None):
        line = find_last_line(log.text)
        if (AN_ERROR.match(line) and is_of_scripts(line)) or SHELL_MESSAGE.match(line) or is_misuse(log.text):
            return Explanation(Kind.SCRIPT, log.task, outcome.host, (Evidence(log.name, line),))
    return None


def _explain_by_outcome(outcome: Outcome, logs: Sequence[Log]) -> Explanation:
    """Explain a run by its outcome alone, with the first line that looks like an error."""
    tasks_first = sorted((log for log in logs if log.name), key=lambda log: not log.task)
    code = outcome.exit_code
    refused = next(filter(None, (_explain_refusal(outcome, log, code) for log in tasks_first)), None)
    if refused:
        return refused
    lines = (
        *((log, find_error_line(log.text)) for log in tasks_first),
        *((log, find_last_line(log.text)) for log in tasks_first),
    )
    shown = [Evidence(log.name, line) for log, line in lines if line]
    kind = KIND_OF_OTHER_CAUSE.get(outcome.cause, Kind.UNKNOWN)
    remedy, rule = (
        choose_early_end_remedy(outcome) if outcome.cause is Cause.NOT_STARTED else (MAYBE_OF_SHELL.get(code or 0, ""), "")
    )
    remedy = LOST_WITH_ITS_NODE if kind is Kind.LOST else remedy
    return Explanation(kind, outcome.task, outcome.host, tuple(shown[:1]), remedy, rule)
