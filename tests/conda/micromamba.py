"""A micromamba on conda's own solver and linker as a Python library (py-rattler): the commands that slurmtf gives, for real."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from rattler import Channel, Gateway, MatchSpec, RepoDataRecord, Subdir, VirtualPackage, install, solve
from rattler.exceptions import SolverError

PLATFORMS = [Subdir.current(), Subdir("noarch")]


def main() -> int:
    """Build an environment. What can't be solved is told as micromamba does, in the words of this solver."""
    options = _options(sys.argv[1:])
    wish: dict[str, Any] = {"channels": options.channel, "dependencies": options.packages}
    try:
        if options.file and options.file.endswith((".yml", ".yaml")):
            wish = yaml.safe_load(Path(options.file).read_text())
        if options.file and not wish["dependencies"]:
            records = asyncio.run(_of_urls(Path(options.file).read_text().splitlines()))
        else:
            records = asyncio.run(_solved(wish))
    except SolverError as err:
        reason = "\n".join("    " + line for line in str(err).partition(": ")[2].splitlines())
        headline = "Could not solve for environment specs"
        sys.stderr.write(f"error    libmamba {headline}\n{reason}\ncritical libmamba {headline}\n")
        return 1
    asyncio.run(install(records, options.prefix, cache_dir=Path(os.environ["CONDA_PKGS_DIRS"]), show_progress=False))
    pips = [entry["pip"] for entry in wish["dependencies"] if isinstance(entry, dict)]
    return _pip(options.prefix, pips[0]) if pips else 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="micromamba", allow_abbrev=False)
    parser.add_argument("command", choices=["create"])
    parser.add_argument("--yes", action="store_true", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--channel", action="append", default=[])
    parser.add_argument("--file")
    parser.add_argument("packages", nargs="*")
    return parser.parse_intermixed_args(argv)


async def _solved(wish: dict[str, Any]) -> list[RepoDataRecord]:
    specs = [MatchSpec(entry) for entry in wish["dependencies"] if isinstance(entry, str)]
    return await solve(wish["channels"], specs, platforms=PLATFORMS, virtual_packages=VirtualPackage.detect())


async def _of_urls(lines: list[str]) -> list[RepoDataRecord]:
    """Return the packages of an explicit list: URL#md5."""
    wanted = dict(line.split("#") for line in lines if "://" in line)
    channels = sorted({url.rsplit("/", 2)[0] for url in wanted})
    specs = sorted({url.rpartition("/")[2].rsplit("-", 2)[0] for url in wanted})
    known = await Gateway().query([Channel(url) for url in channels], PLATFORMS, specs, recursive=False)
    found = [record for records in known for record in records if record.url in wanted]
    assert {record.url: (record.md5 or b"").hex() for record in found} == wanted
    return found


def _pip(prefix: str, lines: list[str]) -> int:
    """Install the pip section of a file, as micromamba does: by the environment's own pip."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        return subprocess.run([f"{prefix}/bin/python", "-m", "pip", "install", "-r", file.name], check=False).returncode


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # py-rattler's threads may meet an interpreter that is being taken down: one of five exits was a crash
