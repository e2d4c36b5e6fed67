"""``agent.pyz supervise`` in the batch step, ``task`` in each task, ``spawn`` for several tasks on one machine.

``slot`` is a child of ``supervise``, where an element of a sweep works on several trials at once.

``stage``, ``return`` and ``remove`` are children of a task, which fill a folder on the node's own disk, copy results back from
it, and remove it. ``clear`` removes what tasks have kept there for a launch that did not come. ``build``, ``fetch``,
``horovod`` and ``pack`` build environments: see ``build/main.py``.
"""

import os
import sys
from typing import List

from .contract import plan
from .contract.layout import RunLayout

USAGE = "usage: agent.pyz supervise PLAN -- LAUNCH... | agent.pyz spawn COUNT -- TASK... | agent.pyz task -- COMMAND..."


def main(argv: List[str], archive: str) -> int:
    """Run the mode that the batch script asks for and return the exit status."""
    mode, words = (argv[0], argv[1:]) if argv else ("", [])
    if mode in ("supervise", "slot") and "--" in words:
        end = words.index("--")
        folder = os.path.dirname(os.path.abspath(words[end - 1]))
        of_slot = tuple(map(int, words[: end - 1]))
        return (
            _supervise_slot(folder, words[end + 1 :], *of_slot)
            if of_slot
            else _supervise(folder, words[end + 1 :], [archive, *argv])
        )
    if mode == "spawn" and words[1:2] == ["--"]:
        from .supervisor.spawn import spawn

        return spawn(int(words[0]), words[2:])
    if mode == "task" and words[:1] == ["--"]:
        return _run_task(RunLayout(os.path.dirname(os.path.abspath(archive))), words[1:])
    if (mode in ("stage", "return", "remove") and len(words) == 1) or mode == "clear":
        return _run_staging(mode, RunLayout(os.path.dirname(os.path.abspath(archive))), words)
    if mode in ("build", "fetch", "horovod", "pack"):
        from .build.main import main as build

        return build(argv)
    sys.stderr.write(USAGE + "\n")
    return 2


def _supervise(folder: str, words: List[str], argv: List[str]) -> int:
    from .supervisor.allocation import Allocation

    layout = RunLayout(folder)
    known = plan.read(layout.plan)
    if not known.sweep:
        return Allocation(known, layout, os.environ).run(words)
    from .contract.sweep.records import SweepLayout, read_settings
    from .sweep import slots
    from .sweep.trials import Trials

    at_once = read_settings(SweepLayout(layout.folder).settings).per_element
    if at_once > 1:
        return slots.start(argv, at_once)
    return Allocation(known, layout, os.environ, Trials(known, layout, os.environ)).run(words)


def _supervise_slot(folder: str, words: List[str], number: int, count: int) -> int:
    from .supervisor.allocation import Allocation
    from .sweep import slots
    from .sweep.trials import Trials

    known, layout = plan.read(RunLayout(folder).plan), slots.build_slot_layout(folder, number)
    environ = slots.build_slot_environ(known, number, count, os.environ)
    slots.bind(known, number, count, environ)
    own = slots.build_slot_plan(known, count)
    return Allocation(own, layout, environ, Trials(own, layout, environ, number)).run(words)


def _run_task(layout: RunLayout, command: List[str]) -> int:
    from .task.task import Task

    return Task(plan.read(layout.plan), layout, os.environ).run(command)


def _run_staging(mode: str, layout: RunLayout, words: List[str]) -> int:
    from .staging import on_node, staging

    if mode == "clear":
        return on_node.clear(plan.read(layout.plan), os.environ)
    modes = {"stage": staging.stage, "return": staging.send_back, "remove": staging.remove}
    return modes[mode](plan.read(layout.plan), layout, words[0])


def run_guarded() -> None:
    """Run main; trouble of our own is told in one line, with its traceback only for the unexpected."""
    try:
        sys.exit(main(sys.argv[1:], sys.argv[0]))
    except (OSError, plan.PlanError) as err:
        sys.stderr.write("slurmtf: {}\n".format(err))
        sys.exit(1)
