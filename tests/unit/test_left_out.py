"""scripts/test says in one line what it left out, and what brings it in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.left_out import WIDTH, left_out

ROOT = Path(__file__).parents[2]
TREE = "no tree of another Debian: apt-get install debootstrap"
SLURM = "no Slurm here: apt-get install slurmctld"


@pytest.mark.parametrize(
    ("report", "line"),
    [
        ("", ""),
        ("7,182 passed in 33 minutes\n", ""),
        (f"SKIPPED [3] tests/a.py:7: {TREE}\n", f"left out: 3 tests; what brings them in: {TREE} (3)"),
        (
            f"SKIPPED [1] tests/a.py:7: {SLURM}\nSKIPPED [2] tests/b.py:9: {TREE}\nSKIPPED [1] tests/c.py: {TREE}\n",
            f"left out: 4 tests; what brings them in: {TREE} (3); {SLURM} (1)",
        ),
        (
            "\n".join(f"SKIPPED [{number}] tests/a.py:{number}: reason {number}" for number in (1, 5, 4, 3, 2)),
            "left out: 15 tests; what brings them in: reason 5 (5); reason 4 (4); reason 3 (3); other reasons (3)",
        ),
    ],
)
def test_what_was_left_out_is_told_in_one_line(report: str, line: str) -> None:
    assert left_out(report) == line


def test_a_long_reason_does_not_make_it_long() -> None:
    line = left_out(f"SKIPPED [1] tests/a.py:7: {'x' * 9000}\n")
    assert (len(line), "\n" in line) == (WIDTH, False)


def test_it_reads_what_pytest_writes(tmp_path: Path) -> None:
    """pytest's own words, in the way in which scripts/test has them written."""
    text = f"import pytest\n@pytest.mark.parametrize('n', range(3))\ndef test_it(n): pytest.skip({TREE!r})\n"
    (tmp_path / "test_it.py").write_text(text, encoding="utf-8")
    flags = ["-q", "-rs", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run([sys.executable, "-m", "pytest", *flags], check=True, capture_output=True, text=True, cwd=tmp_path)
    (tmp_path / "report").write_text(done.stdout, encoding="utf-8")
    command = [sys.executable, "-m", "tests.left_out", str(tmp_path / "report")]
    output = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert output == f"left out: 3 tests; what brings them in: {TREE} (3)\n"


def test_scripts_test_says_it() -> None:
    assert '-m tests.left_out "$report"' in (ROOT / "scripts" / "test").read_text(encoding="utf-8")
