"""The options that select runs, for 'ls', 'watch' and 'report'."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from slurmtf.cli.callbacks import Callback, add_options
from slurmtf.cli.output import workspace_option
from slurmtf.findings import Finding, build_warning
from slurmtf.runs.states.state import RunStatus
from slurmtf.runs.workspaces.listing import AGE_S, ListedRun, RunFilter, list_all, list_states, parse_since
from slurmtf.runs.workspaces.tags import parse
from slurmtf.runs.workspaces.workspace import list_runs, list_workspaces

STATUSES = {status.value.lower(): status for status in RunStatus}


@dataclass(frozen=True)
class SelectedRuns:
    """Runs, newest first; how many older ones were left out; what could not be read."""

    runs: list[ListedRun]
    more: int
    warnings: Sequence[Finding]


@dataclass(frozen=True)
class Selection:
    """The selected runs: of these workspaces, of one experiment (None: any), matching a filter."""

    workspaces: list[Path]
    experiment: str | None
    wanted: RunFilter

    @property
    def none(self) -> str:
        """The message if there are none."""
        such = "" if self.experiment is None and self.wanted.all else "such "
        return f"no {such}runs in {', '.join(map(str, self.workspaces))}; pass --workspace to look elsewhere"

    def find(self, number: int, max_age_s: float = AGE_S) -> SelectedRuns:
        """Return the newest of them; 0: all."""
        if number and self.wanted.all:
            return self._find_newest(number, max_age_s)
        runs, unreadable = list_all(self.workspaces, self.experiment, self.wanted, max_age_s)
        shown = runs[: number or None]
        return SelectedRuns(shown, len(runs) - len(shown), _warn_about_unreadable(unreadable))

    def _find_newest(self, number: int, max_age_s: float) -> SelectedRuns:
        """Return the newest of all runs, without looking at the others' states."""
        listing = list_runs(self.workspaces, self.experiment)
        runs = list_states(listing.paths[:number], self.wanted, max_age_s)
        return SelectedRuns(runs, len(listing.paths[number:]), _warn_about_unreadable(listing.unreadable))


def _warn_about_unreadable(unreadable: Sequence[Path]) -> list[Finding]:
    return [build_warning("unreadable", "can't be read", str(folder)) for folder in unreadable]


def selection_options(command: Callback) -> Callback:
    """Add these options to a command; it gets a :class:`Selection`."""

    @functools.wraps(command)  # with its own options
    def call_with_selection(
        experiment: str | None,
        statuses: tuple[str, ...],
        since: str | None,
        tags: tuple[str, ...],
        workspace: str | None,
        **options: object,
    ) -> None:
        start = parse_since(since, time.time()) if since else 0.0
        wanted = RunFilter(frozenset(STATUSES[name.lower()] for name in statuses), start, parse(tags))
        command(selection=Selection(list_workspaces(workspace), experiment, wanted), **options)

    return add_options(workspace_option(call_with_selection), OPTIONS)


OPTIONS = (
    click.option("--experiment", "-x", default=None, help="Only runs of this experiment."),
    click.option(
        "--status",
        "statuses",
        type=click.Choice([status.value for status in RunStatus], case_sensitive=False),
        metavar="STATUS",
        multiple=True,
        help="Only runs in this state: failed, running ... Can be repeated.",
    ),
    click.option("--since", default=None, help="Only runs submitted since then: 30m, 12h, 7d, 2w, or a date."),
    click.option("--tag", "tags", multiple=True, help="Only runs with this tag, NAME[=VALUE]."),
)
