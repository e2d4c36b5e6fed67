"""The converter's command line, in forked processes: what it prints, how it ends, and what happens if it is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.patience import HANG_S

CONVERTER = """
import os, signal, sys

def main():
    words = sys.argv[1:]
    print("said", *words)
    os.system("echo by a program >&2")
    if words[0] == "fails":
        raise ValueError("no such operation")
    if words[0] == "exits":
        sys.exit("usage")
    if words[0] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if words[0] == "all-killed":
        os.kill(os.getppid(), signal.SIGKILL)
    assert not sys.stdin.read()
"""
ASK = """
import json, sys
from slurmtf.models.tool.command import Command, ConverterCall
command = Command()
found = []
for word in ("works", "fails", "exits", "killed", "works", "all-killed"):
    log = f"{len(found)}.log"
    try:
        code = command(ConverterCall([word, "--opset"], log))
    except (EOFError, OSError) as err:
        code = type(err).__name__
    found.append([word, code, open(log).read()])
json.dump(found, sys.stdout)
"""


def asked(folder: Path) -> list[list[Any]]:
    (folder / "tf2onnx").mkdir()
    (folder / "tf2onnx/__init__.py").touch()
    (folder / "tf2onnx/convert.py").write_text(CONVERTER)
    environ = {"PYTHONPATH": f"{folder}:{Path(__file__).parents[4]}"}
    words = [sys.executable, "-c", ASK]
    done = subprocess.run(
        words, cwd=folder, env=environ, input="text", capture_output=True, text=True, timeout=HANG_S, check=True
    )
    assert not done.stderr
    found: list[list[Any]] = json.loads(done.stdout)
    return found


def test_each_process_has_its_own_exit_status_and_log(tmp_path: Path) -> None:
    found = asked(tmp_path)
    codes = [("works", 0), ("fails", 1), ("exits", 1), ("killed", -9), ("works", 0), ("all-killed", "EOFError")]
    assert [(word, code) for word, code, _ in found] == codes
    for word, _, log in found[:3]:
        assert "by a program" in log
        assert f"said {word} --opset" in log
    assert "ValueError: no such operation" in found[1][2]
    assert "usage" in found[2][2]
