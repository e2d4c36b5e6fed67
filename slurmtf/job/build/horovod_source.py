"""Patch Horovod's sources."""

import os
import re
from typing import Tuple

from ..contract.environments.horovod import FOR_GPUS, PATCHES, WITHOUT_XLA
from .work import BuildError


def patch(source: str, tensorflow: str, for_gpus: bool) -> None:
    """Patch the sources in a folder. Raises BuildError if a release can't be patched for this TensorFlow."""
    for one in PATCHES:
        path = os.path.join(source, one.file)
        if os.path.isfile(path):
            _write(path, _read(path).replace(one.old, one.new))
    if parse_version(tensorflow) >= WITHOUT_XLA and not for_gpus:
        _leave_xla_out(source)


def _leave_xla_out(source: str) -> None:
    path = os.path.join(source, FOR_GPUS.file)
    text = _read(path)
    if text.count(FOR_GPUS.old) != 1:
        raise BuildError("this release of Horovod can't be patched for TensorFlow 2.19 and later", "ask for horovod==0.28.1")
    _write(path, text.replace(FOR_GPUS.old, FOR_GPUS.new))


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def parse_version(text: str) -> Tuple[int, ...]:
    """Return major and minor number of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
