"""The points of a sweep's trials.

sweep/points.jsonl           one for each trial, drawn when the sweep was submitted
sweep/asked/<trial>.json     the one that was proposed when the trial started, in place of it: linked, so that the first
proposal counts
"""

import json
import os

from . import once
from .records import Point, SweepLayout, from_json, read_points


class Points:
    """As many points as there are trials. Raises OSError or ValueError if they can't be read."""

    def __init__(self, layout: SweepLayout) -> None:
        self._drawn = read_points(layout.points)
        self._folder = layout.asked

    def __len__(self) -> int:
        return len(self._drawn)

    def get(self, trial: int) -> Point:
        """Return the point of a trial: the one that was proposed, else the one that was drawn."""
        try:
            with open(self._locate(trial), encoding="utf-8") as file:
                return from_json(Point, json.load(file))
        except (OSError, ValueError):
            return self._drawn[trial]

    def get_drawn(self, trial: int) -> Point:
        """Return the point that was drawn for a trial, whether or not it counts."""
        return self._drawn[trial]

    def is_fixed(self, trial: int) -> bool:
        """Return whether a trial's point is known, because Optuna proposed it or it continues an earlier trial."""
        return bool(self._drawn[trial].resumes) or os.path.exists(self._locate(trial))

    def propose(self, trial: int, point: Point) -> None:
        """Record the point of a trial for which none was drawn in advance; the first one counts. Raises OSError."""
        once.publish(point._asdict(), self._locate(trial))

    def _locate(self, trial: int) -> str:
        return os.path.join(self._folder, "{}.json".format(trial))
