"""Describe the modules that a script imports and its environment lacks, and what to do about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto

from slurmtf.environments.check import describe_location, format_install_commands
from slurmtf.environments.distributions import ELSEWHERE, find_package
from slurmtf.environments.software import Software
from slurmtf.findings import Finding
from slurmtf.snapshot.script import Import


class _Reason(Enum):
    """Why a module is missing, which decides how to provide it."""

    PLACED = auto()
    BESIDE = auto()
    PACKAGE = auto()
    ELSEWHERE = auto()
    UNKNOWN = auto()


def check_missing_imports(
    missing: Iterable[Import], software: Software, needed: Iterable[Import], places: Mapping[str, str]
) -> Iterator[Finding]:
    """Report the modules that a script can't run without, one finding for all that have the same remedy.

    ``needed`` are the imports that the script needs from outside its source, ``places`` the files of the source that have the
    name of a module.
    """
    groups: dict[tuple[_Reason, str], list[Import]] = {}
    for one in missing:
        groups.setdefault(_infer_lack(one, places), []).append(one)
    for (lack, detail), found in groups.items():
        what = (
            f"imports {_name_modules(found)}, which {'is' if len(found) == 1 else 'are'} not in {describe_location(software)}"
        )
        if lack is _Reason.PLACED:
            remedy = _advise_move([places[one.module] for one in found])
        elif lack is _Reason.PACKAGE:
            remedy = _advise_install(found, software, needed)
        else:
            remedy = detail if lack is not _Reason.UNKNOWN else _advise_on([one.name or one.module for one in found], software)
        yield Finding("missing-import", found[0].where, what, remedy)


def _infer_lack(found: Import, places: Mapping[str, str]) -> tuple[_Reason, str]:
    """Return why a module is missing, and the remedy if it depends on nothing else."""
    if found.module in places:
        return _Reason.PLACED, ""
    if found.beside:
        return _Reason.BESIDE, f"found in {found.beside}: set `source_directory={found.beside}`"
    if find_package(found.module, found.name):
        return _Reason.PACKAGE, ""
    elsewhere = ELSEWHERE.get(found.module, "")
    return (_Reason.ELSEWHERE, elsewhere) if elsewhere else (_Reason.UNKNOWN, "")


def _name_modules(found: Sequence[Import]) -> str:
    """Return the names of modules, each with the place of its import unless that is the same for all."""
    is_one_place = len({one.where for one in found}) == 1
    return ", ".join(one.module if is_one_place else f"{one.module} ({one.where})" for one in found)


def _advise_move(places: Sequence[str]) -> str:
    """Return what to do about modules that are files of the source in a folder where Python does not look."""
    folders = dict.fromkeys(place.removesuffix("/__init__.py").rpartition("/")[0] for place in places)
    move = f"there is {places[0]}: move it" if len(places) == 1 else f"there are {', '.join(places)}: move them"
    return f"{move}, or set `environment_variables[PYTHONPATH]={':'.join(folders)}`"


def _advise_on(names: Sequence[str], software: Software) -> str:
    """Return what to do about modules whose package is not known: a guess may install somebody else's."""
    one = len(names) == 1
    them, listed = "it" if one else "them", ", ".join(names)
    where = f"build {them} into the image" if software.image else f"install {them} there"
    if software.spec and not software.image:
        where = f"add {them} to `{_choose_packages_setting(software)}`"
    packages = f"the package that brings {listed} (its name" if one else f"the packages that bring {listed} (their names"
    return f"find {packages} may differ) and {where}, or move your own {listed if one else 'modules'} into the source"


def _choose_packages_setting(software: Software) -> str:
    return "conda_packages" if software.spec and software.spec.kind == "conda" else "pip_packages"


def _advise_install(found: Sequence[Import], software: Software, needed: Iterable[Import]) -> str:
    """Return how to get the modules' packages into the environment."""
    packages = _find_packages(found)
    them = "it" if len(packages) == 1 else "them"
    if software.image:
        return f"build {', '.join(packages)} into the image, or use one that has {them}"
    if software.spec:
        return f"add `{_choose_packages_setting(software)}[]={','.join(packages)}`"
    tensorflow = ["tensorflow"] if "horovod" in packages else []
    all_needed = sorted({*packages, *_find_packages(needed), *tensorflow})
    built = f"have an environment built with all that it needs: `pip_packages[]={','.join(all_needed)}`"
    if "/" not in software.python:
        modules = "a module that brings" if len(packages) == 1 else "modules that bring"
        return f"load {modules} {', '.join(packages)}, or {built}"
    return f"install {them} there: {format_install_commands(packages, software)}; or {built}"


def _find_packages(found: Iterable[Import]) -> list[str]:
    return list(dict.fromkeys(filter(None, (find_package(one.module, one.name) for one in found))))
