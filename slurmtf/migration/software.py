"""Import Azure ML's environments, CondaDependencies and package lists: what to install, or where it is."""

from __future__ import annotations

import re

from slurmtf.migration.draft import Draft
from slurmtf.migration.values import Thing, UnknownPartError, to_plain

AZURE_PACKAGE = re.compile(r"azureml\b", re.IGNORECASE)
CURATED = "the curated environment {} is Azure ML's: list its packages in pip_packages, or set environment_definition"


UNTRANSLATED_CALLS = ("add_channel", "set_python_version", "add_tensorflow_pip_package", "add_tensorflow_conda_package")
"""Calls of a CondaDependencies whose effect the user has to write down."""


def take_packages(draft: Draft, name: str, value: object, line: int) -> None:
    """Import a list of packages, without Azure ML's own."""
    try:
        listed = to_plain(value)
    except UnknownPartError as err:
        draft.notes.add_undecided(line, f"{name} is {err}: only running the file would tell. List the packages in the job file")
        return
    listed = [listed] if isinstance(listed, str) else listed or []
    own = [package for package in listed if AZURE_PACKAGE.match(str(package))]
    kept = [package for package in listed if package not in own and not re.match(r"python\b", str(package))]
    if own:
        draft.notes.add_dropped(line, f"{name}: {', '.join(own)}. 'azureml: true' serves the script's Run")
        draft.settings["azureml"] = True
    if kept:
        draft.settings[name] = [*draft.settings.get(name, []), *kept]
        draft.notes.add_mapped(line, f"{name}: {', '.join(map(str, kept))}")
    for python in [package for package in listed if re.match(r"python\b", str(package))]:
        draft.notes.add_undecided(
            line, f"{python}: a Python is chosen by environment_definition: {{python: ...}}, or conda_packages"
        )


def take_environment(draft: Draft, name: str, value: object, line: int) -> None:
    """Import an Environment: how it was constructed, and what was set on it since."""
    if not isinstance(value, Thing):
        draft.take(name, value, line, "environment_definition")
        return
    BUILDERS.get(value.name, _take_other)(draft, value)
    python = value.attributes.get("python")
    if isinstance(python, Thing):
        _take_python(draft, python)
    docker = value.attributes.get("docker")
    if isinstance(docker, Thing):
        for key in ("base_image", "base_dockerfile"):
            if docker.attributes.get(key) is not None:
                take_image(draft, f"docker.{key}", docker.attributes[key], docker.lines.get(key, line))
    variables = value.attributes.get("environment_variables")
    if isinstance(variables, dict):
        draft.take("environment_variables", variables, value.lines.get("environment_variables", value.line))


def _take_plain_environment(draft: Draft, thing: Thing) -> None:
    draft.notes.add_mapped(
        thing.line, "Environment: an environment is built from its packages, once, and found again by its content"
    )


def _take_conda_file(draft: Draft, thing: Thing) -> None:
    draft.take("file_path", thing.argument("file_path", ("name", "file_path")), thing.line, "conda_dependencies_file")


def _take_pip_file(draft: Draft, thing: Thing) -> None:
    draft.take("file_path", thing.argument("file_path", ("name", "file_path")), thing.line, "pip_requirements_file")


def _take_conda_name(draft: Draft, thing: Thing) -> None:
    name = thing.argument("conda_environment_name", ("name", "conda_environment_name"))
    if isinstance(name, str):
        draft.settings["environment_definition"] = {"conda": name}
        draft.notes.add_mapped(thing.line, f"the conda environment {name} -> environment_definition: {{conda: {name}}}")


def _take_curated(draft: Draft, thing: Thing) -> None:
    name = thing.argument("name", ("workspace", "name"))
    draft.notes.add_undecided(thing.line, CURATED.format(name if isinstance(name, str) else thing.text))


def _take_other(draft: Draft, thing: Thing) -> None:
    draft.notes.add_undecided(thing.line, f"{thing.text}: set pip_packages, or environment_definition, to what it holds")


BUILDERS = {
    "Environment": _take_plain_environment,
    "EnvironmentDefinition": _take_plain_environment,
    "environment": _take_plain_environment,
    "from_conda_specification": _take_conda_file,
    "from_pip_requirements": _take_pip_file,
    "from_existing_conda_environment": _take_conda_name,
    "get": _take_curated,
    "clone": _take_curated,
}


def _take_python(draft: Draft, python: Thing) -> None:
    for name in ("user_managed_dependencies", "interpreter_path"):
        value, line = python.attributes.get(name), python.lines.get(name, python.line)
        if name == "interpreter_path" and isinstance(value, str):
            draft.settings["environment_definition"] = {"python": value}
            draft.notes.add_undecided(
                line, f"python.interpreter_path={value!r} -> environment_definition: does it exist on the cluster?"
            )
        elif value is True:
            draft.take(f"python.{name}", value, line, "user_managed")
    dependencies = python.attributes.get("conda_dependencies")
    if isinstance(dependencies, Thing):
        take_dependencies(draft, dependencies)


def take_dependencies(draft: Draft, thing: Thing) -> None:
    """Import a CondaDependencies: how it was constructed, and what was added to it."""
    names = (
        ("conda_dependencies_file_path",)
        if thing.name == "CondaDependencies"
        else ("pip_indexurl", "pip_packages", "conda_packages")
    )
    for name, value, line in thing.iterate_arguments(names):
        if name in ("pip_packages", "conda_packages"):
            take_packages(draft, name, value, line)
        elif name == "conda_dependencies_file_path":
            draft.take(name, value, line, "conda_dependencies_file")
        elif value is not None and name != "pin_sdk_version":
            draft.notes.add_undecided(line, f"{name}={value!r}: set environment_definition where it matters")
    for call in thing.calls:
        kind = {"add_pip_package": "pip_packages", "add_conda_package": "conda_packages"}.get(call.name)
        if kind and call.args:
            take_packages(draft, kind, call.args[0], call.line)
        elif call.name in UNTRANSLATED_CALLS:
            draft.notes.add_undecided(
                call.line, f"{call.text}: say it in pip_packages, conda_packages or environment_definition"
            )


def take_image(draft: Draft, name: str, value: object, line: int) -> None:
    """Import a container image; Azure ML's own are of no use elsewhere."""
    if isinstance(value, str) and "azureml" in value:
        draft.notes.add_undecided(
            line, f"{name}={value!r} is an image of Azure ML: choose pip_packages, or an image of the site"
        )
    elif isinstance(value, str) and not value.endswith(".sif"):
        draft.settings["custom_docker_image"] = value if "://" in value else f"docker://{value}"
        draft.notes.add_mapped(line, f"{name}={value!r} -> custom_docker_image: {draft.settings['custom_docker_image']}")
    else:
        draft.take(name, value, line, "custom_docker_image")
