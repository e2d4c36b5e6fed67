"""Find the error that ended a script in the last traceback of its log: its message, its causes, its origin. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from slurmtf.diagnosis.rules import CASCADES
from slurmtf.job.contract.attempt.log_excerpt import LONGEST_LINE, Failure, find_failure

START = "Traceback (most recent call last):"
TRACES = re.compile(r"Traceback \(most recent|Fatal Python error: |(?:Error|Exception)(?: \(see above for traceback\))?: ")
"""The beginning or end of every error that Python reports."""
CAUSED = "The above exception was the direct cause of the following exception:"
MEANWHILE = "During handling of the above exception, another exception occurred:"
FRAME = re.compile(r'  File "([^"]+)", line \d+.*\n(?:    +(\S.*))?', re.MULTILINE)
INSTALLED = re.compile(
    r"(^|/)(site-packages|dist-packages|lib/python\d[\d.]*|python\d+\.zip)/|^<|^(?!/).*\.pyx$|/__autograph_generated_file"
)
MODULE_FRAME = re.compile(r'\s*  File "[^"]+", line \d+, in (?:<module>|_run_module_as_main)\n')
PLACE = re.compile(r'(?m)^ *File "([^"]+)", line \d+(?:, in (.+))?$')
RAISES = re.compile(r"(?:.*[:;]\s*)?(?:raise|assert) ")
PROGRESS = re.compile(r"(?m)^\W{0,3}(?:global )?(?:[Ee]poch|[Ss]tep|[Ii]ter(?:ation)?|[Bb]atch)\b\W{0,3}\d(?!.*%\|).*$")
"""A line that shows training progress. A progress bar (tqdm) does not: it is written once more on closing, even after an
error."""
TYPE = re.compile(r"(?:\w+\.)*(\w+)(?: \(see above for traceback\))?(?::|$)")
SCRIPT_ERRORS = re.compile(
    r"(?:\w*(?:Value|Type|Key|Index|Attribute|Validation|[Cc]onfiguration|Parameter|Typing|Usage)|Name|UnboundLocal|Assertion|ZeroDivision|Overflow|FloatingPoint|Arithmetic|Recursion"
    r"|NotImplemented|Lookup|FileNotFound|FileExists|IsADirectory|NotADirectory|Permission\w*|Tcl|Unicode\w*|Syntax"
    r"|Indentation|Tab|\w*Pars\w+|Scanner|\w*Decode|\w*Encode|(?:Un)?[Pp]ickling|NotFound|DataLoss|OutOfRange|Invalid\w*"
    r"|FailedPrecondition|AlreadyExists|Unimplemented|Arg\w*|Config\w*|\w*Shape\w*|Dimension\w*|Schema"
    r"|Format|Missing\w*|Unsupported\w*|LinAlg|Axis|UFunc\w*|\w*UFuncNoLoop|Concretization\w*|\w*Tracer\w*|NotFitted"
    r"|Import|ModuleNotFound|HDF5Ext|Integrity|Programming|Staging|OperatorNotAllowedInGraph|InaccessibleTensor)"
    r"(?:Error|Exception)?$|(?:\w*Warning|StopIteration|Bad\w+File|UnidentifiedImageError)$"
)
"""Types of errors that a script or its data causes, such as an impossible request to a library."""
CALL_ERRORS = re.compile(
    r"(?:flax\.errors|pandas\.errors|omegaconf\.errors|hydra\.errors|sklearn\.exceptions|absl\.flags\.\w+|configparser|tarfile|csv"
    r"|zlib|lzma|struct|re|binascii|getopt|shutil|yaml(?:\.\w+)?|jinja2\.exceptions)\.\w+(?::|$)"
    r"|(?:pandas\._libs|scipy|numpy\.(?:core\._)?exceptions|click\.exceptions|numba\.core\.errors)\.(?!_ArrayMemory)[\w.]+(?::|$)"
    r"|(?:\w+\.)*(?:Xla|Jax)RuntimeError: INVALID_ARGUMENT"
    r"|(?:sqlite3\.)?OperationalError: (?:no such (?:table|column)|near \")|EOFError: \S"
    r"|(?:lightgbm|xgboost|catboost|_catboost|optuna|networkx|polars|pyarrow|librosa|nibabel|pydicom|gym(?:nasium)?|patsy"
    r"|statsmodels|imblearn|keras_tuner|albumentations|skimage)(?:\.\w+)*: (?!(?i:.*\b(?:CUDA|GPU|OpenCL|device|driver|memory"
    r"|bad_alloc|connect\w*|socket|network|timed? ?out|internal|unknown error)\b))"
    r"|cv2\.error: .*(?:Assertion failed|\(-\d+:Bad)"
)
"""Errors of pure Python libraries, or about data, that are raised if a request makes no sense."""
PYTHON_PACKAGES = re.compile(
    r"(?:^|/)(?:site|dist)-packages/(?:tensorflow|tensorflow_estimator|keras|tf_keras|h5py/_hl|numpy|pandas|scipy|sklearn|matplotlib)/"
)
"""Packages whose Python part raises a RuntimeError if they are called wrongly."""
IMPORT_ERRORS = re.compile(r"(?:Attribute|Import|Name|Type|Value|Syntax|Indentation|Tab)Error$")
"""Types of errors that a package raises if it does not fit another package or this Python."""
SHADOWING_MESSAGE = re.compile(r"partially initialized module|consider renaming")
"""A package imported a file of the script's instead of the module that it needed."""
SCRIPT_ONLY_ERRORS = re.compile(
    r"(?:Key|Index|Name|UnboundLocal|ZeroDivision|Recursion|UnicodeDecode|UnicodeEncode|JSONDecode|Syntax|Indentation|Tab)Error$"
)
"""Types of errors whose message is the script's own data, never a library's text."""
FILE_ERRORS = re.compile(r"(?:OS|IO)Error: (?!\[Errno|.*errno = (?!2\b))")
"""A file that a library can't use: missing, or not what it should be. A refusal by the system shows its errno: no match."""
SYSTEM_ERRORS = re.compile(
    r"(?:\w+\.)*(?:(?:Internal|Unknown|Unavailable|Aborted|Cancelled|DeadlineExceeded|ResourceExhausted|HorovodInternal"
    r"|XlaRuntime|JaxRuntime|System|Operational|BlockingIO|EOF|Timeout|BrokenPipe|Connection\w*)Error"
    r"|KeyboardInterrupt|(?:OS|IO)Error: \[Errno|RuntimeError: .*(?:CUDA|NCCL|MPI|cuDNN|cuBLAS|GPU))\b"
)
"""Errors that Python only passes on from a library, the system or another process: not the script's own."""
CHILD_ERRORS = re.compile(
    r"(?:\w+\.)*(?:CalledProcessError|BrokenProcessPool|TerminatedWorkerError|ChildFailedError|ProcessExitedException|ProcessRaisedException"
    r"|RuntimeError: DataLoader worker)\b"
)
"""Errors that only say that another process ended; that process has logged its reason before."""
WAIT_ERRORS = re.compile(
    r"(?:_?queue\.(?:Empty|Full)|EOFError|BrokenPipeError|Connection\w*Error|TimeoutError)\b"
    r"|(?i:[\w.]+(?:Error|Exception): .*\b(?:worker|process|child|producer|loader)(?:es|s|ren)?\b)"
)
"""Errors of a process that waited for one that has ended."""
THREAD_WAIT_ERRORS = re.compile(
    r"(?:_?queue\.(?:Empty|Full)|TimeoutError)\b|(?i:[\w.]+(?:Error|Exception): .*\b(?:thread|worker|producer|loader)s?\b)"
)
"""Errors of a script that waited for a thread of its own."""
DIED = re.compile(r"(?m)^(?:Process \S+|(Exception in thread) .+):\n(?=Traceback \(most recent call last\):\n)")
"""The message of multiprocessing about a process, and of Python about a thread, that an error ended."""
LOST = re.compile("|".join((*(rule.pattern for rule in CASCADES), r"remote process exited or there was a network error")))
FUNCTION_TRACEBACK = re.compile(
    r"Traceback \(most recent call last\):\n\n|-- Process \d+ terminated with the following error:\nTraceback "
)
"""The traceback of a Python function in a graph, quoted in TensorFlow's error, or of a process, quoted in torch's."""
GRAPH_MESSAGE = re.compile(r"(?m)^(?!Detected at|<stack|\t|  ) ?(\S.*)\n\t \[\[")
USER_CODE_MESSAGE = re.compile(r"(?m)^ {4}(\w[\w.]*(?:Error|Exception): .*)$")
"""The message of a TensorFlow or Keras error after its first line: above the graph node, or below the user's code."""
TORCHRUN_TABLE = re.compile(r"(?m)^(Root Cause[\s\S]{0,300}?)?^ +(exitcode *: .*)$")
"""The end of a child in torchrun's table of failures, one of which it calls the root cause."""
CHILDS_CODE = re.compile(r" returned non-zero exit status (\d{1,3})\.$")
INNER = re.compile(r"Error: .*?\b([A-Z]\w*(?:Error|Exception): .*)")
"""The error of a Python function in a graph (tf.py_function) inside TensorFlow's own error."""
MESSAGE_LINE = re.compile(r"(?m)^(?!Thread 0x|Current thread |Extension modules: )\S")
"""The beginning of a line that does not continue another one and is not part of a crash report."""
TAGS = re.compile(r"(?m)^(?:\[rank\d+\]: ?|\[\d+(?:,\d+)?\]<std(?:err|out)>: ?)")
"""The prefix that torch and mpirun --tag-output write before each line."""
GUTTERS = re.compile(r"(?m)^ *(?:\| ?|\+[-+]+ ?\d* ?-*$|\+ (?=Exception Group Traceback))")
"""The prefix that Python writes before each line of an exception group, depending on its depth (traceback.py)."""
GROUP = "Exception Group Traceback"
MOST_CAUSES = 8
MOST_AFTER = 30
"""The most lines that can follow the error that ends a script: the rest of its message, its threads, its launcher."""
LONGEST = 2000
"""The most characters in one line of a log that is searched."""


class RaisedError(NamedTuple):
    """An error in a log.

    ``start`` and ``at`` are the positions of its traceback and its line. ``causes`` are the errors named as its cause, and
    ``handled`` those that were being handled when it was raised, both nearest first. ``raised_here``: the user's own code
    raised it, by ``raise`` or ``assert``. ``in_import``: an installed module raised it while it was imported. ``of_call``: a
    library refused a request. ``is_uncaught``: it reached the top of the script and ended it. ``is_told``: the task's Python
    recorded that this error ended it. ``detail``: its message if its first line is only a heading.
    """

    failure: Failure
    start: int
    at: int
    causes: tuple[str, ...]
    handled: tuple[str, ...]
    raised_here: bool
    in_import: bool
    of_call: bool
    is_uncaught: bool
    is_told: bool
    detail: str

    @property
    def type(self) -> str:
        found = TYPE.match(self.failure.error)
        return found[1] if found else ""

    @property
    def is_of_children(self) -> bool:
        return CHILD_ERRORS.match(self.failure.error) is not None

    @property
    def childs_exit_code(self) -> int | None:
        """The exit code of the process that the error reports (subprocess.CalledProcessError)."""
        found = CHILDS_CODE.search(self.failure.error) if self.is_of_children else None
        return int(found[1]) if found else None

    @property
    def is_from_below(self) -> bool:
        inner = INNER.search(self.failure.error)
        error = inner[1] if inner else self.failure.error
        return SYSTEM_ERRORS.match(error) is not None and not CALL_ERRORS.match(error)

    @property
    def is_own(self) -> bool:
        """Whether it is certainly the script's: its code raised it, or its type is one that mistakes in a script cause."""
        return self.raised_here or self.of_call or is_of_scripts(self.failure.error)

    @property
    def is_of_an_import(self) -> bool:
        """Whether an incompatible package raised it on import, before the script used the package."""
        own = SHADOWING_MESSAGE.search(self.failure.error)
        return self.in_import and IMPORT_ERRORS.match(self.type) is not None and not own

    @property
    def speaks_for_itself(self) -> bool:
        """Whether its message is the script's own text, to which rules about libraries do not apply."""
        return SCRIPT_ONLY_ERRORS.match(self.type) is not None or (
            self.raised_here and SCRIPT_ERRORS.match(self.type) is not None
        )


def is_of_scripts(error: str) -> bool:
    """Return whether the line ``error`` shows a type of error that mistakes in a script cause."""
    inner = INNER.search(error)
    kind = TYPE.match(inner[1] if inner else error)
    of_type = kind and SCRIPT_ERRORS.match(kind[1])
    return (of_type or FILE_ERRORS.match(error) or CALL_ERRORS.match(error)) is not None


def normalize_text(text: str) -> str:
    """Return a log's text in the form that is searched: without tags, and with long lines split.

    On a very long line, a pattern that can begin anywhere and reads to the end would take minutes.
    """
    text = TAGS.sub("", text) if "[rank" in text or "]<std" in text else text
    text = GUTTERS.sub("", text) if GROUP in text else text
    lines = text.split("\n")
    return text if max(map(len, lines)) <= LONGEST else "\n".join(itertools.chain.from_iterable(map(_split_line, lines)))


def _split_line(line: str) -> Iterator[str]:
    """Yield a line in pieces, split where a progress bar was redrawn, else between words."""
    at = 0
    while len(line) - at > LONGEST:
        middle, end = at + LONGEST // 2, at + LONGEST
        cut = next((place for mark in "\r " if (place := line.rfind(mark, middle, end)) >= 0), end)
        yield line[at:cut]
        at = cut
    yield line[at:]


@lru_cache(maxsize=16)
def find_last_error(text: str, uncaught: str | None = None) -> RaisedError | None:
    """Return the error of a log's last traceback or crash; None if there is none, or if the script survived it.

    ``uncaught`` is the error that ended the script, as its Python recorded it (empty: no error did; None: unknown); it takes
    precedence. If the error only says that another process ended, returns that process's error if the log has one.
    """
    place = _locate_error(text, uncaught)
    if place is None or _has_survived(text, place, uncaught):
        return None
    failure, start, at, is_told = place
    causes, handled = _find_chained_errors(text, start)
    where = (
        _is_raised_here(text, start, at),
        _is_in_import(text, start, at),
        _is_of_call(text, start, at),
        _is_uncaught(text, start, at),
    )
    error = RaisedError(failure, start, at, causes, handled, *where, is_told, _find_detail(text, failure, at))
    return _find_child_error(text, error) or error


def _find_child_error(text: str, error: RaisedError) -> RaisedError | None:
    """Return the error of a process that ``error`` only reports as ended; None if the log has none."""
    before = text[: error.start]
    died = next(reversed(list(DIED.finditer(before))), None)
    waiting = THREAD_WAIT_ERRORS if died and died[1] else WAIT_ERRORS
    waited = died and died.end() > locate_last_progress(before) and waiting.match(error.failure.error)
    if not (error.is_of_children or waited):
        return None
    found = find_last_error(before) if before else None
    while found and _is_of_lost(text, found) and (earlier := find_last_error(text[: found.start])):
        found = earlier
    return found


def _is_of_lost(text: str, error: RaisedError) -> bool:
    return LOST.search(text, error.at, error.at + LONGEST_LINE) is not None


def skip_survived_errors(text: str, uncaught: str | None = None) -> int:
    """Return the position after the last error that the script survived and its last line of training progress."""
    place = _locate_error(text, uncaught)
    error = place.at + len(place.failure.error) if place and _has_survived(text, place, uncaught) else 0
    return max(locate_last_progress(text), error)


@lru_cache(maxsize=4)
def locate_last_progress(text: str) -> int:
    """Return where a log's last line of training progress begins; 0 if it has none."""
    return max((found.start() for found in PROGRESS.finditer(text)), default=0)


class _Place(NamedTuple):
    """The positions of an error's traceback and of its line."""

    failure: Failure
    start: int
    at: int
    is_told: bool


@lru_cache(maxsize=16)
def _locate_error(text: str, uncaught: str | None) -> _Place | None:
    reported = text.rfind(f"\n{uncaught}") + 1 if uncaught and GROUP not in text else 0
    whole = not reported or FUNCTION_TRACEBACK.search(text, reported)
    read = text if whole else f"{text[:reported]}{text[reported:].partition(chr(10))[0]}"
    failure = find_failure(read.splitlines()) if TRACES.search(read) else None
    if failure is None:
        return None
    at = read.rfind(f"\n{failure.error}") + 1
    return _Place(failure, max(read.rfind(START, 0, at), 0), at, 0 < reported <= at)


def _find_detail(text: str, failure: Failure, at: int) -> str:
    """Return an error's message after a first line that is only a heading; else empty."""
    if not failure.error.rstrip().endswith(":"):
        return ""
    if CHILD_ERRORS.match(failure.error):
        codes = TORCHRUN_TABLE.findall(text, at)
        return max(codes, key=lambda code: bool(code[0]))[1] if codes else ""
    found = GRAPH_MESSAGE.search(text, at) or max(USER_CODE_MESSAGE.finditer(text, at), key=re.Match.start, default=None)
    return found[1] if found else ""


def _has_survived(text: str, place: _Place, uncaught: str | None) -> bool:
    """Return whether a script survived an error: it trained on or printed much since, and its Python did not record this error
    as the one that ended it."""
    end = place.at + len(place.failure.error)
    if place.is_told or PROGRESS.search(text, end):
        return not place.is_told
    may_have = uncaught is not None or not _is_uncaught(text, place.start, place.at)
    after = itertools.islice(MESSAGE_LINE.finditer(text, end), MOST_AFTER + 1)
    return may_have and len(list(after)) > MOST_AFTER


def _is_raised_here(text: str, start: int, at: int) -> bool:
    frames = FRAME.findall(text, start, at)
    path, source = frames[-1] if frames else ("", "")
    return bool(path) and not INSTALLED.search(path) and RAISES.match(source) is not None


def _is_of_call(text: str, start: int, at: int) -> bool:
    """Return whether the Python part of a library raised a RuntimeError; one from its compiled parts does not count."""
    path, source = (FRAME.findall(text, start, at) or [("", "")])[-1]
    return text.startswith("RuntimeError: ", at) and bool(PYTHON_PACKAGES.search(path)) and RAISES.match(source) is not None


def _is_in_import(text: str, start: int, at: int) -> bool:
    """Return whether the body of an installed module is below the user's last frame, and so was run by an import."""
    places = [(INSTALLED.search(path), name) for path, name in PLACE.findall(text, start, at)]
    below = list(itertools.takewhile(lambda place: place[0], reversed(places)))
    return len(below) < len(places) and any(name in ("<module>", "") for _, name in below)


def _is_uncaught(text: str, start: int, at: int) -> bool:
    """Return whether a traceback begins in a module's body, so nothing caught it: one that a function prints begins there."""
    return MODULE_FRAME.match(text, start + len(START), at) is not None


def _find_chained_errors(text: str, start: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the errors before the traceback at ``start``: its causes, and those that were being handled."""
    causes: list[str] = []
    handled: list[str] = []
    for _ in range(MOST_CAUSES):
        before = text[:start].rstrip()
        link = next((link for link in (CAUSED, MEANWHILE) if before.endswith(link)), None)
        start = before.rfind(START)
        failure = find_failure(before[start:].splitlines()) if link and start >= 0 else None
        if failure is None:
            break
        error = " ".join(filter(None, (failure.error, _find_detail(before, failure, before.rfind(failure.error)))))
        (causes if link == CAUSED and not handled else handled).append(error)
    return tuple(causes), tuple(handled)
