"""Match the rules against a text: which rule matches, where, and the line that shows it. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial

from slurmtf.diagnosis.explanation import Evidence, Explanation, Log
from slurmtf.diagnosis.hiding import hide_secrets
from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.raised import locate_last_progress, skip_survived_errors
from slurmtf.diagnosis.rules import RULES, Rule
from slurmtf.job.contract.attempt.log_excerpt import CUT, LONGEST_LINE
from slurmtf.job.contract.attempt.outcome import Outcome
from slurmtf.spelling import unmark

CERTAIN = tuple(rule for rule in RULES if not (rule.weak or rule.cascade))
PLAIN = tuple(rule for rule in CERTAIN if not rule.vague)
VAGUE = tuple(rule for rule in CERTAIN if rule.vague)
VAGUE_BUT_FOR_CRASHES = tuple(rule for rule in VAGUE if rule.kind is not Kind.CRASH)
"""The vague rules for a script that ends with an error of its own: it may also crash as it exits."""
SAID_BY_SCRIPTS = tuple(rule for rule in CERTAIN if rule.by_script)
ANYWHERE = tuple(rule for rule in CERTAIN if rule.anywhere)
WEAK = tuple(rule for rule in RULES if rule.weak)
CASCADES = tuple(rule for rule in RULES if rule.cascade)
OUTRANKING = tuple(rule for rule in PLAIN if rule.kind in (Kind.HOST_MEMORY, Kind.TIME_LIMIT, Kind.PREEMPTED, Kind.NODE))
"""Messages in the job's own log that no task survives."""
TASK_ENDED = re.compile(r"(?m)^srun: error: \S+: tasks? [\d,-]+: Exited with exit code \d+\n?")
SAID_BY_SHELL = {
    126: re.compile(
        r"\S+: .*: (?:Permission denied|Is a directory|Argument list too long|Exec format error|cannot execute\b.*)$"
    ),
    127: re.compile(r"(?i)\S+: .*: (?:(?:command )?not found|no such file or directory)$|\S+: command not found: \S+$"),
}
"""Exit code to the message with which a shell, env or nohup reports that it could not run a command (bash(1), EXIT STATUS;
env(1))."""
ERROR_WORDS = ("rror", "RROR", "atal", "ATAL", "ailed", "AILED", "ailure", "xception", "XCEPTION")
"""Parts of the words in ``ERROR_LIKE``, as a cheap first search."""
ERROR_LIKE = re.compile(
    r"\b(?:[Ee]rrors?|ERRORS?|[Ff]atal|FATAL|[Ff]ail(?:ed|ure)|FAILED|[Ee]xception|EXCEPTION)\b(?!\s*[:=]?\s*-?\d*(?:\.\d|\de|\d\s*(?:$|[^\w\s])))"
    r"|\w(?:Error|Exception)\b"
)
"""A word that marks an error; followed by a number, it is a metric of the script's, and so is 'mean_squared_error'."""
MOST_SAID = 20
MANY_RULES = 40
LONG = 1 << 16
"""The length in characters from which a log is searched without its repeated lines."""
NO_DIGITS = str.maketrans("", "", "0123456789")
SURVIVED = re.compile(
    r"^(?!.*\b(?:NCCL WARN|UCX)\b)"
    r"(?:(?:.{0,60}?|\S+:\d+: )\b(?:WARN(?:ING)?|\w*[Ww]arning|INFO|DEBUG)\b(?!!)|[\d.: -]*[WI]\d* )"
    r"|\bretry(?:ing)?\b|\(ignored\)"
)
"""A line that shows that the program continues."""
TENSORFLOW_ERROR_LOG = re.compile(r"(?m)^[\d.: -]*E\d* .*\n?")
"""An error that TensorFlow or XLA logs and mostly survives: it continues without a GPU, or by another method."""
NO_ERROR = re.compile("|".join(one.pattern.replace("(?m)", "") for one in (TENSORFLOW_ERROR_LOG, TASK_ENDED)))
FRAME = re.compile(r"[-=*#]{9,}$")
"""The rule that MPI prints above and below a message."""
PROGRAM_NAME = re.compile(r"([\w./-]+)(?: \(\w+\))?: ")
"""The program's own name, with which its messages begin."""
MISUSE = re.compile(
    r"[\w./-]+(?: \(\w+\))?: .*(?:: (?:No such file or directory|Not a directory|Is a directory|File exists)$"
    r"|(?:invalid|unrecognized|unknown|illegal) option|not in gzip format|not look like a tar archive)"
)
"""A program's message about an impossible request: a wrong path, an unknown option."""
LAST_LINES = 3
LINES_OF_END = 60
"""The last lines of a task's log, which are about its end: it survived everything above. The job's log has little else."""


@dataclass(frozen=True)
class Clue:
    """A rule that matches, the line that shows it, and the groups of its pattern."""

    rule: Rule
    log: Log
    line: str
    groups: tuple[str, ...]
    host: str = ""

    def explain(self, outcome: Outcome) -> Explanation:
        host = self.host or (outcome.host if self.log.task in ("", outcome.task) else "")
        remedy = self.rule.remedy.format(*map(_quote, self.groups))
        return Explanation(
            self.rule.kind, self.log.task or outcome.task, host, (Evidence(self.log.name, self.line),), remedy, self.rule.id
        )


def _quote(group: str) -> str:
    """Return text from a log so that a remedy can quote it: without secrets, and its backticks do not mark settings."""
    return unmark(hide_secrets(shorten(group)))


def match_rules(log: Log, rules: Sequence[Rule], start: int = 0, counts: Callable[[int], bool] | None = None) -> Clue | None:
    text = log.text[start:] if start else log.text
    is_merged = len(rules) > MANY_RULES and len(text) > LONG
    text = _merge_similar_lines(text) if is_merged else text
    for rule in rules:
        if any((word.translate(NO_DIGITS) if is_merged else word) in text for word in rule.words):
            found = _find_first_match(rule, log.text, start, counts)
            if found:
                groups = tuple(group or "" for group in found.groups())
                return Clue(rule, log, _extract_line(log.text, found.start()), groups, found.groupdict().get("host") or "")
    return None


def find_certain_clue(log: Log, killed: bool) -> Clue | None:
    """Return the certain clue at the end of a log without a traceback, after the last sign that the script continued."""
    start, end = skip_survived_errors(log.text, log.uncaught), locate_end(log)
    counts = partial(is_fatal_at, log.text, 0 if killed else locate_last_lines(log.text, LAST_LINES))
    clue = find_fatal_clue(log, start) or match_rules(log, PLAIN, end, counts)
    return clue or (None if match_rules(log, CASCADES, start) else match_rules(log, VAGUE, end, counts))


def locate_end(log: Log) -> int:
    """Return the position from which a log is about its end."""
    start = skip_survived_errors(log.text, log.uncaught)
    return max(start, locate_last_lines(log.text, LINES_OF_END)) if log.task else start


def find_fatal_clue(log: Log, start: int) -> Clue | None:
    """Return the first fatal clue in a log after ``start``. What a program only warns about, it has survived."""
    return match_rules(log, ANYWHERE, start, partial(is_fatal_at, log.text, 0))


def is_fatal_at(text: str, last: int, place: int) -> bool:
    """Return whether a program ends after its message at ``place``. TensorFlow's errors are fatal only from ``last`` on."""
    line = _extract_line(text, place)
    return not SURVIVED.search(line) and (place >= last or not TENSORFLOW_ERROR_LOG.match(line))


def locate_last_lines(text: str, count: int) -> int:
    """Return the position of the last ``count`` lines of a text."""
    end = len(text.rstrip())
    for _ in range(count):
        end = max(text.rfind("\n", 0, max(end, 0)), 0)
    return end


def find_clue_before(log: Log, end: int, by_child: bool) -> Clue | None:
    """Return the clue in a log before an error that gives no reason, ignoring warnings that the program survived.

    A child that failed survived nothing: its last lines count even if they are warnings.
    """
    text = log.text[:end]
    last = locate_last_lines(text, LAST_LINES) if by_child else end
    return match_rules(
        replace(log, text=text), PLAIN, locate_last_progress(text), lambda place: place >= last or is_fatal_at(text, 0, place)
    )


def join_errors(log: Log, errors: Sequence[str]) -> Log:
    return replace(log, text="\n".join(errors))


@lru_cache(maxsize=4)
def _merge_similar_lines(text: str) -> str:
    """Return a log's lines without digits, each once, so that a line repeated a thousand times is searched once."""
    lines = text.encode("utf-8", "replace").translate(None, b"0123456789").split(b"\n")
    return b"\n".join(dict.fromkeys(lines)).decode("utf-8", "replace")


def _find_first_match(rule: Rule, text: str, start: int, counts: Callable[[int], bool] | None) -> re.Match[str] | None:
    """Return the first match of a rule's pattern, preferring lines that are not source code quoted by a traceback."""
    places = (one for one in _compile(rule.pattern).finditer(text, start) if counts is None or counts(one.start()))
    called = (one for one in places if not rule.called or _is_called(rule.called, text, one.start()))
    found = list(itertools.islice(called, MOST_SAID))
    unquoted = (one for one in found if not text.startswith("    ", text.rfind("\n", 0, one.start()) + 1))
    return next(unquoted, found[0] if found else None)


def _is_called(pattern: str, text: str, place: int) -> bool:
    """Return whether the innermost frame of the traceback that ends at ``place`` matches ``pattern``."""
    return _compile(pattern).search(text, max(text.rfind("\n  File ", 0, place), 0), place) is not None


@cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _extract_line(text: str, place: int) -> str:
    start = text.rfind("\n", 0, place) + 1
    end = text.find("\n", place)
    return shorten(text[start : end if end >= 0 else len(text)], place - start)


def shorten(line: str, place: int = 0) -> str:
    """Return a line for display; a very long line (a printed array) is cut around ``place``."""
    first = max(0, place - LONGEST_LINE // 4) if len(line) > LONGEST_LINE else 0
    shown = line[first : first + LONGEST_LINE].strip()
    return " ".join(filter(None, (CUT if first else "", shown, CUT if first + LONGEST_LINE < len(line) else "")))


def find_shell_message(text: str, exit_code: int) -> str:
    """Return the line in which a shell explains this exit code if it is the last line of the text; else an empty string."""
    lines = TASK_ENDED.sub("", text).rstrip().rpartition("\n")
    return shorten(lines[2]) if SAID_BY_SHELL[exit_code].match(lines[2]) else ""


def find_last_line(text: str) -> str:
    """Return the last line, or the first line of a frame that ends the text; empty if it is a warning or TensorFlow's.

    srun's lines about the exit codes of tasks do not count.
    """
    lines = [line for line in TASK_ENDED.sub("", text[locate_last_lines(text, LINES_OF_END) :]).split("\n") if line.strip()]
    frames = [at for at, line in enumerate(lines) if FRAME.match(line)]
    is_framed = len(frames) > 1 and frames[-1] == len(lines) - 1 > frames[-2] + 1
    line = shorten(lines[frames[-2] + 1] if is_framed else lines[-1]) if lines else ""
    return "" if SURVIVED.search(line) or TENSORFLOW_ERROR_LOG.match(line) else line


def find_program_message(text: str) -> str:
    """Return the first of the lines at the end of a text that all begin with the same program's name; empty if none does."""
    lines = [line for line in text[locate_last_lines(text, LINES_OF_END) :].split("\n") if line.strip()]
    name = PROGRAM_NAME.match(lines[-1]) if lines else None
    own = list(itertools.takewhile(lambda line: name and line.startswith(name[1]), reversed(lines)))
    return shorten(own[-1]) if own else ""


def is_misuse(text: str) -> bool:
    """Return whether a text ends with a program's message about an impossible request (``MISUSE``)."""
    return any(map(MISUSE.match, (find_program_message(text), find_last_line(text))))


def find_error_line(text: str) -> str:
    """Return the first line that looks like an error; empty if none does.

    srun's lines about exit codes, warnings, and errors that TensorFlow logs do not count.
    """
    found = (ERROR_LIKE.search(text, start, end) for start, end in _locate_lines(text, ERROR_WORDS))
    lines = (_extract_line(text, one.start()) for one in itertools.islice(filter(None, found), MOST_SAID))
    return next((line for line in lines if not NO_ERROR.match(line) and not SURVIVED.search(line)), "")


def _locate_lines(text: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each line that contains one of ``words``."""
    nearest = {word: text.find(word) for word in words}
    while nearest := {word: place for word, place in nearest.items() if place >= 0}:
        start = text.rfind("\n", 0, min(nearest.values())) + 1
        end = found if (found := text.find("\n", start)) >= 0 else len(text)
        yield start, end
        nearest = {word: place if place >= end else text.find(word, end) for word, place in nearest.items()}
