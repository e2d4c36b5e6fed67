"""Resolve software in a container image: which image, where it is, and how it gets there."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import sys
from pathlib import Path

from slurmtf.collecting import Findings
from slurmtf.environments.software import FOREIGN_VARIABLES, Software
from slurmtf.environments.spec import EnvironmentSpec
from slurmtf.environments.store import EnvironmentStore
from slurmtf.errors import SpecError
from slurmtf.estimator import Estimator
from slurmtf.estimator.images import DOCKER
from slurmtf.findings import Finding
from slurmtf.job.contract import variables as var
from slurmtf.paths import is_there
from slurmtf.sites import Site

FILES = (".sif", ".simg", ".img", ".sqsh", ".squashfs")
FILE_RUNTIMES = ("apptainer", "singularity")
"""Runtimes that start images from files: an image in a registry is fetched first, once. The other runtimes fetch it
themselves."""
SQUASHFS = b"hsqs"
"""The first bytes of a squashfs file (the kernel's documentation, filesystems/squashfs)."""
UNPACKED = "create one: enroot import -o IMAGE.sqsh docker://NAME, or name docker://NAME"
LOGINS = ("APPTAINER_DOCKER", "SINGULARITY_DOCKER")


def choose_image(estimator: Estimator, site: Site) -> str:
    """Return the image that a run requests, by name or by framework_version; empty if it requests none. Raises SpecError if it
    requests a container without a known image."""
    wish, version = estimator.environment, getattr(estimator, "framework_version", None)
    if wish.image or estimator.use_docker is False:
        return wish.image or ""
    of_site = site.containers.tensorflow.get(version or "", "")
    if estimator.use_docker and not of_site:
        known = ", ".join(site.containers.tensorflow)
        remedy = "set `custom_docker_image`" + (f", or `framework_version`, one of {known}" if known else "")
        raise SpecError(
            Finding("no-image", "use_docker", f"is true, but no image is named, and {site.name} names none", remedy)
        )
    return of_site if estimator.use_docker or version not in site.modules.tensorflow else ""


def use_image(image: str, estimator: Estimator, site: Site, store: EnvironmentStore) -> Software:
    """Return the software of an image. Raises SpecError if the site can't run it, or the image does not exist."""
    wish, where = estimator.environment, _get_image_parameter(estimator)
    findings = Findings()
    if wish.is_to_build or wish.conda:
        what = f"is the image {image} on {site.name}, but the job asks for packages or an environment too"
        findings.add([Finding("image-and-environment", where, what, "leave one of them out")])
    address = (estimator.image_registry_details or {}).get("address", "")
    runtime, source = findings.attempt(choose_runtime, site, where), findings.attempt(resolve_image, image, where, address)
    findings.raise_errors()
    return _containerize(estimator, site, store, where, str(runtime), str(source))


def _containerize(estimator: Estimator, site: Site, store: EnvironmentStore, where: str, runtime: str, source: str) -> Software:
    wish = estimator.environment
    if runtime == "pyxis" and source.startswith("/") and not _is_squashfs(source):
        raise SpecError(
            Finding("not-squashfs", where, f"{source} is not a squashfs file, the only kind that pyxis starts", UNPACKED)
        )
    spec = _build_image_spec(source, site) if "://" in source and runtime in FILE_RUNTIMES else None
    if estimator.image_registry_details and spec is None:
        raise SpecError(_describe_useless_login(runtime, source))
    return Software(
        python=wish.python or "python3",
        modules=(*site.containers.modules, *wish.modules),
        variables={var.PYTHONNOUSERSITE: "1", **wish.variables},  # the home folder's packages are for another Python
        unset=FOREIGN_VARIABLES,
        spec=spec,
        image=str(store.image(spec.name)) if spec else source,
        runtime=runtime,
        host_python=site.environment.python or sys.executable,
    )


def _is_squashfs(path: str) -> bool:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(len(SQUASHFS)) == SQUASHFS
    return False


def _get_image_parameter(estimator: Estimator) -> str:
    """Return the parameter that requests the image."""
    if estimator.custom_docker_image:
        return "custom_docker_image"
    return "environment_definition.image" if estimator.environment.image else "framework_version"


def choose_runtime(site: Site, where: str) -> str:
    """Return the container runtime: the profile's, else one in PATH here. Raises SpecError if there is none."""
    named = site.containers.runtime
    if named == "none":
        raise SpecError(Finding("no-container-runtime", where, f"{site.name} has no container runtime", "leave the image out"))
    found = [named] if named else [name for name in FILE_RUNTIMES if shutil.which(name)]
    if not found:
        what = f"the profile {site.name} does not say what runs containers, and neither apptainer nor singularity is in PATH"
        raise SpecError(
            Finding("container-runtime-missing", where, what, "load its module, or set containers.runtime in the profile")
        )
    return found[0]


def resolve_image(image: str, where: str, registry: str = "") -> str:
    """Return an image as the path of an existing file, or as ``docker://NAME`` or another URI.

    A name that looks neither like a path nor like a URI is a name in a registry, by default Docker Hub, as in Azure ML. Raises
    SpecError if a named file does not exist.
    """
    if "://" in image and not image.startswith(DOCKER):
        return image
    if not is_image_path(image):
        name = image.removeprefix(DOCKER)
        host = registry.removeprefix("https://").rstrip("/")
        return DOCKER + (name if not host or name.startswith(host + "/") else f"{host}/{name}")
    path = Path(image).expanduser()
    if not path.is_absolute():
        raise SpecError(Finding("image-relative", where, f"{image} is relative", "use the whole path, or docker://NAME:TAG"))
    if not is_there(path):
        raise SpecError(
            Finding("image-missing", where, f"{path} does not exist", "name an image that all nodes see, or docker://NAME:TAG")
        )
    return str(path)


def is_image_path(image: str) -> bool:
    """Return whether an image is named by its path."""
    return "://" not in image and (image.startswith(("/", "~", ".")) or image.endswith(FILES))


def _build_image_spec(source: str, site: Site) -> EnvironmentSpec:
    return EnvironmentSpec(
        kind="image",
        python=site.environment.python or sys.executable,
        modules=tuple(site.containers.modules),
        image=source,
        identity=(site.arch or platform.machine(),),
    )


def _describe_useless_login(runtime: str, source: str) -> Finding:
    if "://" not in source:
        return Finding(
            "useless-login",
            "image_registry_details",
            f"{source} is a file: no registry is asked",
            "leave it out",
        )
    remedies = {
        "pyxis": "write it into ~/.config/enroot/.credentials: machine HOST login USER password PASSWORD",
        "podman-hpc": "log in once by hand: podman-hpc login HOST",
        "shifter": "log in and fetch the image by hand: shifterimg login HOST; shifterimg pull IMAGE",
    }
    return Finding(
        "useless-login",
        "image_registry_details",
        f"{runtime} fetches images itself, with a login of its own",
        remedies[runtime],
    )


def find_exec_prefix(software: Software, site: Site) -> list[str]:
    """Return the words that run a command in an image on this machine; none if that can't be done here."""
    is_here = software.runtime in FILE_RUNTIMES and is_there(software.image) and shutil.which(software.runtime)
    return build_exec_prefix(software, site) if is_here else []


def build_exec_prefix(software: Software, site: Site) -> list[str]:
    """Return the words that run a command in an image that is a file."""
    given = map(os.path.expandvars, site.containers.binds)
    binds = [f"--bind={bind}" for bind in given if is_there(bind.partition(":")[0])]
    return [software.runtime, "exec", *binds, *site.containers.args, software.image]


def resolve_login(estimator: Estimator) -> dict[str, str]:
    """Return the variables with which apptainer and singularity log in to a registry; they go only to the process that fetches.

    A value may be ``$NAME``, so that a job file need not hold it. Raises SpecError if that variable is not set.
    """
    details = estimator.image_registry_details or {}
    given = {name: _resolve_variable(name, details[name]) for name in ("username", "password") if details.get(name)}
    return {f"{prefix}_{name.upper()}": value for prefix in LOGINS for name, value in given.items()}


def _resolve_variable(name: str, value: str) -> str:
    variable = value[1:] if re.fullmatch(r"\$[A-Za-z_]\w*", value) else ""
    if variable and variable not in os.environ:
        raise SpecError(
            Finding(
                "variable-unset", f"image_registry_details[{name!r}]", f"{value} is not set", f"export {variable}=... first"
            )
        )
    return os.environ[variable] if variable else value
