"""What runs beside the process that owns the terminal."""

from __future__ import annotations

import signal
from pathlib import Path

from slurmtf.cli.beside import run_in_foreground

INTERRUPTS_ALL = """\
import os, signal, sys
os.kill(os.getppid(), signal.SIGINT)
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    open(sys.argv[1], "w").close()
"""


def test_ctrl_c_reaches_the_program_in_the_foreground_alone(tmp_path: Path) -> None:
    program, interrupted = tmp_path / "program.py", tmp_path / "interrupted"
    program.write_text(INTERRUPTS_ALL)
    before = signal.getsignal(signal.SIGINT)
    run_in_foreground(str(program), str(interrupted))
    assert interrupted.exists()
    assert signal.getsignal(signal.SIGINT) is before
