"""What the tasks of a job use on one node, sampled while they run: JSON lines, one file for each job and node."""

import json
from typing import Dict, Iterator, NamedTuple, Optional, Tuple

from ..interchange import JsonObject


class Gpu(NamedTuple):
    """One GPU at one moment: its utilization in percent, its memory in MiB."""

    busy: float = 0.0
    used_mb: float = 0.0
    total_mb: float = 0.0


class Sample(NamedTuple):
    """One moment on one node. ``series``: when the launch began there; ``cpu_s``: the CPU seconds that its processes have used
    since; ``memory``: the bytes that they hold now, without cached files. Times are in seconds since 1970."""

    time: float
    series: float
    cpu_s: float = 0.0
    memory: int = 0
    gpus: Tuple[Gpu, ...] = ()

    def to_line(self) -> bytes:
        facts: Dict[str, object] = {
            "time": round(self.time, 1),
            "series": round(self.series, 1),
            "cpu_s": round(self.cpu_s, 2),
            "memory": self.memory,
        }
        if self.gpus:
            facts["gpus"] = self.gpus
        return json.dumps(facts).encode("ascii") + b"\n"

    @classmethod
    def from_dict(cls, facts: JsonObject) -> "Sample":
        """Return what :meth:`to_line` wrote. Raises TypeError, ValueError or KeyError if the facts are not a sample."""
        gpus = tuple(Gpu(*map(float, gpu)) for gpu in facts.get("gpus", ()))
        return cls(
            float(facts["time"]), float(facts["series"]), float(facts.get("cpu_s", 0)), int(facts.get("memory", 0)), gpus
        )


def read(path: str) -> Iterator[Sample]:
    """Yield the samples of a file, skipping other lines."""
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                sample = _parse_sample(line)
                if sample:
                    yield sample
    except OSError:
        return


def _parse_sample(line: str) -> Optional[Sample]:
    try:
        return Sample.from_dict(json.loads(line))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
