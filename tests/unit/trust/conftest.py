"""A folder that every user of this machine can enter, unlike pytest's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def common() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="slurmtf-trust-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)
