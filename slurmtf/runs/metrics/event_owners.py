"""Attribute event files to tasks: to the task named by a file's folder, or whose process wrote the file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from os.path import relpath
from pathlib import PurePath
from typing import NamedTuple

from slurmtf.job.contract import plan
from slurmtf.job.contract.attempt import journal
from slurmtf.job.contract.attempt.events import TaskStarted
from slurmtf.job.contract.layout import RunLayout
from slurmtf.job.contract.metrics.event_files import EventFile
from slurmtf.job.contract.roles import Role, assign_roles, choose_chief
from slurmtf.job.contract.sweep.records import SweepLayout, get_launch, read_launches, select_settings

RANK_FOLDER = re.compile(r"rank[-_]?([0-9]{1,6})")
WRITER = re.compile(r".*tfevents\.[0-9]+\.(?P<host>.+)\.(?P<pid>[0-9]+)\.[0-9]+(\.[A-Za-z]\w*)*")
"""The name of an event file (TensorBoard's event_file_writer.py, TensorFlow's summary_file_writer.cc)."""
TF1_WRITER = re.compile(r".*tfevents\.[0-9]+\.(?P<host>.+)")
"""The name of an event file written by TensorFlow 1 (core/util/events_writer.cc)."""


class Writer(NamedTuple):
    """The writer of an event file, according to its name; ``pid`` is 0 if the name does not contain it."""

    host: str
    pid: int


def parse_writer(name: str) -> Writer | None:
    """Return the writer of the event file called ``name``; None if the name does not say."""
    with_pid = WRITER.fullmatch(name)
    if with_pid:
        return Writer(with_pid["host"], int(with_pid["pid"]))
    found = TF1_WRITER.fullmatch(name)
    return Writer(found["host"], 0) if found else None


def find_named_task(folders: Iterable[str], roles: Sequence[Role]) -> str | None:
    """Return the task that one of the folders is named after: ``worker-1``, or ``rank-1``, ``rank_1``, ``rank1``; else None."""
    labels = {role.label: role.label for role in roles}
    for folder in folders:
        rank = RANK_FOLDER.fullmatch(folder)
        if folder in labels:
            return folder
        if rank and int(rank[1]) < len(roles):
            return roles[int(rank[1])].label
    return None


def find_starter(writer: Writer, started: Iterable[TaskStarted]) -> str | None:
    """Return the task whose process is the writer, else the only task on its host; None if neither is certain."""
    known = list(started)
    here = [one for one in known if _shorten_host(one.host) == _shorten_host(writer.host)]
    processes = {one.task for one in here or known if one.pid and one.pid == writer.pid}
    if len(processes) == 1:
        return processes.pop()
    tasks = {one.task for one in here}
    return tasks.pop() if len(tasks) == 1 else None


def _shorten_host(host: str) -> str:
    return host.partition(".")[0]


NO_POINT: Mapping[str, object] = {}


class Owners:
    """Attributes event files to the tasks of a run; those that can't be attributed go to the chief.

    ``point`` has the parameters of a sweep's trial, whose tasks may differ from the plan's.
    """

    def __init__(self, layout: RunLayout, point: Mapping[str, object] = NO_POINT) -> None:
        self._layout = layout
        self._point = dict(point)

    @cached_property
    def _plan(self) -> plan.JobPlan | None:
        try:
            launches = read_launches(SweepLayout(self._layout.folder).launches) if select_settings(self._point) else {}
            return plan.read(self._layout.plan).with_launch(get_launch(launches, self._point))
        except (OSError, ValueError, TypeError, LookupError):
            return None

    @cached_property
    def chief(self) -> str:
        """The task whose metrics are the run's; "main-0" if the plan can't be read."""
        return choose_chief(self._plan).label if self._plan and self._roles else "main-0"

    @cached_property
    def _roles(self) -> list[Role]:
        return assign_roles(self._plan) if self._plan else []

    def find_task(self, file: EventFile) -> str:
        """Return the name of the task that an event file belongs to, by its folder or its writer; else the chief's."""
        if file.task or len(self._roles) < 2:
            return file.task or self.chief
        *folders, name = PurePath(relpath(file.path, self._layout.folder)).parts
        return find_named_task(folders, self._roles) or self._find_task_by_writer(name) or self.chief

    def _find_task_by_writer(self, name: str) -> str | None:
        writer = parse_writer(name)
        records = (record for attempt in journal.read_attempts(self._layout) for record in attempt.records)
        started = [record.event for record in records if isinstance(record.event, TaskStarted)]
        return find_starter(writer, started) if writer else None
