"""What the trial that runs just now has logged of the primary metric: read from its own file, as it grows."""

import os
from typing import List, Set

from ..contract import metrics


class Progress:
    """Reads one trial's metrics. ``resumes``: what earlier attempts logged counts too."""

    def __init__(self, path: str, metric: str, resumes: bool) -> None:
        self._path = path
        self._metric = metric
        self._offset = 0 if resumes or not os.path.exists(path) else os.path.getsize(path)
        self.values: List[float] = []
        self.names: Set[str] = set()

    def read_new(self) -> List[float]:
        """Return the values that have come since."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        found = [value for line in whole.split(b"\n") for value in self._of(line)]
        self.values.extend(found)
        return found

    def _of(self, line: bytes) -> List[float]:
        entry = metrics.from_line(line) if line else None
        if entry is None:
            return []
        values = entry.value if isinstance(entry.value, (list, tuple)) else [entry.value]
        numbers = [float(value) for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
        if entry.name != self._metric:
            self.names.update([entry.name] if numbers else [])
            return []
        return numbers
