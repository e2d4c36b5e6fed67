"""The script of docs/metrics.md, run as a job; what the page says about its metrics."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from slurmtf import Run
from tests.patience import HANG_S
from tests.unit.cli.documents import documented

from .jobs import NewJob

SLURMTF = Path(sys.executable).with_name("slurmtf")
PAGE = Path(__file__).parents[3] / "docs/metrics.md"


def test_the_script_of_the_page_logs_the_metrics_shown(job: NewJob) -> None:
    script, *_ = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    one = job(script)
    assert one.run() == 0, one.log()
    run = Run(one.folder)
    assert run.tags == {"converged": "yes"}
    assert run.get_metrics() == {
        "loss": [1 / (epoch + 1) for epoch in range(10)],
        "layers": [64, 32],
        "best": {"epoch": [9], "loss": [0.1]},
        "curve": {"epoch": [0, 1], "loss": [1.0, 0.5]},
    }
    shown = [words for page, words in documented() if page == PAGE.name and words.startswith("metrics ")]
    assert len(shown) >= 2
    for words in shown:
        call = [str(SLURMTF), *(str(one.folder) if word == "last" else word for word in shlex.split(words))]
        done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=HANG_S)
        assert (done.returncode, "loss" in done.stdout) == (0, True), (words, done.stderr)
