"""The order in which pytest-xdist hands out test files: whoever trains runs beside whoever waits for Slurm.

By itself xdist begins with the files of many tests (``--no-loadscope-reorder`` forbids that). Then those that train, of few
tests each, all came last, two at a time on two cores; and those that wait stood beside each other too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

TRAINS, WAITS, SHORT = "tensorflow", "slurm", ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        places = {path: place for place, path in enumerate(mixed(kinds(items)))}
        items.sort(key=lambda item: places[item.path])


def kinds(items: Iterable[pytest.Item]) -> dict[Path, str]:
    """What the tests of each file mostly do, by their marks."""
    marks: dict[Path, set[str]] = {}
    for item in items:
        marks.setdefault(item.path, set()).update(mark.name for mark in item.iter_markers())
    return {path: next((kind for kind in (TRAINS, WAITS) if kind in found), SHORT) for path, found in marks.items()}


def mixed(files: Mapping[Path, str]) -> Sequence[Path]:
    """Those that train and those that wait in turn, evenly; then the others, whose last ones are short, as they come."""
    lanes = {kind: [path for path, its in files.items() if its == kind] for kind in (TRAINS, WAITS)}
    placed = [((turn + 0.5) / len(lane), path) for lane in lanes.values() for turn, path in enumerate(lane)]
    others = [path for path, kind in files.items() if kind == SHORT]
    return [path for _, path in sorted(placed, key=lambda one: one[0])] + others
