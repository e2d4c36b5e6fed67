"""One run of a task's script: how it is started, and what is recorded while it runs."""

import os
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from ..common.process import Child
from ..contract.attempt.job_log import get_size
from ..contract.attempt.outcome import End
from ..contract.layout import RunLayout
from ..contract.life import Stall
from ..contract.plan import JobPlan, LaunchOrder
from ..contract.roles import Role
from ..staging import workdir
from . import stacks
from .activity import Activity
from .environment import TaskEnvironment
from .log_clock import LogClock
from .sampling import Sampler


class Script(NamedTuple):
    """A script that can be started. ``layout`` is that of its launch, ``label`` the name of its task there."""

    words: List[str]
    folder: str
    variables: Dict[str, str]
    layout: RunLayout
    label: str

    @property
    def logs(self) -> Tuple[str, str]:
        return get_logs(self.layout, self.label)

    @property
    def notice(self) -> str:
        """The file that notifies the script that it will be ended."""
        return self.layout.notice(self.label)

    def get_log_positions(self) -> List[int]:
        """Return the positions in the logs where its output will begin."""
        return [get_size(log) for log in self.logs]

    def start(self, ignored: int) -> Child:
        """Start it. ``ignored``: a signal that is ignored until the script handles it. Raises OSError."""
        return Child(self.words, self.folder, self.variables, self.logs, ignored)

    def note_failed_start(self, err: OSError) -> End:
        """Write to its log why it could not be started; return the end that a shell would report."""
        with open(self.logs[1], "a", encoding="utf-8", errors="surrogateescape") as log:
            log.write("slurmtf: can't start {}: {}\n".format(err.filename or self.words[0], err.strerror))
        return to_end(err)

    def ask_for_stacks(self, child: Child) -> None:
        stacks.ask(child.pid, self.layout.stacks(self.label), self.variables)


def prepare(
    plan: JobPlan,
    layout: RunLayout,
    role: Role,
    start: Mapping[str, object],
    staged: Mapping[str, object],
    command: Sequence[str],
    inherited: Mapping[str, str],
) -> Script:
    """Prepare the script of a task. ``start`` is the supervisor's start message; ``staged``: what is on the node's own disk."""
    order = LaunchOrder.from_dict(start.get("launch", {}))
    own = layout.launch(order.folder)
    create_log_folder(own)
    environment = TaskEnvironment(plan, layout, role, start, staged, order)
    if order.folder:
        workdir.link(environment.source, environment.work, own)
    words = environment.expand_command([*(order.command or command), *order.arguments])
    return Script(words, environment.work, environment.build_variables(inherited), own, role.label)


def create_log_folder(layout: RunLayout) -> None:
    """Create the folder of a launch's logs."""
    os.makedirs(layout.logs, mode=0o700, exist_ok=True)


def get_logs(layout: RunLayout, label: str) -> Tuple[str, str]:
    """Return the paths of a task's logs."""
    return layout.task_log(label, "out"), layout.task_log(label, "err")


def to_end(err: OSError) -> End:
    """Return the end of a script that could not be started, as a shell reports it."""
    return End(126 if isinstance(err, PermissionError) else 127)


class Watch:
    """Records what a script does. ``sampler``: samples the node, if this task does so for all."""

    def __init__(self, script: Script, stall: Stall, sampler: Optional[Sampler]) -> None:
        self._clock = LogClock(script.layout.log_clock(script.label), script.logs)
        self._activity = Activity(stall, (*script.logs, script.layout.task_metrics(script.label)))
        self._sampler = sampler

    def tick(self, pid: int) -> bool:
        """Record what is due; return whether the script has done something that keeps it from counting as stalled."""
        self._clock.note()
        if self._sampler:
            self._sampler.tick()
        return self._activity.is_new(pid)

    def end(self) -> None:
        if self._sampler:
            self._sampler.end()
