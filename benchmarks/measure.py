"""Timing and tables, shared by the benchmarks."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any


def measure_action(action: Callable[[], Any], times: int = 5) -> float:
    """Return the median time of an action in seconds."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def measure_command(*argv: str, times: int = 7, **options: Any) -> float:
    """Return the median time of a command in seconds. Raises CalledProcessError if it fails."""
    return measure_action(lambda: subprocess.run(argv, check=True, capture_output=True, **options), times)


Row = tuple[str, ...]


def report(title: str, rows: Sequence[Row]) -> None:
    """Print a table; the first row is the heading."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print(f"\n{title}")
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def format_ms(value: float) -> str:
    return f"{value * 1000:.0f} ms"


def format_ratio(value: float, rival: float) -> str:
    return f"{value / rival:.1f}x"
