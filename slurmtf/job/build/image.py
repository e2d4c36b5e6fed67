"""Fetch a container image, once."""

import hashlib
import os
from typing import Dict

from ..contract.environments.store import IMAGE
from .installer import explain_failure
from .work import BuildError, Spec, StepError, Work, find

RUNTIMES = ("apptainer", "singularity")
MEANINGS = (
    (r"authentication required|unauthorized|denied",
     "the registry wants a login, or there is no such image", "is the name right? Set image_registry_details"),
    (r"manifest unknown|name unknown|not found", "the registry has no such image", "are name and tag right?"),
    (r"no such host|connection refused|i/o timeout|network is unreachable|timeout exceeded",
     "the registry can't be reached from here", "fetch it where there is a network: 'slurmtf env build' on a login node"),
    (r"no space left on device|disk quota exceeded",
     "the disk or your quota is full", "free some space, or keep images elsewhere (the profile's environments.folder)"),
)  # fmt: skip


def build(work: Work, spec: Spec) -> Dict[str, object]:
    """Fetch an image. A registry's user and password come by the runtime's own variables, never from the spec."""
    runtime = next((path for path in map(find, RUNTIMES) if path), "")
    if not runtime:
        raise BuildError(
            "there is neither apptainer nor singularity in PATH", "name its module in containers.modules of the profile"
        )
    os.mkdir(work.folder, 0o700)
    try:
        work.run("fetching {}".format(spec["image"]), [runtime, "pull", os.path.join(work.folder, IMAGE), spec["image"]])
    except StepError as err:
        raise explain_failure(err, MEANINGS)
    lock = ["{} sha256:{}".format(IMAGE, _compute_digest(os.path.join(work.folder, IMAGE)))]
    return {"packages": {}, "lock": lock, "tool": os.path.basename(runtime)}


def _compute_digest(path: str) -> str:
    """Return a hash that distinguishes this image from what a registry has under the same tag at another time."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
