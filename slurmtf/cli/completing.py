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


def complete_runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete the newest runs."""
    from slurmtf.errors import SlurmtfError  # noqa: PLC0415 - here and below: commands name what is offered, and offer nothing
    from slurmtf.runs.workspaces.workspace import list_run_folders, list_workspaces  # noqa: PLC0415

    try:
        found = list_run_folders(list_workspaces(ctx.params.get("workspace")))
    except (SlurmtfError, OSError):
        return []
    return _select_matching(["last", *(folder.name for folder in found[:SHOWN_RUNS])], incomplete)


def complete_sites(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Complete the known profiles, or files if a path has been started."""
    from click.shell_completion import CompletionItem  # noqa: PLC0415

    from slurmtf.sites import list_profiles  # noqa: PLC0415

    if os.sep in incomplete or incomplete.startswith("."):
        return [CompletionItem(incomplete, type="file")]
    return _select_matching(list_profiles(), incomplete)


def complete_words(*known: str) -> Completer:
    """Complete these words."""

    def offer(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        return _select_matching(known, incomplete)

    return offer


def _select_matching(known: Iterable[str], incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem  # noqa: PLC0415

    return [CompletionItem(word) for word in known if word.startswith(incomplete)]
