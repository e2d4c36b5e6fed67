"""How a script left by ``sys.exit``, as its Python recorded it: where, its message, the error it was handling. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from slurmtf.diagnosis.clues import (
    ERROR_LIKE,
    PLAIN,
    SAID_BY_SCRIPTS,
    Clue,
    find_error_line,
    find_last_line,
    locate_last_lines,
    match_rules,
)
from slurmtf.diagnosis.explanation import Log
from slurmtf.diagnosis.raised import INSTALLED, MEANWHILE, PLACE, START, RaisedError, find_last_error
from slurmtf.job.contract.attempt.log_excerpt import Failure
from slurmtf.job.contract.attempt.outcome import End

PROGRAMS = re.compile(r"/bin/[^/]+$")
"""A launcher, such as torchrun: it exits with the status of its children."""
LIBRARY_LINE = re.compile(
    r"(?:\[[\w.-]+:\d+\]|\*{3}|Abort\(|OMP:|PMIX?\b|[\w/.-]+\.(?:c|cc|cpp|h|f90):\d+|[\d.: -]*[EF]\d* "
    r"|slurmtf: |srun: |slurmstepd)"
)
"""The beginning of lines of libraries that end the process."""
STATUS = re.compile(r"SystemExit: (-?\d+|True)$")
WORD = re.compile(r"[A-Za-z]{4,}")
ANY_ERROR = re.compile(
    r"(?i)\b(?:fail(?:ed|ure|s)?|abort(?:ed|ing)?|exit(?:ed|ing)?|giving up|gave up|crash(?:ed)?|exception|stopp(?:ed|ing)"
    r"|quit(?:ting)?|terminat(?:ed|ing)|an? (?:\w+ )?error|errors? (?:occurred|above)|see (?:above|the log)|went wrong)\b"
)
"""Words that a script may use about any error."""


GAVE_UP = re.compile(r"(?i)\b(?:(?:could|can) ?not|can't|couldn't|unable to|failed|gave up|giving up)\b")
LINES_OF_TRIES = 5
LEAST_OF_SHELL = 126
"""The lowest exit code with which a shell reports something about a command."""


class ScriptExit(NamedTuple):
    """A script's ``sys.exit``.

    ``failure`` is the line with the status or message, and its place. ``handled`` is the error that the script was handling,
    empty if none, and ``trace`` its traceback. ``message`` is the script's message, empty if it gave a number.
    """

    failure: Failure
    handled: str
    trace: str
    message: str
    exit_code: int


def find_exit(log: Log) -> ScriptExit | None:
    """Return how a log's script left by a ``sys.exit`` in its own code; None if it did not, or if a library's code did."""
    error = find_last_error(log.exit) if log.exit else None
    places = PLACE.findall(log.exit, error.start) if error else []
    path = places[-1][0] if places else ""
    if error is None or not path or INSTALLED.search(path) or PROGRAMS.search(path):
        return None
    status = STATUS.match(error.failure.error)
    code = (int(status[1]) & 255 if status[1] != "True" else 1) if status else 1
    message = "" if status else error.failure.error.partition(": ")[2]
    trace = log.exit[: error.start].rstrip().removesuffix(MEANWHILE)
    handled = error.handled[0] if error.handled else ""
    return ScriptExit(error.failure, handled, trace, message, code)


def merge_exits(logs: Sequence[Log], ends: Mapping[str, End | None]) -> list[Log]:
    """Return the logs; for a script that left while it handled an error, as if that error had been uncaught.

    That error ended the script, whether it was printed or not. If the process ended with another exit code than the one
    requested, the exit was caught and is removed.
    """
    found: list[Log] = []
    for log in logs:
        left, end = find_exit(log), ends.get(log.task)
        if left is None or (end and end.exit_code not in (None, left.exit_code)):
            found.append(replace(log, exit=""))
        elif not left.handled:
            found.append(log)
        else:
            own = [one for one in logs if one.task == log.task]
            is_first = not any(one.task == log.task for one in found)
            if is_first and not any(f"\n{left.handled}\n" in f"\n{one.text}\n" for one in own):
                found.append(Log(log.exit_name, log.task, left.trace, left.handled))
            found.append(replace(log, uncaught=left.handled, exit=""))
    return found


def find_unrelated_message(logs: Iterable[Log], log: Log, error: RaisedError) -> str:
    """Return a script's message as it left if it is about something other than the earlier error in its log; else empty.

    A message that fits any error is taken to be about that one.
    """
    left = find_exit(log)
    if left is None or error.is_told:
        return ""
    after = log.text[error.at + len(error.failure.error) :]
    on_other = next(filter(None, (find_error_line(one.text) for one in logs if one is not log and START not in one.text)), "")
    words = left.message or find_last_line(after) or on_other
    own, others = (
        set(map(str.lower, WORD.findall(text))) for text in (words, log.text[error.start : error.at] + error.failure.error)
    )
    return "" if ANY_ERROR.search(words) or len(own & others) * 2 > len(own) else words


def find_last_message(logs: Sequence[Log]) -> str:
    """Return the last line of a script's logs, preferring one that looks like an error even if it is not last."""
    last = [line for log in logs if (line := find_last_line(log.text))]
    like_errors = (*filter(ERROR_LIKE.search, last), *(find_error_line(log.text) for log in logs))
    return next(filter(None, like_errors), last[0] if last else "")


def find_clue_in_message(log: Log, words: str) -> Clue | None:
    """Return the clue in a script's own message: for example, that there is no GPU, or that the loss is not a number."""
    return match_rules(replace(log, text=f"Error: {words}"), SAID_BY_SCRIPTS)


def find_clue_in_retries(log: Log, words: str) -> Clue | None:
    """Return the clue in the warnings just before a script said that it gave up: each of several tries failed like that."""
    return match_rules(log, PLAIN, locate_last_lines(log.text, LINES_OF_TRIES)) if GAVE_UP.search(words) else None


def has_ended_itself(log: Log, end: End | None, words: str) -> bool:
    """Return whether a script ended its Python by a SystemExit that it raised itself, and reported an error of its own last.

    By os._exit, MPI's Abort or a library's exit(3), Python does not end in order: who called them is not known.
    """
    code = end.exit_code if end else None
    is_own = (ERROR_LIKE.search(words) or find_clue_in_message(log, words)) and not LIBRARY_LINE.match(words)
    return log.ended_in_order and not log.exit and 0 < (code or 0) < LEAST_OF_SHELL and bool(is_own)
