"""The software that a user asks for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from slurmtf.errors import SpecError
from slurmtf.estimator import variables
from slurmtf.estimator.images import DOCKER
from slurmtf.estimator.quantities import check_given, check_strings, check_switch, check_word
from slurmtf.findings import Finding
from slurmtf.paths import is_file
from slurmtf.schema import Strict
from slurmtf.spelling import mark

PACKAGES = ("conda_packages", "pip_packages", "conda_dependencies_file", "pip_requirements_file")
"""The settings that cause an environment to be built."""
SOFTWARE = (*PACKAGES, "custom_docker_image", "user_managed")
IMAGE_PARAMETERS = ("image_registry_details", "shm_size")
SWITCHES = {
    "use_docker": "`custom_docker_image` names the image",
    "user_managed": "`environment_definition` says with what",
    "legacy_keras": "true makes tf.keras Keras 2",
}
WORDS = ("python", "conda", "modules", "conda_packages", "conda_channels")
"""Settings that programs get as separate arguments. pip reads its packages from a file, whose lines may be options."""
LISTS = ("modules", "pip_packages", "conda_packages", "conda_channels")


@dataclass(frozen=True)
class Environment(Strict):
    """The software that a job runs with. Default: the Python that submits it.

    ``python``, ``conda`` and ``modules`` name software that is already installed. With the ``pip_`` and ``conda_`` settings,
    slurmtf builds an environment, once for each content. ``image`` names a container.
    """

    python: str | None = None
    """The interpreter: a path, the folder of a virtual or conda environment, or a name that the modules put into PATH. With pip
    packages, the environment is built with it; with an image, it is the image's."""
    modules: list[str] = field(default_factory=list)
    """Environment modules to load, in order."""
    conda: str | None = None
    """The name or the folder of an existing conda environment."""
    image: str | None = None
    """The container image to run in: a .sif file, an image folder, or docker://..."""
    pip_packages: list[str] = field(default_factory=list)
    """pip packages of the environment to build."""
    pip_requirements_file: str | None = None
    """A pip requirements file, relative to source_directory."""
    conda_packages: list[str] = field(default_factory=list)
    """Conda packages of the environment to build."""
    conda_channels: list[str] = field(default_factory=list)
    """The channels for conda packages. Default: the site's."""
    conda_dependencies_file: str | None = None
    """A conda environment file, relative to source_directory."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables for the software. They are visible in the batch script, so they must not be secret."""
    name: str | None = None
    """A name for the environment that is built, for 'slurmtf env list'."""
    build: Literal["login", "job"] | None = None
    """Where the environment is built: on this machine (login), or in a job of its own (job). Default: the site's choice."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            own = [value] if f.name in LISTS and isinstance(value, str) else _copy(value)
            object.__setattr__(self, f.name, own)

    @property
    def is_to_build(self) -> bool:
        """Whether slurmtf builds the environment."""
        return any(getattr(self, name) for name in PACKAGES)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Environment:
        """Read an environment from a YAML file. Raises SpecError with file, line and key of everything that is wrong."""
        from slurmtf.documents import read_document  # noqa: PLC0415

        return read_document(Path(path).expanduser(), SpecError).parse(cls)


def check_environment(wish: Environment, where: str, source_directory: str | Path) -> Iterable[Finding]:
    """Yield what is wrong with an environment, whose files are in the source. ``where`` is the parameter that holds it."""
    yield from _check_contradictions(wish, where)
    yield from _check_words(wish, where)
    yield from variables.check_variables(wish.variables, f"{where}variables")
    yield from _check_files(wish, where, source_directory)


def check_exclusions(wish: Environment, given: Mapping[str, object]) -> Iterable[Finding]:
    """Yield contradictions between the environment and the user's parameters, given by name."""
    for name, hint in SWITCHES.items():
        yield from check_switch(name, given.get(name), hint)
    asked = [name for name in PACKAGES if getattr(wish, name)]
    if given.get("user_managed") and asked:
        remedy = "leave `user_managed` out to have them installed, or leave the packages out"
        yield Finding("user-managed", "user_managed", f"is true, but {mark(asked)} ask for packages", remedy)
    if given.get("use_docker") is False and wish.image:
        yield Finding(
            "docker-contradicts", "use_docker", "is false, but `custom_docker_image` names an image", "leave one of them out"
        )
    beside = (*SOFTWARE, *(() if wish.image else IMAGE_PARAMETERS)) if given.get("environment_definition") is not None else ()
    others = [name for name in beside if given.get(name)]
    if others:
        what = f"is the whole environment, but {mark(others)} add to it"
        yield Finding("environment-twice", "environment_definition", what, "put everything into it")


def _check_contradictions(wish: Environment, where: str) -> Iterable[Finding]:
    asked = [name for name in PACKAGES if getattr(wish, name)]
    for name in LISTS:
        yield from check_strings(f"{where}{name}", getattr(wish, name), name)
    if wish.conda_dependencies_file and len(asked) > 1:
        others = mark(name for name in asked if name != "conda_dependencies_file")
        what = f"is the whole environment, but {others} add to it"
        yield Finding("file-and-packages", f"{where}conda_dependencies_file", what, "put everything into the file")
    if wish.image and (asked or wish.conda):
        what = f"is all the software of the job, but {mark(asked or ['conda'])} would add to it"
        yield Finding("image-and-packages", f"{where}image", what, "build the packages into the image, or leave the image out")
    if wish.conda and (asked or wish.python):
        what = f"is an existing environment, but {mark([*asked, *(['python'] if wish.python else [])])} would change it"
        yield Finding("conda-and-packages", f"{where}conda", what, "leave one of them out")
    if wish.conda_channels and not wish.conda_packages:
        yield Finding(
            "channels-alone", f"{where}conda_channels", "are set, but `conda_packages` is not", "leave one of them out"
        )


def _check_words(wish: Environment, where: str) -> Iterable[Finding]:
    named = {f"{where}{name}": getattr(wish, name) for name in WORDS}
    image = None if wish.image is None else str(wish.image).removeprefix(DOCKER)
    named[f"{where}image" if where else "custom_docker_image"] = image
    for name, value in named.items():
        yield from check_given(name, value)
        for word in value if isinstance(value, list) else [value]:
            yield from check_word(name, word)
    for name in ("pip_requirements_file", "conda_dependencies_file"):
        yield from check_given(f"{where}{name}", getattr(wish, name))


def _check_files(wish: Environment, where: str, source_directory: str | Path) -> Iterable[Finding]:
    for name in ("conda_dependencies_file", "pip_requirements_file"):
        value = getattr(wish, name)
        path = Path(os.path.normpath(Path(source_directory, str(value or ""))))
        if value and not (is_file(path) and path.is_relative_to(source_directory)):
            remedy = "it must lie inside `source_directory`"
            yield Finding("file-missing", f"{where}{name}", f"{value} is not a file in {source_directory}", remedy)


def _copy(value: object) -> object:
    """Return a copy of a list or mapping, so that the caller can't change it later; a path as text."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, list | tuple):
        return [os.fspath(item) if isinstance(item, os.PathLike) else item for item in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value
