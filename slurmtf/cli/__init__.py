"""The command line: one thin file for each command, which prints what the library returns."""

from __future__ import annotations

import gc

GARBAGE = 50_000
"""Objects that may be created before a garbage collection, instead of 700: nearly everything that a command imports lives as
long as the command, and scanning it again and again takes a tenth of its CPU time."""


def main() -> None:
    """Run the command line."""
    gc.set_threshold(GARBAGE)
    from slurmtf.cli.app import main as run  # noqa: PLC0415 - with that threshold

    try:
        run()
    finally:
        gc.freeze()  # else Python collects garbage once more at its end: a sixth of a command's CPU time


__all__ = ["main"]
