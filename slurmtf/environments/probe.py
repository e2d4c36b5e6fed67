"""Find out what is installed where a job will run: ask its interpreter, alongside other work, without importing anything."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from slurmtf.environments.images import build_exec_prefix
from slurmtf.environments.memory import recall, remember
from slurmtf.environments.modules import find_unknown_modules
from slurmtf.environments.shell import build_module_commands, wrap_in_shell
from slurmtf.environments.software import HorovodBuild, Software
from slurmtf.estimator import Estimator
from slurmtf.findings import Finding, locate
from slurmtf.job.contract.environments import question
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.paths import is_file
from slurmtf.sites import Site

TIMEOUT_S = 20
UNLOADED = re.compile(r"Unable to locate a modulefile|ModuleCmd_Load|Lmod has detected the following error")
"""Messages of environment modules about modules that could not be loaded; old versions exit with 0 all the same (modules
3.2)."""


@dataclass(frozen=True)
class Script:
    """What the interpreter must know about a script: the modules that it needs, and the folders to search first."""

    modules: Sequence[str]
    folders: Sequence[str]


@contextlib.contextmanager
def ask_interpreter(
    estimator: Estimator, site: Site, software: Software, script: Script, inside: Sequence[str] = ()
) -> Iterator[Callable[[], Software]]:
    """Ask the job's interpreter what is installed. It answers while the caller does other things.

    ``inside`` are the words that run a command in the software's container on this machine. The yielded function returns the
    software with what has been found out; unchanged if the interpreter can't be run here.
    """
    version = getattr(estimator, "framework_version", None)
    words = _build_question(_find_interpreter(site, software, inside), script)
    loads = not _is_foreign(site) and bool(build_module_commands(site, software.modules, version))
    if words is None and not loads:
        yield lambda: software
        return
    environment, folder = _build_environ(estimator, site, software), estimator.source_directory
    key = None if loads or software.image or not words else (tuple(words), frozenset(environment.items()), str(folder))
    known = recall(key) if key else None
    if known:
        yield lambda: _apply_answer(software, known)
        return
    began = time.time_ns()
    process = _start(wrap_in_shell(words or ["true"], software.modules, site, version), environment, folder)

    def wait_for_answer() -> Software:
        answer = _read_answer(process)
        if answer is None and loads:
            return replace(software, unknown_modules=find_unknown_modules(site, software.modules, version, environment, folder))
        facts = question.parse_answer(answer) if answer and words else None
        if facts and key:
            remember(key, facts, script.folders, began)
        return _apply_answer(software, facts)

    try:
        yield wait_for_answer
    finally:
        _stop(process)


def _build_question(interpreter: list[str] | None, script: Script) -> list[str] | None:
    if interpreter is None:
        return None
    source = Path(question.__file__).read_text(encoding="utf-8")
    return [*interpreter, "-c", source, json.dumps({"modules": list(script.modules), "folders": list(script.folders)})]


def _is_foreign(site: Site) -> bool:
    """Return whether the site's nodes, with their modules, differ in kind from this machine."""
    return site.arch not in (None, platform.machine())


def _find_interpreter(site: Site, software: Software, inside: Sequence[str]) -> list[str] | None:
    """Return the words that start the job's interpreter on this machine; None if it is not here."""
    if software.image:
        return [*inside, software.python] if inside else None
    if "/" in software.python:
        return [software.python] if is_file(software.python) else None
    return None if _is_foreign(site) and build_module_commands(site, software.modules) else [software.python]


def _build_environ(estimator: Estimator, site: Site, software: Software) -> dict[str, str]:
    """Return the environment in which the job's Python will look for modules."""
    export = str((estimator.sbatch or {}).get("export", site.environment.export) or "")
    bare = export.upper().startswith(("NONE", "NIL"))
    lost = {*software.unset, *site.environment.unset}
    own = {k: v for k, v in os.environ.items() if k not in lost and not (bare and k.startswith("PYTHON"))}
    return {**own, **_merge_variables(estimator, site, software)}


def _merge_variables(estimator: Estimator, site: Site, software: Software) -> dict[str, str]:
    own = {name: str(value) for name, value in (estimator.environment_variables or {}).items()}
    return {**site.environment.variables, **software.variables, **own}


def describe_later_check(
    estimator: Estimator, site: Site, software: Software, needs: Mapping[str, Finding]
) -> dict[str, object]:
    """Return what the builder must check once the software has been built: the modules, each with the finding if it is missing.

    Of the job's variables, only those that affect its Python are included.
    """
    words = build_exec_prefix(software, site) if software.image else []
    variables = {
        name: value for name, value in _merge_variables(estimator, site, software).items() if name.startswith("PYTHON")
    }
    texts = {module: str(locate(finding, estimator.sources)) for module, finding in needs.items()}
    return {"words": [*words, software.python], "variables": variables, "modules": texts}


def _start(command: Sequence[str], environment: Mapping[str, str], folder: str | Path) -> subprocess.Popen[str] | None:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            cwd=folder,
        )
    except OSError:
        return None


def _read_answer(process: subprocess.Popen[str] | None) -> str | None:
    """Return the interpreter's answer; None if it gave none that is reliable."""
    if process is None:
        return None
    try:
        output, complaint = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return None
    return None if process.returncode or UNLOADED.search(complaint) else output


def _stop(process: subprocess.Popen[str] | None) -> None:
    """Kill the process if it has not ended, without waiting for its children."""
    if process is None:
        return
    process.kill()
    for pipe in filter(None, (process.stdout, process.stderr)):
        pipe.close()
    process.wait()


def _apply_answer(software: Software, facts: JsonObject | None) -> Software:
    if facts is None:
        return software
    horovod = facts["horovod"]
    return replace(
        software,
        executable=facts["executable"],
        packages=facts["packages"],
        missing=frozenset(facts["missing"]),
        gpu_build=facts["gpu_build"],
        horovod=HorovodBuild(horovod["tensorflow"], tuple(horovod["features"])) if horovod else None,
    )
