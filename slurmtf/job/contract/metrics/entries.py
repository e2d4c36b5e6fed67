"""What a script logs: one JSON object per line, in one file for each task, to which only the script appends.

A line is one write in append mode, so only the last line can be incomplete to a reader. The lines of later attempts follow
those of earlier ones.
"""

import functools
import json
import math
from typing import Any, NamedTuple, Optional

VALUE, LIST, ROW, TABLE, IMAGE, TAG = "value", "list", "row", "table", "image", "tag"
NUMBERS = (int, float)
FARTHEST_STEP = (1 << 63) - 1
"""The largest step, as in TensorBoard's files (tensorflow/core/util/event.proto)."""
LATEST = 1e11
"""The bound of times in seconds, positive and negative: a calendar can represent all times within it."""
BEGINNING = b'{"name": '
"""How a line begins. No text within a line looks like it, because JSON escapes quotes."""


class Entry(NamedTuple):
    """One logged entry.

    ``value`` is, for the kind "value", a number or text; "list": a list of them; "row": an object of them; "table": an object
    of lists; "image": the file's path below the run folder; "tag": a text; documents: an object. ``time``: seconds since 1970.
    """

    name: str
    value: Any
    step: Optional[int] = None
    time: float = 0.0
    kind: str = VALUE


class Point(NamedTuple):
    """One number of a metric. ``step`` is None if none was logged; ``time`` is in seconds since 1970."""

    step: Optional[float]
    value: float
    time: float


def to_line(entry: Entry) -> bytes:
    """Return an entry as its line. Raises TypeError or ValueError for a value that JSON can't hold."""
    name, value, step, time, kind = entry
    number = repr(value) if type(value) is float and math.isfinite(value) else json.dumps(value)
    middle = "" if step is None else ', "step": %d' % step
    end = "" if kind == VALUE else ', "kind": ' + _quote(kind)
    return ('{"name": %s, "value": %s%s, "time": %.3f%s}\n' % (_quote(name), number, middle, time, end)).encode("ascii")


@functools.lru_cache(maxsize=1024)
def _quote(text: str) -> str:
    return json.dumps(text)


def from_line(line: bytes) -> Optional[Entry]:
    """Return the entry of a line; None if it is incomplete or not ours. An entry that follows an incomplete one is read."""
    return _parse(line) or _parse(line[max(0, line.rfind(BEGINNING)) :])


def is_number(value: object) -> bool:
    """Return whether a value is a number that a float can hold, even if rounded or infinite."""
    try:
        return isinstance(value, NUMBERS) and float(value) is not None
    except OverflowError:
        return False


def is_time(seconds: object) -> bool:
    """Return whether it is a time since 1970 that a calendar can represent."""
    return isinstance(seconds, NUMBERS) and -LATEST < seconds < LATEST


def is_step(step: object) -> bool:
    return isinstance(step, int) and -FARTHEST_STEP <= step <= FARTHEST_STEP


def _parse_int(digits: str) -> int:
    number = int(digits)
    if not is_number(number):
        raise ValueError("it has too many digits")
    return number


_DECODER = json.JSONDecoder(parse_int=_parse_int)


def _parse(line: bytes) -> Optional[Entry]:
    try:
        facts = _DECODER.decode(line.decode("ascii"))
        entry = Entry(facts["name"], facts["value"], facts.get("step"), facts["time"], facts.get("kind", VALUE))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return entry if _is_whole(entry) else None


_SHAPES = {LIST: list, ROW: dict, TABLE: dict, IMAGE: str, TAG: str}


def _is_whole(entry: Entry) -> bool:
    if not isinstance(entry.name, str) or not isinstance(entry.kind, str) or not is_time(entry.time):
        return False
    return isinstance(entry.value, _SHAPES.get(entry.kind, object)) and (entry.step is None or is_step(entry.step))
