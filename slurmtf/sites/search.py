"""Find profiles and templates, and read profiles.

The search path, first match wins: an explicit path; the folders of ``$SLURMTF_SITE_PATH`` (``$SLURMTF_TEMPLATE_PATH`` for
templates); ``.slurmtf/site_configs`` of the working directory; ``~/.config/slurmtf/site_configs``;
``/etc/slurmtf/site_configs``; and the profiles that come with slurmtf. A file in one of the three folders that no setting names
is read only if nobody else could have written it: see :mod:`slurmtf.trusted`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slurmtf.documents import Document, read_document
from slurmtf.errors import SiteError, suggest
from slurmtf.estimator.flags import check_flags
from slurmtf.estimator.quantities import (
    check_count,
    check_given,
    check_memory,
    check_printable,
    check_time,
    check_word,
    normalize_flag,
)
from slurmtf.files import get_config_folder
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.job.contract.interchange import JsonView
from slurmtf.paths import get_working_directory
from slurmtf.schema import Strict
from slurmtf.sites.cache import parse
from slurmtf.sites.model import Site
from slurmtf.trusted import OWN, check_unnamed

THIS_MACHINE = "local"
"""The site that needs no profile: the submitting machine."""


@dataclass(frozen=True)
class UserConfig(Strict):
    """``~/.config/slurmtf/config.yaml``."""

    default_site: str | None = None


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def find_data(folder: str) -> Path:
    """Return a data folder of slurmtf: inside the wheel, or next to the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / folder
    return inside if inside.is_dir() else package.parent / folder


def list_search_path(folder: str, variable: str) -> list[Path]:
    """Return the folders in which ``folder``'s files are looked for, most specific first."""
    from_environment = [Path(part) for part in os.environ.get(variable, "").split(os.pathsep) if part]
    return [*from_environment, *list_unnamed_folders(folder), find_data(folder)]


def list_unnamed_folders(folder: str) -> list[Path]:
    """Return the folders of the search path that no setting names."""
    return [Path(get_working_directory(), OWN, folder), get_config_folder() / folder, Path("/etc/slurmtf") / folder]


def list_site_path() -> list[Path]:
    return list_search_path("site_configs", var.SLURMTF_SITE_PATH)


def list_profiles() -> dict[str, Path]:
    """Return the known profiles by name, with their files."""
    found: dict[str, Path] = {}
    for folder in list_site_path():
        with contextlib.suppress(PermissionError):  # a home folder that this user can't read has no profiles for them
            for path in sorted(folder.glob("*.yaml")):
                found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def check_trusted(path: Path) -> Path:
    """Return the path of a profile. Raises SiteError if no setting names it and somebody else could have written it."""
    return check_unnamed(path, SiteError, f"--site {path}") if path.parent in list_unnamed_folders("site_configs") else path


def load(name: str | Path, where: str = "site") -> Site:
    """Return the site with this name or path (anything with a slash, or ending in ``.yaml``).

    ``where`` is the setting that names it. Raises SiteError with file, line and key of everything that is wrong.
    """
    return _read(_find(str(name), where, Path()))


def resolve_target(target: object, where: str = "compute_target") -> Site:
    """Return the site that ``target`` names; None is the user's default site, else ``local``.

    ``where`` is the setting that names it, for the SiteError that this raises.
    """
    if isinstance(target, Site):
        return target
    return load(str(target) if target else get_default_site(), where)


def get_default_site() -> str:
    """Return ``$SLURMTF_SITE``, else ``default_site`` of ``~/.config/slurmtf/config.yaml``, else ``local``."""
    config = get_config_folder() / "config.yaml"
    name = os.environ.get(var.SLURMTF_SITE)
    if not name and config.is_file():
        document = read_document(check_unnamed(config, SiteError, "--site NAME, $SLURMTF_SITE"), SiteError)
        name = parse(document, UserConfig, document.data).default_site
    return name or THIS_MACHINE


def _find(name: str, where: str, base: Path) -> Path:
    if os.sep in name or name.endswith((".yaml", ".yml")):
        return base / Path(name).expanduser()
    known = list_profiles()
    if name not in known:
        hint = suggest(name, known) or f"known sites: {', '.join(known)}"
        raise SiteError(Finding("unknown-site", where, f"there is no site {name!r}", hint))
    return check_trusted(known[name])


def _read(path: Path) -> Site:
    document, data = _gather(path, chain=())
    site = parse(document, Site, {"name": path.stem, **data, "source": str(path.resolve())})
    findings = [replace(finding, source=document.locate(_parse_key_path(finding.where))) for finding in _check_site(site)]
    if findings:
        raise SiteError(*findings)
    return site


def _parse_key_path(where: str) -> tuple[str, ...]:
    """Return ``partitions.gpu.max_time`` and ``directives['x']`` as keys."""
    return tuple(part for part in re.split(r"[.\[\]']+", where) if part)


def _gather(path: Path, chain: tuple[Path, ...]) -> tuple[Document, dict[str, object]]:
    """Return a profile's document, and its data on top of what it extends."""
    document = read_document(path, SiteError)
    own = dict(document.data)
    parent = own.pop("extends", None)
    parse(document, Site, own)  # by itself first, so that findings have this file's lines
    own = document.restore_texts(Site, own)
    if parent is None:
        return document, own
    chain = (*chain, path.resolve())
    origin = _find(str(parent), document.locate(("extends",)), path.parent)
    if origin.resolve() in chain:
        shipped = find_data("site_configs") / f"{parent}.yaml"  # a user's profile may extend the packaged one of the same name
        origin = shipped if shipped.is_file() else origin
    if origin.resolve() in chain:
        raise SiteError(
            Finding("extends-itself", document.locate(("extends",)), "the profile extends itself", "name another profile")
        )
    _, base = _gather(origin, chain)
    inherited = {key: value for key, value in base.items() if key not in ("name", "verified")}
    return document, _merge(inherited, own)


def _merge(base: JsonView, over: JsonView) -> dict[str, object]:
    """Return ``base`` with the keys of ``over``; mappings are merged key by key, everything else is replaced."""
    both = {key: _merge(base[key], over[key]) for key in base.keys() & over.keys()
            if isinstance(base[key], Mapping) and isinstance(over[key], Mapping)}  # fmt: skip
    return {**base, **over, **both}


def _check_site(site: Site) -> Iterator[Finding]:
    yield from _check_quantities(site)
    yield from check_flags("directives", site.directives, {})
    yield from check_flags("gpu.sbatch", site.gpu.sbatch, {})
    yield from check_flags("gpu.srun", site.gpu.srun, {})
    yield from _check_shell(site)
    yield from _check_words(site)
    clash = {normalize_flag(f) for f in site.required} & {normalize_flag(f) for f in site.forbidden}
    if clash:
        yield Finding(
            "flag-forbidden-too", "forbidden", f"{', '.join(sorted(clash))} can't be required too", "keep one of them"
        )
    unwritten = {normalize_flag(f) for f in site.directives} & {normalize_flag(f) for f in site.forbidden}
    if unwritten:
        yield Finding(
            "flag-forbidden-too", "directives", f"{', '.join(sorted(unwritten))} is forbidden too", "keep one of them"
        )
    if site.launcher.default in site.launcher.forbidden:
        yield Finding("forbidden-launcher", "launcher.forbidden", f"holds the default {site.launcher.default!r}", "take it out")


def _check_quantities(site: Site) -> Iterable[Finding]:
    yield from check_count("gpu.per_node", site.gpu.per_node, 1)
    yield from check_time("min_time", site.min_time)
    yield from check_time("defaults.time", site.defaults.time)
    yield from check_memory("defaults.memory", site.defaults.memory)
    yield from check_memory("defaults.memory_per_gpu", site.defaults.memory_per_gpu)
    for name, partition in site.partitions.items():
        yield from check_time(f"partitions.{name}.max_time", partition.max_time)
        yield from check_time(f"partitions.{name}.default_time", partition.default_time)
    for name, preset in site.presets.items():
        yield from check_time(f"presets.{name}.time", preset.time)
        yield from check_memory(f"presets.{name}.memory", preset.memory)


def _check_words(site: Site) -> Iterable[Finding]:
    """Check values that become separate arguments of a command."""
    modules, containers = site.modules, site.containers
    words: dict[str, Sequence[str | None]] = {
        "modules.init": [modules.init],
        "modules.use": modules.use,
        "modules.load": modules.load,
        **{f"modules.tensorflow.{version}": names for version, names in modules.tensorflow.items()},
        "containers.modules": containers.modules,
        "environment.python": [site.environment.python],
        "environments.conda": [site.environments.conda],
    }
    for where, word in ((where, word) for where, listed in words.items() for word in listed):
        yield from check_given(where, word)
        yield from check_word(where, word)


def _check_shell(site: Site) -> Iterable[Finding]:
    if not re.match(r"^#! ?/\S*(env )?bash\b", site.environment.shebang):
        what = f"{site.environment.shebang!r} does not start bash"
        yield Finding("bad-shebang", "environment.shebang", what, "the batch script is bash: '#!/bin/bash' or '#!/bin/bash -l'")
    for name in site.environment.variables:
        if not NAME.fullmatch(name):
            yield Finding(
                "bad-variable-name", f"environment.variables.{name}", "is not a name for a variable", "use letters, digits, '_'"
            )
    for name in site.environment.unset:
        if not NAME.fullmatch(name):
            yield Finding(
                "bad-variable-name", "environment.unset", f"{name!r} is not a name for a variable", "use letters, digits, '_'"
            )
    yield from check_printable("environment.export", site.environment.export)
    for line in site.environment.prologue:
        if re.search(r"[^\n\t -~\x80-\U0010ffff]", line):
            remedy = "write them as shell escapes: $'\\033'"
            yield Finding("control-characters", "environment.prologue", f"{line!r} holds control characters", remedy)
    if site.account_pattern is not None:
        try:
            re.compile(site.account_pattern)
        except re.error as err:
            yield Finding("bad-pattern", "account_pattern", f"is not a regular expression: {err}", "see Python's re module")
