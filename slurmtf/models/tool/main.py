"""``python tool.pyz convert REQUEST...``, ``count PLAN``, ``score PLAN SHARDS [array [FIRST]]``, ``merge PLAN``,
``serve REQUEST`` and its ``work REQUEST``"""

from __future__ import annotations

import os
import sys

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}


def main() -> int:
    """Run the command in the arguments; return the exit code."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    command, *arguments = sys.argv[1:]
    if command == "convert":
        from .conversion import convert_all  # noqa: PLC0415 - TensorFlow, which scoring may do without

        return convert_all(arguments)
    if command in ("count", "score", "merge"):
        from . import scoring  # noqa: PLC0415 - numpy

        return scoring.score(arguments[0], arguments[1:]) if command == "score" else getattr(scoring, command)(arguments[0])
    if command == "serve":
        from .serving import serve  # noqa: PLC0415 - a web server

        return serve(arguments[0])
    if command == "work":
        from .answering import answer_requests  # noqa: PLC0415 - numpy

        return answer_requests(arguments[0])
    raise SystemExit(f"unknown command {command!r}")
