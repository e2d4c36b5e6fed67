"""The command line: one thin command a file; it prints what the library returns."""

from __future__ import annotations

from slurmtf.cli.app import main

__all__ = ["main"]
