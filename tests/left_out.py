"""What pytest left out, in one line: its own list of reasons may be long.

.venv/bin/python -m tests.left_out REPORT
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

SKIPPED = re.compile(r"^SKIPPED \[(\d+)\] \S+ (.*)$", re.MULTILINE)
"""One line of pytest's short summary (``-rs``): how many tests, where, and the reason, which says what brings them in."""
MOST_REASONS = 3
WIDTH = 400


def left_out(report: str) -> str:
    """Return how many tests were skipped, and why most of them were; empty when none was."""
    reasons: Counter[str] = Counter()
    for count, reason in SKIPPED.findall(report):
        reasons[reason.strip()] += int(count)
    if not reasons:
        return ""
    parts = [f"{reason} ({count})" for reason, count in reasons.most_common(MOST_REASONS)]
    others = sum(reasons.values()) - sum(count for _, count in reasons.most_common(MOST_REASONS))
    parts += [f"other reasons ({others})"] if others else []
    return f"left out: {sum(reasons.values())} tests; what brings them in: {'; '.join(parts)}"[:WIDTH]


if __name__ == "__main__":
    print(left_out(Path(sys.argv[1]).read_text(encoding="utf-8", errors="replace")))
