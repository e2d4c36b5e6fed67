"""What a command prints: text for people, or one JSON envelope of a fixed shape for programs.

The envelope::

    {"slurmtf": 1, "command": "status", "ok": true, "data": ..., "warnings": [...], "error": null}
    {"slurmtf": 1, "command": "submit", "ok": false, "data": null, "warnings": [],
     "error": {"type": "SpecError", "exit_code": 2, "findings": [{"code": ..., "where": ..., ...}]}}

Text may come from a script, a file name or Slurm: control characters in it are escaped. Only ``slurmtf logs`` prints logs as
they are.
"""

from __future__ import annotations

import functools
import json
import math
import os
import re
import sys
import time
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import click

from slurmtf.cli.callbacks import Callback
from slurmtf.findings import Finding

if TYPE_CHECKING:
    from rich.status import Status

ENVELOPE = 1
MARKS = {"Completed": "green", "Failed": "red", "Canceled": "yellow", "Running": "cyan", "NotResponding": "red"}

LABEL_COLOURS = ("cyan", "magenta", "blue", "green", "yellow", "bright_cyan", "bright_magenta", "bright_blue", "bright_green")
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move a cursor, request a response, set colours, or change the direction of text; line ends and tabs are
allowed. Unpaired surrogates are bytes of a file name that are not UTF-8 (PEP 383)."""
OURS = os.urandom(4).hex()
COLOURED = re.compile(f"\x0e{OURS}([a-z_]+):([^\x0f]*)\x0f")
"""A word that we colour, until it is shown: see :func:`paint`. Nobody else knows how."""

NO_TIME = "?"
"""Shown for a number that is invalid, in a damaged file."""
LONGEST_CELL = 100
"""The most characters of a text in a table."""


class _Mode:
    """How the running command reports: as JSON or as text, and which flag sets each of its parameters."""

    json = False
    flags: ClassVar[dict[str, str]] = {}


def _set_mode(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001
    _Mode.json = _Mode.json or value
    _Mode.flags = {one.name: one.opts[0] for one in ctx.command.params if isinstance(one, click.Option) and one.name}


def json_option(command: Callback) -> Callback:
    """Add to a command the option ``--json``."""
    about = "Print one JSON object instead of text."
    return click.option("--json", is_flag=True, expose_value=False, is_eager=True, callback=_set_mode, help=about)(command)


def workspace_option(command: Callback) -> Callback:
    """Add to a command that looks at runs the option ``--workspace``."""
    about = "Workspace that holds the runs (default: your site's and this machine's)."
    return click.option("--workspace", "-w", type=click.Path(file_okay=False), default=None, help=about)(command)


def wants_json() -> bool:
    return _Mode.json


def get_own_flags() -> dict[str, str]:
    """Return the flags of the command that runs, by the parameters that they set."""
    return _Mode.flags


WARNINGS_OF_SUBMISSION = 6
"""The most warnings that a submission shows, so that important ones do not scroll away."""


def emit(data: object, text: str, warnings: Sequence[Finding] = ()) -> None:
    """Print a command's result."""
    if _Mode.json:
        print_envelope(True, data, warnings, None)
        return
    note_warnings(warnings)
    if text:
        click.echo(escape(text))


def escape(text: str) -> str:
    """Return text for a terminal: with our colours, and with all other control characters escaped."""
    parts = COLOURED.split(text)  # text, colour, word, text, colour, word, text
    words = [_paint(word, name) for name, word in zip(parts[1::3], parts[2::3], strict=True)]
    return "".join(_escape_controls(part) + word for part, word in zip(parts[::3], [*words, ""], strict=True))


@functools.lru_cache
def _paint(word: str, name: str) -> str:
    return click.style(_escape_controls(word), fg=name)


def strip_colours(text: str) -> str:
    """Return text without our colours."""
    return COLOURED.sub(r"\2", text) if "\x0e" in text else text


def _escape_controls(text: str) -> str:
    return CONTROLS.sub(lambda found: _escape(ord(found[0])), text)


def _escape(code: int) -> str:
    code = code - 0xDC00 if 0xDC80 <= code <= 0xDCFF else code
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def note_warnings(warnings: Sequence[Finding], at_most: int | None = None) -> None:
    """Print warnings on standard error, at most ``at_most``, and how many more there are."""
    for warning in warnings[:at_most]:
        note(f"warning: {warning}", fg="yellow")
    more = len(warnings[at_most:]) if at_most is not None else 0
    if more:
        note(f"and {more} more warning{'s' * (more > 1)}: 'slurmtf plan' with the same arguments shows all", fg="yellow")


def note(text: str, *, fg: str | None = None, bold: bool = False, dim: bool = False) -> None:
    """Print an intermediate message on standard error; nothing with --json."""
    if not _Mode.json:
        click.secho(escape(text), err=True, fg=fg, bold=bold or None, dim=dim or None)


def build_spinner() -> Status | None:
    """Return a spinner on standard error; None if it would not be visible."""
    if not sys.stderr.isatty() or wants_json():
        return None
    from rich.console import Console  # noqa: PLC0415 - 40 ms that only a terminal pays

    return Console(stderr=True).status("")


def spin(line: Status, text: str) -> None:
    """Show a text in a moving line."""
    from rich.text import Text  # noqa: PLC0415

    line.update(Text(escape(strip_colours(text))))
    line.start()


def print_envelope(ok: bool, data: object, warnings: Sequence[Finding], error: object) -> None:
    """Print the JSON object of a command that was called with ``--json``."""
    command = click.get_current_context(silent=True)
    path = command.command_path.split()[1:] if command else [word for word in sys.argv[1:] if not word.startswith("-")][:1]
    name = " ".join(path) or None
    envelope = {
        "slurmtf": ENVELOPE,
        "command": name,
        "ok": ok,
        "data": data,
        "warnings": [warning.to_dict() for warning in warnings],
        "error": error,
    }
    click.echo(json.dumps(envelope, indent=1 if sys.stdout.isatty() else None))


def format_label(task: str) -> str:
    """Return the label before each line of a task, in a terminal in a colour of its own."""
    if not sys.stdout.isatty():
        return f"{task} | "
    return click.style(f"{task} | ", fg=LABEL_COLOURS[zlib.crc32(task.encode()) % len(LABEL_COLOURS)])


def paint_status(status: str) -> str:
    return paint(status, MARKS[status]) if status in MARKS else status


def paint(text: str, name: str) -> str:
    """Return text in a colour, until it is shown: see :func:`escape`."""
    return f"\x0e{OURS}{name}:{text}\x0f"


def escape_line_breaks(text: str) -> str:
    """Return a text that can't look like several lines or columns of ours."""
    return text.replace("\n", "\\n").replace("\t", "\\t")


def cut(text: str) -> str:
    """Shorten a text for a cell of a table."""
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 3]}..."


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns; the first row is the heading. A cell is one line, whatever is in it."""
    columns = [_align(list(map(escape_line_breaks, column))) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(row).rstrip() for row in zip(*columns, strict=True))


def _align(cells: Sequence[str]) -> list[str]:
    """Pad cells to one width, not counting colours."""
    lengths = [len(strip_colours(cell)) for cell in cells]
    width = max(lengths)
    return [cell + " " * (width - length) for cell, length in zip(cells, lengths, strict=True)]


def format_time(seconds: float | None) -> str:
    """Format a time of day, with the date if it is not today."""
    if seconds is None:
        return ""
    try:
        moment = time.localtime(seconds)
    except (ValueError, OverflowError, OSError):
        return NO_TIME
    today = moment[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", moment)


def format_duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if not math.isfinite(seconds):
        return NO_TIME
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m" if hours else f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"


def format_size(count: int) -> str:
    """Format a number of bytes in decimal units, like 'df -H'."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
