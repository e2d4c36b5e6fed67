"""``slurmtf sites``"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from slurmtf.cli.completing import complete_sites
from slurmtf.cli.output import emit, format_table, json_option, note
from slurmtf.documents import dump_yaml
from slurmtf.errors import SiteError
from slurmtf.findings import Finding
from slurmtf.sites import list_profiles, load
from slurmtf.sites.search import check_trusted, get_default_site


@click.group("sites", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List, show and validate site profiles."""


@command.command("list")
@json_option
def list_() -> None:
    """List the available profiles."""
    rows, data = [("NAME", "STATUS", "DESCRIPTION", "FILE")], []
    chosen = get_default_site()
    for name, path in list_profiles().items():
        try:
            site = load(check_trusted(path))
            status = "verified" if site.verified else f"documented {site.documented_on or ''}".strip()
            status, about = ("retired" if site.status == "retired" else status), site.description
        except SiteError as err:
            status, about = "wrong", err.findings[0].what
        rows.append((name + ("*" if name == chosen else ""), status, about, str(path)))
        data.append({"name": name, "status": status, "description": about, "file": str(path), "default": name == chosen})
    emit(data, format_table(rows) + "\n* your default site ($SLURMTF_SITE, or default_site in ~/.config/slurmtf/config.yaml)")


@command.command("show")
@click.argument("name", shell_complete=complete_sites)
@json_option
def show(name: str) -> None:
    """Show the resolved profile NAME (or a file)."""
    site = load(name)
    data = _drop_unknown(asdict(site))
    emit(data, dump_yaml(data).rstrip())
    if site.storage.purge_days:
        days = site.storage.purge_days
        note(f"the site deletes workspace files that are unused for {days} days: copy what you want to keep elsewhere")


def _drop_unknown(data: dict[str, object]) -> dict[str, object]:
    """Leave out unknown values."""
    kept = {key: _drop_unknown(value) if isinstance(value, dict) else value for key, value in data.items()}
    return {key: value for key, value in kept.items() if value not in (None, {}, [], "")}


@command.command("validate")
@click.argument("names", nargs=-1, required=True, shell_complete=complete_sites)
@json_option
def validate(names: tuple[str, ...]) -> None:
    """Validate profiles, by name or file. Exits with 2 if one is invalid."""
    findings: list[Finding] = []
    for name in names:
        try:
            load(name)
        except SiteError as err:
            findings += err.findings
    if findings:
        raise SiteError(*findings)
    emit([str(Path(name)) for name in names], "\n".join(f"{name}: valid" for name in names))
    sys.exit(0)
