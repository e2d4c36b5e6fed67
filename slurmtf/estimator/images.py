"""Check the settings of a container image other than its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from slurmtf.errors import suggest
from slurmtf.findings import Finding

DOCKER = "docker://"
"""The prefix of an image's name in a registry."""
LOGIN = ("address", "username", "password")


def check_image_settings(details: object, size: object) -> Iterable[Finding]:
    """Yield what is wrong with a registry's login (image_registry_details) and the size of /dev/shm (shm_size)."""
    if details is not None and not (isinstance(details, Mapping) and all(isinstance(v, str) for v in details.values())):
        remedy = "write {'address': ..., 'username': ..., 'password': ...}"
        yield Finding("bad-login", "image_registry_details", "is not a mapping of strings", remedy)
    else:
        for name in sorted(set(details or {}) - set(LOGIN)):
            yield Finding(
                "bad-login",
                f"image_registry_details[{name!r}]",
                "is unknown",
                suggest(name, LOGIN) or f"use {', '.join(LOGIN)}",
            )
        if bool((details or {}).get("username")) != bool((details or {}).get("password")):
            yield Finding("bad-login", "image_registry_details", "has one of username and password", "set both, or neither")
    if size is not None and not re.fullmatch(r"[1-9]\d*[bkmg]?", str(size).lower()):
        yield Finding("bad-size", "shm_size", f"{size!r} is not a size", "write it as 8g or 512m")
