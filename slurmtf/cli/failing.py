"""Report errors: findings on standard error or in the JSON envelope, and the exit code."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace

import click

from slurmtf.cli.output import escape, get_own_flags, print_envelope, wants_json
from slurmtf.errors import InputError, SlurmtfError
from slurmtf.findings import Finding

OUTPUT_LOST = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EBADF)


def report(error: Exception) -> int:
    """Report an error of slurmtf, the command line or the system, and return the exit code. Raises others again."""
    if isinstance(error, SlurmtfError):
        return fail(error)
    if isinstance(error, click.ClickException):
        return fail_usage(error)
    if isinstance(error, OSError):
        return fail_system(error)
    raise error


def fail(error: SlurmtfError) -> int:
    """Report an error and return the exit code."""
    if wants_json():
        print_envelope(
            False, None, (), _build_error_data(type(error).__name__, error.exit_code, spell_as_flags(error.findings))
        )
    else:
        for finding in sorted(spell_as_flags(error.findings), key=lambda one: one.is_error):
            colour = "red" if finding.is_error else "yellow"
            click.secho(f"{finding.severity}: ", fg=colour, bold=finding.is_error, err=True, nl=False)
            click.echo(escape(str(finding)), err=True)
    return error.exit_code


def spell_as_flags(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with their settings, and what they are about, spelled as flags, unless they are in the user's spelling
    already."""
    from slurmtf.cli.flags import FLAGS  # noqa: PLC0415 - what describes a training job, for an error alone

    own = get_own_flags()
    return [replace(one.spell(FLAGS), source=one.source or own.get(one.where, "")) for one in findings]


def fail_system(error: OSError) -> int:
    """Report an error of the operating system, and return the exit code. Raises it again if it names no file and is no lost
    output."""
    what = error.strerror or str(error)
    if error.filename is not None:
        kind = InputError if error.errno == errno.ENAMETOOLONG else SlurmtfError
        return fail(kind(Finding("system", os.fsdecode(error.filename), what)))
    if error.errno not in OUTPUT_LOST:
        raise error
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in buffers would fail again when Python ends
    with contextlib.suppress(OSError):
        click.echo(f"error: the output can't be written: {what}", err=True)
    return SlurmtfError.exit_code


def fail_usage(error: click.ClickException) -> int:
    """Report a wrong command line and return the exit code. The error may come before its ``--json`` has been parsed."""
    remedy = _suggest_remedy(error)
    if wants_json() or "--json" in sys.argv:
        finding = Finding("usage", "", error.format_message(), remedy)
        print_envelope(False, None, (), _build_error_data("UsageError", error.exit_code, [finding]))
    else:
        text = io.StringIO()
        error.show(text)
        click.echo(escape(text.getvalue()) + (f"    -> {remedy}\n" if remedy else ""), err=True, nl=False)
    return error.exit_code


def _suggest_remedy(error: click.ClickException) -> str:
    """Return what to do about an option that the command does not have but the user's script may."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return ""
    takes_script = any(one.name == "arguments" for one in error.ctx.command.params)
    return "options of the script's own stand after '--'" if takes_script else ""


def _build_error_data(kind: str, exit_code: int, findings: Sequence[Finding]) -> dict[str, object]:
    return {"type": kind, "exit_code": exit_code, "findings": [finding.to_dict() for finding in findings]}
