"""What a command prints: text for people, or one JSON envelope of a fixed shape for programs.

The envelope::

    {"slurmtf": 1, "command": "status", "ok": true, "data": ..., "warnings": [...], "error": null}
    {"slurmtf": 1, "command": "submit", "ok": false, "data": null, "warnings": [],
     "error": {"type": "SpecError", "exit_code": 2, "findings": [{"code": ..., "where": ..., ...}]}}
"""

from __future__ import annotations

import json
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import click

from slurmtf.errors import SlurmtfError
from slurmtf.findings import Finding

ENVELOPE = 1
MARKS = {"Completed": "green", "Failed": "red", "Canceled": "yellow", "Running": "cyan", "NotResponding": "red"}

LABEL_COLOURS = ("cyan", "magenta", "blue", "green", "yellow", "bright_cyan", "bright_magenta", "bright_blue", "bright_green")


class _Mode:
    json = False


def _choose_json(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001
    _Mode.json = _Mode.json or value


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the option ``--json``."""
    about = "Print one JSON object instead of text."
    return click.option("--json", is_flag=True, expose_value=False, is_eager=True, callback=_choose_json, help=about)(command)


def workspace_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that looks at runs the option ``--workspace``."""
    about = "Where the runs are (default: of your site and this machine)."
    return click.option("--workspace", "-w", type=click.Path(file_okay=False), default=None, help=about)(command)


def wants_json() -> bool:
    return _Mode.json


WARNINGS_OF_SUBMISSION = 6
"""Warnings that a submission shows: what matters of them must not scroll away."""


def emit(data: Any, text: str, warnings: Sequence[Finding] = ()) -> None:
    """Print a command's result."""
    if _Mode.json:
        _print_envelope(True, data, warnings, None)
        return
    note_warnings(warnings)
    if text:
        click.echo(text)


def note_warnings(warnings: Sequence[Finding], at_most: int | None = None) -> None:
    """Tell warnings on standard error; ``at_most`` so many, and how many more there are."""
    for warning in warnings[:at_most]:
        note(f"warning: {warning}", fg="yellow")
    more = len(warnings[at_most:]) if at_most is not None else 0
    if more:
        note(f"and {more} more warning{'s' * (more > 1)}: 'slurmtf plan' with the same arguments shows all", fg="yellow")


def note(text: str, **style: Any) -> None:
    """Tell the user something on the way, on standard error; nothing where a program reads."""
    if not _Mode.json:
        click.secho(text, err=True, **style)


def spinner() -> Any:
    """Return a line on standard error that moves while somebody waits; None where nobody would see it."""
    if not sys.stderr.isatty() or wants_json():
        return None
    from rich.console import Console  # noqa: PLC0415 - 40 ms that only a terminal pays

    return Console(stderr=True).status("")


def fail(error: SlurmtfError) -> int:
    """Tell an error and return the exit code."""
    if _Mode.json:
        _print_envelope(False, None, (), _facts(type(error).__name__, error.exit_code, error.findings))
    else:
        for finding in sorted(error.findings, key=lambda one: one.is_error):
            colour = "red" if finding.is_error else "yellow"
            click.secho(f"{finding.severity}: ", fg=colour, bold=finding.is_error, err=True, nl=False)
            click.echo(str(finding), err=True)
    return error.exit_code


def fail_usage(error: click.ClickException) -> int:
    """Tell a wrong command line and return the exit code. It may be wrong before its ``--json`` has been read."""
    if _Mode.json or "--json" in sys.argv:
        _print_envelope(False, None, (), _facts("UsageError", error.exit_code, [Finding("usage", "", error.format_message())]))
    else:
        error.show()
    return error.exit_code


def _facts(kind: str, exit_code: int, findings: Sequence[Finding]) -> dict[str, Any]:
    return {"type": kind, "exit_code": exit_code, "findings": [finding.to_dict() for finding in findings]}


def _print_envelope(ok: bool, data: Any, warnings: Sequence[Finding], error: Any) -> None:
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
    click.echo(json.dumps(envelope, indent=1))


def coloured_label(task: str) -> str:
    """Return what stands before each line of a task, in a terminal in a colour of its own."""
    if not sys.stdout.isatty():
        return f"{task} | "
    return click.style(f"{task} | ", fg=LABEL_COLOURS[zlib.crc32(task.encode()) % len(LABEL_COLOURS)])


def colour(status: str) -> str:
    return click.style(status, fg=MARKS.get(status))


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as aligned columns; the first row is the heading."""
    widths = [max(len(click.unstyle(row[column])) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def clock(seconds: float | None) -> str:
    """Return a time of day, with the date when it is not today's."""
    if seconds is None:
        return ""
    moment = time.localtime(seconds)
    today = time.strftime("%Y%m%d", moment) == time.strftime("%Y%m%d")
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", moment)


def duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m" if hours else f"{minutes}m {rest:02d}s" if minutes else f"{rest}s"


def size(count: int) -> str:
    """Return a number of bytes in decimal units, as 'df -H' does."""
    amount, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
