"""The converter's command line, each time in a separate process that need not import TensorFlow again."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import NamedTuple, NoReturn

from tf2onnx import convert

TIMEOUT_S = 3600


class ConverterCall(NamedTuple):
    """The arguments of ``python -m tf2onnx.convert``, and the file for its output."""

    words: Sequence[str]
    log: str


class Command:
    """Processes forked from one that has only imported the converter: TensorFlow must not be forked once it has run."""

    def __init__(self) -> None:
        """Fork that process, which ends with this one. Call it before TensorFlow runs anything."""
        self._line, theirs = Pipe()
        if os.fork() == 0:
            self._line.close()
            _answer(theirs)
        theirs.close()

    def __call__(self, asked: ConverterCall) -> int:
        """Run the command and return its exit code; -N: ended by signal N. Raises EOFError or OSError if it can't be run."""
        self._line.send(asked)
        code: int = self._line.recv()
        return code


def _answer(line: Connection) -> NoReturn:
    try:
        while True:
            line.send(_run(line.recv()))
    except (EOFError, OSError):
        os._exit(0)


def _run(asked: ConverterCall) -> int:
    process = os.fork()
    if process == 0:
        _convert(asked)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _convert(asked: ConverterCall) -> NoReturn:
    code = 1
    try:
        signal.alarm(TIMEOUT_S)
        _redirect_output(asked.log)
        sys.argv = ["tf2onnx.convert", *asked.words]
        convert.main()
        code = 0
    except BaseException:  # the converter's, of any kind; SystemExit of its argument parser
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect_output(log: str) -> None:
    """Redirect standard output and error, including TensorFlow's, to a file; there is no input."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for source, target in ((nothing, 0), (file, 1), (file, 2)):
        os.dup2(source, target)
