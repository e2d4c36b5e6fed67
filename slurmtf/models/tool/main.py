"""``python tool.pyz convert REQUEST...``, ``python tool.pyz score PLAN [FIRST]``"""

from __future__ import annotations

import os
import sys

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}


def main() -> int:
    """Do what the arguments ask for; return the exit code."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    command, *arguments = sys.argv[1:]
    if command == "convert":
        from .conversion import convert_all  # noqa: PLC0415 - TensorFlow, which scoring may do without

        return convert_all(arguments)
    raise SystemExit(f"unknown command {command!r}")
