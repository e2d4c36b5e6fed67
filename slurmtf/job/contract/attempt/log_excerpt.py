"""The lines of a log that tell why a script failed: the error first, then its context.

A message may print a whole array, so that the last lines of a log are numbers. The error line of the last traceback and the
frame in the user's own code say what happened; they come first.
"""

import re
from typing import List, NamedTuple, Optional

LONGEST_LINE = 400
"""How many characters of a line are shown."""
LAST_LINES = 5
"""How many last lines follow an error that is not among them."""
_START = "Traceback (most recent call last):"
_NO_CODE = re.compile(r"(?:SyntaxError|IndentationError|TabError): ")
"""The error of a script that is not valid Python; there is no traceback, because none of it was run."""
_FATAL = "Fatal Python error: "
_CURRENT = "Current thread "
_NOISE = "Extension modules: "
"""faulthandler's messages about a crash (PYTHONFAULTHANDLER); its last line lists the process's extension modules."""
_FRAME = re.compile(r'\s+File "(?P<path>[^"]+)", line (?P<line>\d+)(?:, in (?P<name>.+))?')
_GOES_ON = (
    "Exception ignored ",
    "--- Logging error ---",
    "Error in atexit.",
    "Error in sys.excepthook:",
    "future: <",
    "handle: <",
)
"""What Python writes before a traceback that does not end it: from a deletion, logging, an exit handler or a task."""
_OF_THREAD = "Exception in thread "
_OF_MODULE = re.compile(r'\s+File "[^"]+", line \d+, in <module>$')
"""The first frame of an uncaught error, except in a thread, where the error ends only the thread."""
_CUT_OFF = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception)(?P<told> \(see above for traceback\))?: ")
"""An error whose traceback is cut off, and the line that TensorFlow 1 repeats at the end of one."""
_ERROR = re.compile(r"[A-Za-z_][\w.]*(?::|$)")
_INSTALLED = re.compile(
    r"(^|/)(site-packages|dist-packages|lib/python\d[\d.]*|python\d+\.zip)/|^<|^(?!/).*\.pyx$|/__autograph_generated_file"
)
CUT = "[...]"


class Failure(NamedTuple):
    """An error from a traceback: its line, and the last frame in the user's own code with the source line there."""

    error: str
    frame: str
    source: str


def format_excerpt(text: str, count: int) -> str:
    """Return at most ``count`` lines of a log: its last ones, preceded by the last traceback's error if they lack it."""
    lines = [line for line in text.splitlines() if not line.startswith(_NOISE)]
    found = find_failure(lines)
    last = lines[-count:]
    if found is None or (found.error in last and (not found.frame or found.frame in last) and len(found.error) <= LONGEST_LINE):
        return "\n".join(map(_cut, last))
    first = [line for line in (found.frame, found.source, found.error) if line]
    more = min(LAST_LINES, max(0, count - len(first) - 1))
    return "\n".join(map(_cut, [*first, CUT, *lines[len(lines) - more :]]))


def find_failure(lines: List[str]) -> Optional[Failure]:
    """Return the error of the last traceback or crash; None if there is none, or it was cut off."""
    starts = [at for at, line in enumerate(lines) if line.strip().endswith(_START) or line.startswith(_FATAL)]
    ended = [at for at in starts if not (at and lines[at - 1].startswith(_GOES_ON))]
    start = max(_filter_threads(lines, ended), default=-1)
    if start < 0:
        return _find_syntax_error(lines) or _find_truncated(lines[: starts[0]] if starts else lines)
    if lines[start].startswith(_FATAL):
        return _parse_crash(lines[start:])
    frame, source, error = "", "", ""
    for at in range(start + 1, len(lines)):
        found = _FRAME.match(lines[at])
        if found:
            if not _INSTALLED.search(found.group("path")):
                frame, source = lines[at], _find_source_line(lines, at)
        elif _ERROR.match(lines[at]):
            error = lines[at]
            break
    return Failure(error, frame, source) if error else None


def _filter_threads(lines: List[str], starts: List[int]) -> List[int]:
    """Return where tracebacks start, leaving out those of threads if another one ended the script."""
    own = [at for at in starts if not (at and lines[at - 1].startswith(_OF_THREAD))]
    return own if any(at + 1 < len(lines) and _OF_MODULE.match(lines[at + 1]) for at in own) else starts


def _find_syntax_error(lines: List[str]) -> Optional[Failure]:
    """Return the error of a script that Python could not parse, with the line that it names."""
    end = max((at for at, line in enumerate(lines) if _NO_CODE.match(line)), default=-1)
    at = max((at for at, line in enumerate(lines[: max(end, 0)]) if _FRAME.match(line)), default=-1)
    return Failure(lines[end], lines[at], _find_source_line(lines, at)) if 0 <= at < end else None


def _find_truncated(lines: List[str]) -> Optional[Failure]:
    """Return the error of a traceback whose beginning is missing: the line below a frame or its source."""
    for end in range(len(lines) - 1, -1, -1):
        found = _CUT_OFF.match(lines[end])
        if found and (found.group("told") or _find_line_above(lines, end).startswith("  ")):
            frames = ((at, _FRAME.match(lines[at])) for at in range(end))
            own = [at for at, frame in frames if frame and not _INSTALLED.search(frame.group("path"))]
            return Failure(lines[end], lines[own[-1]] if own else "", _find_source_line(lines, own[-1]) if own else "")
    return None


def _find_line_above(lines: List[str], at: int) -> str:
    """Return the nearest line above that is not empty: some consoles write empty lines between a traceback's frames."""
    return next((line for line in reversed(lines[:at]) if line.strip()), "")


def _parse_crash(lines: List[str]) -> Failure:
    """Return faulthandler's first line and the first frame in the user's own code; it lists the innermost call first."""
    thread = next((at for at, line in enumerate(lines) if line.startswith(_CURRENT)), 0)
    frames = ((_FRAME.match(line), line) for line in lines[thread:])
    own = (line for found, line in frames if found and not _INSTALLED.search(found.group("path")))
    return Failure(lines[0], next(own, ""), "")


def _find_source_line(lines: List[str], at: int) -> str:
    follower = lines[at + 1] if at + 1 < len(lines) else ""
    return follower if follower.startswith("    ") and not _FRAME.match(follower) else ""


def _cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + " " + CUT
