"""The launch of a trial: the plan's, or that of its point, with the point's arguments and variables. Pure."""

from typing import Mapping, Optional

from ..contract import variables as var
from ..contract.plan import LaunchOrder, Size
from ..contract.sweep.records import Point, build_arguments, get_launch, get_trial_folder, select_variables
from . import slots


def choose_launch(
    launches: Mapping[str, LaunchOrder], point: Point, slot_size: Optional[Size], per_element: int
) -> LaunchOrder:
    """Return how the launch of a point differs from the plan. ``slot_size`` is the plan's size in a slot; None without slots.
    In one of ``per_element`` slots, the launch gets the slot's part of the node."""
    launch = get_launch(launches, point.values)
    if slot_size is None:
        return launch
    return launch._replace(size=slots.compute_slot_size(launch.size, per_element) if launch.size else slot_size)


def build_order(launch: LaunchOrder, point: Point, trial: int, attempt: int, resume_from: str) -> LaunchOrder:
    """Return a launch with what an attempt of a trial adds to it; ``resume_from`` is empty if it begins anew."""
    resume = ("--resume-from", resume_from) if resume_from else ()
    own = {var.SLURMTF_TRIAL: str(trial), var.SLURMTF_ATTEMPT: str(attempt + 1)}
    return launch._replace(
        arguments=(*build_arguments(point.values), *resume),
        variables=dict(select_variables(point.values), **own),
        folder=get_trial_folder(trial),
        last=False,
    )
