"""A container image, fetched once."""

import os
from typing import Any, Dict

from .layout import IMAGE
from .work import BuildError, StepError, Work, find

RUNTIMES = ("apptainer", "singularity")


def make(work: Work, spec: Dict[str, Any]) -> Dict[str, Any]:
    """Fetch an image. A registry's user and password come by the runtime's own variables, never from the spec."""
    runtime = next((path for path in map(find, RUNTIMES) if path), "")
    if not runtime:
        raise BuildError("there is neither apptainer nor singularity in PATH", "load its module")
    os.mkdir(work.folder, 0o700)
    try:
        work.run("fetching {}".format(spec["image"]), [runtime, "pull", os.path.join(work.folder, IMAGE), spec["image"]])
    except StepError as err:
        remedy = "is the name right, does it need a login (image_registry_details), is there a network here?"
        raise BuildError("{} can't be fetched; {}".format(spec["image"], err.what), remedy)
    return {"packages": {}, "lock": [], "tool": os.path.basename(runtime)}
