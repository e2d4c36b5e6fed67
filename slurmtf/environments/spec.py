"""Specify completely what to build, and the name by which it is found."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from slurmtf.collecting import Findings
from slurmtf.environments import versions
from slurmtf.environments.requirements import Line, gather_requirements, normalize_name, parse_pinned_version, parse_requirement
from slurmtf.environments.shell import wrap_in_shell
from slurmtf.environments.versions import TENSORFLOW
from slurmtf.errors import SpecError
from slurmtf.estimator import Environment
from slurmtf.findings import Finding
from slurmtf.job.contract.environments.horovod import compute_build_digest
from slurmtf.job.contract.interchange import JsonObject
from slurmtf.paths import is_file, is_folder, read_text
from slurmtf.sites import Site

ID_DIGITS = 12
SCHEMA = 1
SINGLE_EQUALS = re.compile(r"(?<![=<>!~])=(?!=)")
"""Conda's ``tensorflow=2.15``, which is pip's ``tensorflow==2.15``."""
CREDENTIALS = re.compile(r"//[^/@\s]+@")
ASK_PYTHON = "import platform, sys; print(platform.python_version(), sys.base_prefix)"


@dataclass(frozen=True)
class EnvironmentSpec:
    """An environment or an image to build.

    Two specs with the same content have the same name, and are built once. ``bare`` packages are installed without their
    dependencies. ``python`` is the interpreter to build with; ``identity`` is everything else that determines the content: the
    Python's version, the modules, the kind of machine.
    """

    kind: str
    python: str
    modules: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    horovod: str = ""
    conda: JsonObject = field(default_factory=dict)
    image: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    label: str = ""

    @property
    def name(self) -> str:
        """The name of its folder in a store: the kind, and a hash of the content and of slurmtf's own changes to it."""
        wishes = {name: value for name, value in asdict(self).items() if name not in ("label", "python")}
        options = {name: value for name, value in self.variables.items() if name.startswith("HOROVOD_")}
        conda = {name: value for name, value in self.conda.items() if name != "program"}
        ours = {"built_from": compute_build_digest()} if self.horovod else {}
        content = json.dumps({**wishes, **ours, "variables": options, "conda": conda, "schema": SCHEMA}, sort_keys=True)
        return f"{self.kind}-{hashlib.sha256(content.encode('utf-8', 'surrogateescape')).hexdigest()[:ID_DIGITS]}"

    @property
    def tensorflow(self) -> tuple[str, str]:
        """The requested TensorFlow: its package, and its version if one is named. Both may be empty."""
        of_conda = (SINGLE_EQUALS.sub("==", text) for text in self.conda.get("packages", ()))
        asked = ((found, text) for text in (*of_conda, *self.requirements) if (found := parse_requirement(text)))
        named = ((normalize_name(found.name), str(parse_pinned_version(text) or "")) for found, text in asked)
        return next((found for found in named if found[0] in TENSORFLOW), ("", ""))

    @property
    def summary(self) -> str:
        """Its content in one line, for people and for a script. Options of pip, which may hold a password, are left out."""
        named = [line for line in (*self.requirements, *self.bare) if not line.startswith("-")]
        parts = [*self.conda.get("packages", ()), *(["a conda file"] if self.conda.get("file") else []), *named]
        parts += [self.horovod] if self.horovod else []
        return CREDENTIALS.sub("//", self.image or ", ".join(parts))

    def to_dict(self, root: Path, lock: Iterable[str] = (), wheelhouse: str = "") -> dict[str, object]:
        """Return the spec as the builder reads it; ``lock`` holds the versions of an earlier build."""
        explicit: list[str] = []
        pinned: list[str] = []
        for line in lock:
            (explicit if "://" in line else pinned).append(line)
        return {
            **asdict(self),
            "name": self.name,
            "root": str(root),
            "constraints": [*self.constraints, *pinned],
            "explicit": explicit,
            "uv": _find_uv(),
            "wheelhouse": wheelhouse,
        }

    @classmethod
    def from_dict(cls, facts: Mapping[str, object]) -> EnvironmentSpec:
        """Return the spec that was written as a mapping, for example in a plan."""
        known = {f.name for f in fields(cls)}
        own: JsonObject = {name: facts[name] for name in known & facts.keys()}
        own.update({name: tuple(value) for name, value in own.items() if isinstance(value, list)})
        return cls(**own)


def build_package_spec(wish: Environment, site: Site, source: Path) -> EnvironmentSpec:
    """Return the spec of an environment of pip or conda packages. Raises SpecError with everything that is wrong with it."""
    findings = Findings()
    listed = source / wish.pip_requirements_file if wish.pip_requirements_file else None
    lines = findings.attempt(gather_requirements, wish.pip_packages, listed) or []
    horovod = [line for line in lines if line.package == "horovod" and not line.constraint]
    bare = _select_bare(lines)
    conda = findings.attempt(_build_conda_settings, wish, site, source) or {}
    findings.add(versions.check_horovod(horovod, lines, bool(conda)))
    python = _choose_python(wish)
    version = () if conda else findings.attempt(_identify_python, python, wish, site) or ()
    if not wish.modules:  # sites with modules have wheels of their own
        findings.add(versions.check_python(next(iter(version), ""), lines))
    findings.raise_errors()
    return EnvironmentSpec(
        kind="conda" if conda else "pip",
        python="python" if conda else python,
        modules=tuple(wish.modules),
        requirements=tuple(line.text for line in lines if not line.constraint and line not in (*horovod, *bare)),
        bare=tuple(line.text for line in bare),
        constraints=tuple(line.text for line in lines if line.constraint),
        horovod=horovod[0].text if horovod else "",
        conda=conda,
        variables=wish.variables,
        identity=(*version, *_identify_machine(site)),
        label=wish.name or "",
    )


def _build_conda_settings(wish: Environment, site: Site, source: Path) -> dict[str, object]:
    if not (wish.conda_packages or wish.conda_dependencies_file):
        return {}
    text = _read_conda_file(source / wish.conda_dependencies_file) if wish.conda_dependencies_file else ""
    packages = list(wish.conda_packages)
    if (
        packages
        and (wish.pip_packages or wish.pip_requirements_file)
        and not any(p.split("=")[0].strip() == "pip" for p in packages)
    ):
        packages.append("pip")
    return {"program": site.environments.conda or "", "packages": packages, "file": text,
            "channels": wish.conda_channels or site.environments.channels}  # fmt: skip


def _read_conda_file(path: Path) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError) as err:
        what = f"{path} can't be read: {err}"
        raise SpecError(Finding("conda-file-unreadable", "conda_dependencies_file", what, "correct the path")) from None


def _select_bare(lines: list[Line]) -> list[Line]:
    """Return tf-keras if another build of TensorFlow is requested: it would install ``tensorflow`` over the same files."""
    flavours = {line.package for line in lines} & {*TENSORFLOW} - {"tensorflow"}
    return [line for line in lines if line.package == "tf_keras" and not line.constraint] if flavours else []


def _choose_python(wish: Environment) -> str:
    """Return the interpreter to build an environment with: the named one, that of the modules, or the one that submits."""
    if wish.python:
        path = Path(wish.python).expanduser()
        return str(path / "bin" / "python" if is_folder(path) else path)
    return "python3" if wish.modules else sys.executable


def _identify_python(python: str, wish: Environment, site: Site) -> tuple[str, ...]:
    """Return version and home of the interpreter; its name if it can't be run here. Raises SpecError for a path that is not an
    interpreter's."""
    if python == sys.executable:
        return platform.python_version(), sys.base_prefix
    if "/" in python and not is_file(python):
        raise SpecError(
            Finding(
                "python-missing", "environment_definition.python", f"{python} does not exist", "name an interpreter that exists"
            )
        )
    try:
        command = wrap_in_shell([python, "-I", "-c", ASK_PYTHON], wish.modules, site)
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split(maxsplit=1)
        return answer[0], answer[1].strip()
    except (OSError, subprocess.SubprocessError, IndexError):
        return (python,)


def _identify_machine(site: Site) -> tuple[str, ...]:
    """Return the kind of machine on which the environment runs: the site's processor, or else this machine's and its C
    library."""
    return site.arch or platform.machine(), *([] if site.arch else [sysconfig.get_platform(), *platform.libc_ver()])


def _find_uv() -> str:
    """Return the path of uv: from PATH, or from the environment that submits; empty if there is none."""
    beside = Path(sys.executable).with_name("uv")
    return shutil.which("uv") or (str(beside) if is_file(beside) else "")
