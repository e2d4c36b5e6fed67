"""Completions for the shell. They do not query Slurm and fail silently: Tab must not print errors."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHOWN_RUNS = 50
Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete the newest runs."""
    from slurmtf.errors import SlurmtfError  # noqa: PLC0415 - here and below: commands name what is offered, and offer nothing
    from slurmtf.runs.workspaces.workspace import known_workspaces, run_folders  # noqa: PLC0415

    try:
        found = run_folders(known_workspaces(ctx.params.get("workspace")))
    except (SlurmtfError, OSError):
        return []
    return _of(["last", *(folder.name for folder in found[:SHOWN_RUNS])], incomplete)


def sites(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete the known profiles, or files if a path has been started."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415

    from slurmtf.sites import available  # noqa: PLC0415

    if os.sep in incomplete or incomplete.startswith("."):
        return [CompletionItem(incomplete, type="file")]
    return _of(available(), incomplete)


def words(*known: str) -> Completer:
    """Complete these words."""

    def offer(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        return _of(known, incomplete)

    return offer


def _of(known: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem  # noqa: PLC0415

    return [CompletionItem(word) for word in known if word.startswith(incomplete)]
