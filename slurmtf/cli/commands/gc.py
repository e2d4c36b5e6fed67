"""``slurmtf gc``"""

from __future__ import annotations

import click

from slurmtf.cli.output import emit, format_size, format_table, json_option, workspace_option
from slurmtf.findings import build_warning
from slurmtf.runs.workspaces.garbage import Garbage, discard, find_garbage
from slurmtf.runs.workspaces.workspace import list_workspaces


@click.command("gc")
@click.option("--dry-run", is_flag=True, help="Show what would be removed.")
@workspace_option
@json_option
def command(dry_run: bool, workspace: str | None) -> None:
    """Remove files that no run needs. Runs are kept; to remove a run, delete its folder.

    Removes snapshots older than an hour that no run uses, indexes of sources that are gone, leftovers of killed submissions,
    downloads of environments that are built, and packs of environments that are gone or have changed, unless an unfinished run
    needs them. Safe to call at any time, even while runs are being submitted.
    """
    workspaces = list_workspaces(workspace)
    found = [one for folder in workspaces for one in find_garbage(folder)]
    failed = {} if dry_run else {one: why for one in found if (why := discard(one))}
    gone = [one for one in found if one not in failed]
    items = [{"kind": one.kind, "path": str(one.path), "bytes": one.bytes} for one in gone]
    data = {"dry_run": dry_run, "bytes": sum(one.bytes for one in gone), "items": items}
    emit(
        data,
        _format_garbage(gone, dry_run) if found else f"nothing to remove in {', '.join(map(str, workspaces))}",
        [build_warning("not-removed", why, str(one.path)) for one, why in failed.items()],
    )


def _format_garbage(gone: list[Garbage], dry_run: bool) -> str:
    rows = [(one.kind, format_size(one.bytes), str(one.path)) for one in gone]
    total = format_size(sum(one.bytes for one in gone))
    return f"{format_table([('WHAT', 'SIZE', 'PATH'), *rows])}\n{total} {'would be' if dry_run else 'were'} freed"
