"""Run a task in a container: one small function for each runtime.

A runtime returns the words that precede the task's own command. The supervisor and the launcher stay outside, so an image needs
Python 3 and nothing of Slurm. In these words, ``$RUN``, ``$IMAGE`` and ``$LOCAL`` are variables of the batch script.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from slurmtf.environments import Software
from slurmtf.errors import SpecError
from slurmtf.estimator import Estimator
from slurmtf.estimator.images import DOCKER
from slurmtf.findings import Finding, build_warning
from slurmtf.job.contract import variables as var
from slurmtf.plan.launchers import is_step
from slurmtf.plan.model import Container, Resources, RunPlace
from slurmtf.plan.quoting import Raw, quote, quote_with_variables
from slurmtf.sites.model import Site

GPU_FLAGS = {"nvidia": "--nv", "amd": "--rocm"}
SHARE_MEMORY = ("apptainer", "singularity", "pyxis", "shifter")
"""Runtimes whose containers use the node's /dev/shm, at its own size."""
NOT_BOUND = {"pyxis": r'[:,\s"$`\\]'}
"""Characters that a runtime can't handle in the path of a bound folder. pyxis writes quoted paths into a shell script that
turns them into an fstab."""


class Bind(NamedTuple):
    """A folder of the node and its path in the container, both as the batch script writes them."""

    outside: Raw
    inside: Raw


@dataclass(frozen=True)
class Box:
    """What a runtime needs: the image, the folders to bind, the exported variables that the image must not override, the GPU
    vendor, the site's own arguments."""

    image: str
    binds: tuple[Bind, ...]
    exports: tuple[str, ...]
    local: bool
    gpus: str
    shm_size: str | None
    args: tuple[str, ...]


def build_container(
    estimator: Estimator,
    site: Site,
    software: Software,
    place: RunPlace,
    resources: Resources,
    launcher: str,
    exports: Iterable[str],
) -> Container | None:
    """Return the container that the tasks run in; None if they run without one.

    ``exports`` are the variables that the script sets. Raises SpecError if the launcher or the runtime can't run it, or a
    folder can't be bound.
    """
    if not software.image or software.is_unknown:
        return None
    if software.runtime == "pyxis" and not is_step(launcher):
        what = f"pyxis starts containers by flags of srun; {launcher!r} does not know them"
        raise SpecError(Finding("launcher-without-containers", "launcher", what, "set `launcher=srun`"))
    box = Box(
        image=software.image,
        binds=(*_iterate_binds(site, place, software.runtime), *_iterate_data_binds(estimator, software.runtime)),
        exports=tuple(name for name in exports if name != var.PATH),
        local=bool(site.storage.local),
        gpus=site.gpu.vendor if resources.gpus_per_node else "",
        shm_size=estimator.shm_size,
        args=tuple(site.containers.args),
    )
    return Container(software.runtime, software.image, tuple(RUNTIMES[software.runtime](box)))


def _iterate_binds(site: Site, place: RunPlace, runtime: str) -> Iterable[Bind]:
    """Yield the folders that a container sees: the run's own, with source and outputs, and the site's."""
    _check_bound(place.folder, runtime, "workspace", "use a workspace without it (--workspace)")
    yield Bind(Raw('"$RUN"'), Raw('"$RUN"'))
    for given in site.containers.binds:
        outside, _, inside = given.partition(":")
        yield Bind(quote_with_variables(outside), quote_with_variables(inside or outside))


def _iterate_data_binds(estimator: Estimator, runtime: str) -> Iterable[Bind]:
    """Yield the folders of the inputs: the agent, which copies some of them, is in the container too."""
    for item in estimator.inputs or ():
        path = str(item.path)
        _check_bound(path, runtime, "inputs", "use a path without it")
        yield Bind(quote(path), quote(path))


def _check_bound(path: str, runtime: str, where: str, remedy: str) -> None:
    found = re.search(NOT_BOUND.get(runtime, "[:,]"), path)
    if found:
        what = f"{path} can't be bound into a container: {runtime} does not take {found[0]!r} in a folder's name"
        raise SpecError(Finding("unbindable-path", where, what, remedy))


def check_container_settings(estimator: Estimator, software: Software) -> Iterable[Finding]:
    """Check that settings of a container are used only with one."""
    for name in ("image_registry_details", "shm_size"):
        if getattr(estimator, name) and not software.image:
            yield Finding(
                "image-setting-alone",
                name,
                "is set, but no container image",
                f"set `custom_docker_image`, or leave `{name}` out",
            )


def warn_about_container(estimator: Estimator, software: Software) -> Iterable[Finding]:
    """Yield warnings about settings that have no effect with this runtime."""
    if estimator.shm_size and software.runtime in SHARE_MEMORY:
        yield build_warning(
            "shm-size", f"with {software.runtime} a container has the node's whole /dev/shm: `shm_size` has no effect"
        )


def _build_apptainer_words(box: Box) -> list[str]:
    """Return ``apptainer exec``, which passes the environment on and shares the node's processes, network and /dev."""
    gpus = [GPU_FLAGS[box.gpus]] if box.gpus else []
    binds = [_build_short_bind("--bind=", bind) for bind in box.binds]
    return ["apptainer", "exec", *gpus, *binds, *_build_local_words(box, '--bind="$LOCAL"'), *box.args, Raw('"$IMAGE"')]


def _build_singularity_words(box: Box) -> list[str]:
    """Return ``singularity exec``: apptainer's older name, with the same arguments."""
    return ["singularity", *_build_apptainer_words(box)[1:]]


def _build_podman_hpc_words(box: Box) -> list[str]:
    """Return ``podman-hpc run`` (podman-run(1)), which shares nothing of the node by default. Setting a size for /dev/shm
    excludes sharing the node's."""
    node = ["--env-host", "--network=host"]
    memory = f"--shm-size={box.shm_size}" if box.shm_size else "--ipc=host"
    binds = [_build_full_bind("--volume=", bind) for bind in box.binds]
    gpus = ["--gpu"] if box.gpus else []
    words = ["podman-hpc", "run", "--rm", *node, memory, *gpus, *binds, *_build_local_words(box, '--volume="$LOCAL:$LOCAL"')]
    return [*words, Raw('--workdir="$RUN"'), *box.args, _parse_registry_name(box.image, "podman-hpc")]


def _build_shifter_words(box: Box) -> list[str]:
    """Return ``shifter``, which shows the site's file systems in every container, the run's among them; ``--volume`` is for
    others."""
    gpus = ["--module=gpu"] if box.gpus else []
    binds = [_build_full_bind("--volume=", bind) for bind in box.binds[1:]]
    return ["shifter", f"--image=docker:{_parse_registry_name(box.image, 'shifter')}", *gpus, *binds, *box.args]


def _build_pyxis_words(box: Box) -> list[str]:
    """Return flags of srun (pyxis's README); they follow its own.

    GPUs that Slurm allocates are visible without a flag. The image's variables replace those of the job that --container-env
    does not name (pyxis 0.15). Without remapping, the user keeps their uid: what the agent puts on the node's disk has it in
    its name.
    """
    image = box.image if box.image.startswith("/") else _to_enroot_name(_parse_registry_name(box.image, "pyxis"))
    mounts = ",".join(_join_bind(bind) for bind in box.binds) + "".join(_build_local_words(box, ',"$LOCAL:$LOCAL"'))
    kept = [f"--container-env={','.join(box.exports)}"] if box.exports else []
    return [f"--container-image={image}", Raw("--container-mounts=" + mounts), *kept, "--no-container-remap-root", *box.args]


def _build_short_bind(flag: str, bind: Bind) -> Raw:
    return Raw(flag + (bind.outside if bind.outside == bind.inside else _join_bind(bind)))


def _build_full_bind(flag: str, bind: Bind) -> Raw:
    return Raw(flag + _join_bind(bind))


def _join_bind(bind: Bind) -> Raw:
    return Raw(f"{bind.outside}:{bind.inside}")


def _build_local_words(box: Box, words: str) -> list[Raw]:
    """Return words about the node's own disk, which disappear in a job that has none."""
    return [Raw("${LOCAL:+" + words + "}")] if box.local else []


def _parse_registry_name(image: str, program: str) -> str:
    """Return an image's name in a registry. Raises SpecError if it is something else."""
    if not image.startswith(DOCKER):
        what = f"{program} does not run {image}"
        raise SpecError(Finding("not-an-image", "custom_docker_image", what, "name an image of a registry: docker://NAME:TAG"))
    return image[len(DOCKER) :]


def _to_enroot_name(name: str) -> str:
    """Return an image's name as enroot writes it, with the registry's host before '#' (enroot's import.md)."""
    host, _, rest = name.partition("/")
    is_host = bool(rest) and (host == "localhost" or "." in host or ":" in host)
    return f"{host}#{rest}" if is_host else name


RUNTIMES: dict[str, Callable[[Box], list[str]]] = {
    "apptainer": _build_apptainer_words,
    "singularity": _build_singularity_words,
    "podman-hpc": _build_podman_hpc_words,
    "shifter": _build_shifter_words,
    "pyxis": _build_pyxis_words,
}
