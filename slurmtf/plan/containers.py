"""How a task gets into a container: one small function for each program that runs them.

A runtime returns the words that stand between the launcher's and the task's own command: the supervisor and the launcher stay
outside, so that an image needs a Python 3 and nothing of Slurm. The words are the script's: ``$RUN``, ``$IMAGE`` and ``$LOCAL``
are set there.
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
from slurmtf.findings import Finding, warning
from slurmtf.job.contract import variables as var
from slurmtf.plan.launchers import is_step
from slurmtf.plan.model import Container, Resources, RunPlace
from slurmtf.plan.quoting import Raw, expanding, quote
from slurmtf.sites.model import Site

GPU_FLAGS = {"nvidia": "--nv", "amd": "--rocm"}
SHARE_MEMORY = ("apptainer", "singularity", "pyxis", "shifter")
"""Runtimes whose containers have the node's /dev/shm, whatever its size."""
NOT_BOUND = {"pyxis": r'[:,\s"$`\\]'}
"""What parts folders where they are bound. pyxis writes them into a shell script, in quotes, which makes an fstab of them."""


class Bind(NamedTuple):
    """A folder of the node, and where the container has it; both as the script writes them."""

    outside: Raw
    inside: Raw


@dataclass(frozen=True)
class Box:
    """What a runtime needs to know: the image, the folders to bind, the names of the variables that the script exports and the
    image shall not replace, the vendor of the GPUs, the site's own arguments."""

    image: str
    binds: tuple[Bind, ...]
    exports: tuple[str, ...]
    local: bool
    gpus: str
    shm_size: str | None
    args: tuple[str, ...]


def container_of(
    estimator: Estimator,
    site: Site,
    software: Software,
    place: RunPlace,
    resources: Resources,
    launcher: str,
    exports: Iterable[str],
) -> Container | None:
    """Return the container of the tasks; None: they run as they are. ``exports`` are the variables that the script sets.

    Raises SpecError when the launcher or the runtime can't serve it, or a folder can't be bound.
    """
    if not software.image or software.is_untold:
        return None
    if software.runtime == "pyxis" and not is_step(launcher):
        what = f"pyxis starts containers by flags of srun; {launcher!r} does not know them"
        raise SpecError(Finding("launcher-without-containers", "launcher", what, "set `launcher=srun`"))
    box = Box(
        image=software.image,
        binds=(*_binds(site, place, software.runtime), *_binds_of_data(estimator, software.runtime)),
        exports=tuple(name for name in exports if name != var.PATH),
        local=bool(site.storage.local),
        gpus=site.gpu.vendor if resources.gpus_per_node else "",
        shm_size=estimator.shm_size,
        args=tuple(site.containers.args),
    )
    return Container(software.runtime, software.image, tuple(RUNTIMES[software.runtime](box)))


def _binds(site: Site, place: RunPlace, runtime: str) -> Iterable[Bind]:
    """Yield the folders that a container sees: the run's own, with source and outputs in it, and the site's."""
    _check_bound(place.folder, runtime, "workspace", "use a workspace without it (--workspace)")
    yield Bind(Raw('"$RUN"'), Raw('"$RUN"'))
    for given in site.containers.binds:
        outside, _, inside = given.partition(":")
        yield Bind(expanding(outside), expanding(inside or outside))


def _binds_of_data(estimator: Estimator, runtime: str) -> Iterable[Bind]:
    """Yield where the inputs lie: the agent, which copies some of them, is in the container too."""
    for item in estimator.inputs or ():
        path = str(item.path)
        _check_bound(path, runtime, "inputs", "use a path without it")
        yield Bind(quote(path), quote(path))


def _check_bound(path: str, runtime: str, where: str, remedy: str) -> None:
    found = re.search(NOT_BOUND.get(runtime, "[:,]"), path)
    if found:
        what = f"{path} can't be bound into a container: {runtime} does not take {found[0]!r} in a folder's name"
        raise SpecError(Finding("unbindable-path", where, what, remedy))


def findings(estimator: Estimator, software: Software) -> Iterable[Finding]:
    """Check that what is asked of a container is asked of one."""
    for name in ("image_registry_details", "shm_size"):
        if getattr(estimator, name) and not software.image:
            yield Finding(
                "image-setting-alone",
                name,
                "is set, but no container image",
                f"set `custom_docker_image`, or leave `{name}` out",
            )


def warnings(estimator: Estimator, software: Software) -> Iterable[Finding]:
    """Yield each warning."""
    if estimator.shm_size and software.runtime in SHARE_MEMORY:
        yield warning(
            "shm-size", f"with {software.runtime} a container has the node's whole /dev/shm: `shm_size` has no effect"
        )


def _apptainer(box: Box) -> list[str]:
    """``apptainer exec`` passes the environment on and lets the node's processes, network and /dev be seen."""
    gpus = [GPU_FLAGS[box.gpus]] if box.gpus else []
    binds = [_short("--bind=", bind) for bind in box.binds]
    return ["apptainer", "exec", *gpus, *binds, *_of_local(box, '--bind="$LOCAL"'), *box.args, Raw('"$IMAGE"')]


def _singularity(box: Box) -> list[str]:
    """The older name, and the same words."""
    return ["singularity", *_apptainer(box)[1:]]


def _podman_hpc(box: Box) -> list[str]:
    """podman run (podman-run(1)): nothing of the node is there unless asked for. A size of /dev/shm excludes the node's own."""
    node = ["--env-host", "--network=host"]
    memory = f"--shm-size={box.shm_size}" if box.shm_size else "--ipc=host"
    binds = [_long("--volume=", bind) for bind in box.binds]
    gpus = ["--gpu"] if box.gpus else []
    words = ["podman-hpc", "run", "--rm", *node, memory, *gpus, *binds, *_of_local(box, '--volume="$LOCAL:$LOCAL"')]
    return [*words, Raw('--workdir="$RUN"'), *box.args, _registry_name(box.image, "podman-hpc")]


def _shifter(box: Box) -> list[str]:
    """Shifter shows the site's own file systems in each container, the run's among them; ``--volume`` is for others."""
    gpus = ["--module=gpu"] if box.gpus else []
    binds = [_long("--volume=", bind) for bind in box.binds[1:]]
    return ["shifter", f"--image=docker:{_registry_name(box.image, 'shifter')}", *gpus, *binds, *box.args]


def _pyxis(box: Box) -> list[str]:
    """Flags of srun (pyxis's README): they end its own. The GPUs that Slurm gives are seen without being asked for.

    The image's variables replace those of the job that --container-env does not name (pyxis 0.15). Without remapping the user
    stays who he is: what the agent puts on the node's disk has his number in its name.
    """
    image = box.image if box.image.startswith("/") else _enroot(_registry_name(box.image, "pyxis"))
    mounts = ",".join(_pair(bind) for bind in box.binds) + "".join(_of_local(box, ',"$LOCAL:$LOCAL"'))
    kept = [f"--container-env={','.join(box.exports)}"] if box.exports else []
    return [f"--container-image={image}", Raw("--container-mounts=" + mounts), *kept, "--no-container-remap-root", *box.args]


def _short(flag: str, bind: Bind) -> Raw:
    return Raw(flag + (bind.outside if bind.outside == bind.inside else _pair(bind)))


def _long(flag: str, bind: Bind) -> Raw:
    return Raw(flag + _pair(bind))


def _pair(bind: Bind) -> Raw:
    return Raw(f"{bind.outside}:{bind.inside}")


def _of_local(box: Box, words: str) -> list[Raw]:
    """Return the words for the node's own disk, which go away in a job that has none."""
    return [Raw("${LOCAL:+" + words + "}")] if box.local else []


def _registry_name(image: str, program: str) -> str:
    """Return an image's name in a registry. Raises SpecError when it is something else."""
    if not image.startswith(DOCKER):
        what = f"{program} does not run {image}"
        raise SpecError(Finding("not-an-image", "custom_docker_image", what, "name an image of a registry: docker://NAME:TAG"))
    return image[len(DOCKER) :]


def _enroot(name: str) -> str:
    """Return an image's name as enroot writes it: the registry's host before '#' (enroot's import.md)."""
    host, _, rest = name.partition("/")
    is_host = bool(rest) and (host == "localhost" or "." in host or ":" in host)
    return f"{host}#{rest}" if is_host else name


RUNTIMES: dict[str, Callable[[Box], list[str]]] = {
    "apptainer": _apptainer,
    "singularity": _singularity,
    "podman-hpc": _podman_hpc,
    "shifter": _shifter,
    "pyxis": _pyxis,
}
