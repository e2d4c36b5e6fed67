"""Check and convert values: switches, choices, counts, lists; times, memory sizes and flags in Slurm's formats."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence

from slurmtf.errors import suggest
from slurmtf.findings import Finding

TIME_FORMATS = "minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes[:seconds], UNLIMITED"
UNLIMITED_S = 0
"""The number of seconds that means no time limit (sbatch(1), --time: a limit of zero requests that none be imposed)."""
_WITHOUT_LIMIT = ("unlimited", "infinite")
_TIME = re.compile(r"(?P<days>\d+)-(?P<dh>\d+)(?::(?P<dm>\d+)(?::(?P<ds>\d+))?)?|(?P<clock>\d+(?::\d+){0,2})", re.ASCII)
_MEMORY = re.compile(r"(\d+)(?:([KMGT])B?)?", re.IGNORECASE | re.ASCII)
_MEBIBYTES = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024 * 1024}
LONG_NAMES = {
    "A": "account", "a": "array", "b": "begin", "C": "constraint", "c": "cpus-per-task", "D": "chdir", "d": "dependency",
    "e": "error", "F": "nodefile", "G": "gpus", "H": "hold", "I": "immediate", "i": "input", "J": "job-name",
    "K": "kill-on-bad-exit", "k": "no-kill", "L": "licenses", "l": "label", "M": "clusters",
    "m": "distribution", "N": "nodes", "n": "ntasks",
    "O": "overcommit", "o": "output", "p": "partition", "Q": "quiet", "q": "qos", "r": "relative", "S": "core-spec",
    "s": "oversubscribe", "T": "threads", "t": "time", "u": "unbuffered", "W": "wait", "w": "nodelist", "X": "disable-status",
    "x": "exclude", "Z": "no-allocate",
}  # fmt: skip
"""The flags of sbatch and srun that have a letter, which means the same in both (sbatch(1), srun(1))."""
LONGEST_S = 366 * 86400


def parse_time(time: str | int) -> int:
    """Return a Slurm time limit in seconds (sbatch(1), ``--time``; a number alone is minutes); 0 if there is no limit.

    Raises ValueError if it is not in one of Slurm's formats, or longer than a year.
    """
    if str(time).strip().lower() in _WITHOUT_LIMIT:
        return UNLIMITED_S
    match = _TIME.fullmatch(str(time).strip())
    if match is None:
        raise ValueError(f"{time!r} is not a time")
    if match["clock"]:
        parts = [int(part) for part in match["clock"].split(":")]
        units = {1: (60,), 2: (60, 1), 3: (3600, 60, 1)}[len(parts)]
        total = sum(part * unit for part, unit in zip(parts, units, strict=True))
    else:
        days, hours, minutes, rest = (int(match[name] or 0) for name in ("days", "dh", "dm", "ds"))
        total = ((days * 24 + hours) * 60 + minutes) * 60 + rest
    if total > LONGEST_S:
        raise ValueError(f"{time!r} is not within a year")
    return total


def format_slurm_time(total: int) -> str:
    """Return seconds as Slurm's ``[days-]hours:minutes:seconds``; UNLIMITED for 0."""
    if total == UNLIMITED_S:
        return "UNLIMITED"
    days, rest = divmod(total, 86400)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    return f"{days}-{clock}" if days else clock


def as_slurm_time(time: str | int | datetime.timedelta) -> str | int:
    """Return a timedelta in Slurm's format; below a second, as text that is refused later, because 0 would mean no limit."""
    if not isinstance(time, datetime.timedelta):
        return time
    return format_slurm_time(round(time.total_seconds())) if time.total_seconds() >= 1 else repr(time)


def format_memory(count: float) -> str:
    """Return a number of bytes in Slurm's format for memory, in binary units (sbatch(1), ``--mem``)."""
    gibibytes = count / (1 << 30)
    return f"{gibibytes:.0f}G" if gibibytes >= 10 else f"{gibibytes:.1f}G" if gibibytes >= 1 else f"{gibibytes * 1024:.0f}M"


def parse_memory(memory: str | int) -> float:
    """Return a Slurm memory size in MiB (sbatch(1), ``--mem``; a number alone is MiB; 0 is all of the node's memory).

    Raises ValueError if it is not a memory size.
    """
    match = _MEMORY.fullmatch(str(memory))
    if match is None:
        raise ValueError(f"{memory!r} is not a memory size")
    return int(match[1]) * _MEBIBYTES[(match[2] or "M").upper()]


def check_switch(name: str, value: object, hint: str) -> Iterable[Finding]:
    """Check an optional switch. ``hint`` says what else the user may have meant."""
    if not isinstance(value, bool | None):
        yield Finding("not-a-switch", name, f"{value!r} is neither true nor false", f"use one of them; {hint}")


def check_choice(name: str, value: object, choices: Sequence[str]) -> Iterable[Finding]:
    if value is not None and value not in choices:
        remedy = suggest(str(value), choices) or f"use {', '.join(choices)}"
        yield Finding("bad-choice", name, f"{value!r} is unknown", remedy)


def check_strings(name: str, value: object, parameter: str) -> Iterable[Finding]:
    """Check a list of strings. ``parameter`` is the last part of its name, for the remedy."""
    if value is not None and not (isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value)):
        yield Finding("bad-list", name, f"{value!r} is not a list of strings", f"set `{parameter}[]=...`")


def check_time(name: str, time: object) -> Iterable[Finding]:
    try:
        if time is not None:
            parse_time(time)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        yield Finding(
            "bad-time",
            name,
            f"{time!r} is not a time limit that Slurm knows",
            f"write it as 1:30:00 (an hour and a half), or another of {TIME_FORMATS}",
        )


def check_memory(name: str, memory: object) -> Iterable[Finding]:
    try:
        if memory is not None:
            parse_memory(memory)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        yield Finding(
            "bad-memory",
            name,
            f"{memory!r} is not a memory size that Slurm knows",
            "write it as 16G or 16000M; a number alone is MiB",
        )


def check_count(name: str, count: object, least: int, most: int = 1_000_000) -> Iterable[Finding]:
    if count is None:
        return
    if isinstance(count, bool) or not isinstance(count, int):
        yield Finding("not-a-count", name, f"{count!r} is not a whole number", f"use {least} or more")
    elif not least <= count <= most:
        remedy = f"use {least} or more" if count < least else f"use {most} or less"
        yield Finding("out-of-range", name, f"{count} is not between {least} and {most}", remedy)


def check_given(name: str, value: object) -> Iterable[Finding]:
    """Check that an optional string is not empty, because then it would count as left out."""
    if isinstance(value, str) and not value.strip():
        yield Finding("empty-value", name, "is empty", "set it, or leave it out; a shell variable that is not set is empty")


def check_word(name: str, value: object) -> Iterable[Finding]:
    """Check that a program won't take an argument (``exec WORD``) for an option."""
    if isinstance(value, str) and value.startswith("-"):
        remedy = f"correct the name; a file or folder in this folder can be written as ./{value}"
        yield Finding("like-an-option", name, f"{value!r} begins with a dash, as an option does", remedy)


def check_printable(name: str, text: object, *, longest: int = 1024) -> Iterable[Finding]:
    """Check a value that must fit on one line of the batch script's header."""
    if text is None:
        return
    if not isinstance(text, str) or not text.strip():
        yield Finding("not-a-text", name, f"{text!r} is not a string", "use a string, or leave it out")
    elif not text.isprintable():
        yield Finding(
            "control-characters", name, f"{text!r} holds control characters", "an #SBATCH line can't carry them: leave them out"
        )
    elif len(text) > longest:
        yield Finding("too-long", name, f"has {len(text)} characters; Slurm takes at most {longest}", "shorten it")


def get_flag_name(name: str) -> str:
    """Return a flag's long name without its dashes, also for ``-M``. Underscores stay: flags of site plugins have them."""
    letter = re.fullmatch(r"-([A-Za-z])", name)
    return LONG_NAMES.get(letter[1], letter[1]) if letter else name.lstrip("-")


def normalize_flag(name: str) -> str:
    """Return a flag's name for comparison: ``--gpu_bind`` and ``gpu-bind`` are the same."""
    return get_flag_name(name).replace("_", "-")
