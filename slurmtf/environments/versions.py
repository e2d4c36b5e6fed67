"""Check that versions of Python, TensorFlow and Horovod work together, before anything is installed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from slurmtf.environments.requirements import Line, parse_pinned_version, parse_requirement
from slurmtf.findings import Finding

Release = tuple[int, ...]

TENSORFLOW = ("tensorflow", "tensorflow_cpu", "tensorflow_gpu", "tensorflow_rocm", "tf_nightly")
FIRST_HOROVOD: dict[Release, Release] = {
    (2, 4): (0, 21),
    (2, 6): (0, 22, 1),
    (2, 7): (0, 23),
    (2, 10): (0, 25),
    (2, 13): (0, 28),
}
"""The first Horovod that compiles for a TensorFlow and those after it.

2.4: Horovod's changelog; 2.6 has no PersistentTensor; 2.7 needs C++14, 2.10 C++17 (Horovod's CMakeLists.txt); 2.13 has other
status codes (horovod/tensorflow/mpi_ops.cc). For 2.6, 2.7 and 2.13, gcc 12 rejected that file of the preceding Horovod.
"""
OLDEST_PYTHON: Release = (3, 6)
"""The first version that runs slurmtf's program in the job."""
PYTHONS: dict[Release, tuple[Release, Release]] = {
    (1, 13): ((3, 3), (3, 7)),
    (2, 1): ((3, 5), (3, 7)),
    (2, 2): ((3, 5), (3, 8)),
    (2, 4): ((3, 6), (3, 8)),
    (2, 5): ((3, 6), (3, 9)),
    (2, 7): ((3, 7), (3, 9)),
    (2, 8): ((3, 7), (3, 10)),
    (2, 12): ((3, 8), (3, 11)),
    (2, 14): ((3, 9), (3, 11)),
    (2, 16): ((3, 9), (3, 12)),
    (2, 20): ((3, 9), (3, 13)),
    (2, 21): ((3, 10), (3, 13)),
}
"""The oldest and the newest Python for which a TensorFlow, and those up to the next entry, have packages (TensorFlow's tested
build configurations, and the files on the index). TensorFlows later than the last entry are not checked."""


def check_horovod(horovod: list[Line], lines: list[Line], conda: bool) -> Iterator[Finding]:
    """Yield what prevents building the requested Horovod with the other ``lines``."""
    if not horovod:
        return
    if len(horovod) > 1:
        yield Finding("horovod-twice", horovod[1].where, "Horovod is listed twice", "keep one of them")
    yield from _check_horovod_release(horovod[0], lines)
    if not conda and not any(line.package in TENSORFLOW for line in lines):
        remedy = "add the TensorFlow to compile it for, for example 'tensorflow==2.15.1'"
        yield Finding(
            "horovod-without-tensorflow", horovod[0].where, "horovod needs TensorFlow in the same environment", remedy
        )


def check_python(version: str, lines: Iterable[Line]) -> Iterator[Finding]:
    """Yield what prevents building with a version of Python, as ``platform.python_version()`` writes it.

    Nothing if the version is not known, or for TensorFlow from another index, which may have been built there.
    """
    lines = list(lines)
    python = parse_release(version)
    if not python:
        return
    where = "environment_definition.python"
    if python < OLDEST_PYTHON:
        oldest = format_release(OLDEST_PYTHON)
        what = f"Python {version} is older than {oldest}, the first that slurmtf's program in the job runs on"
        yield Finding("python-too-old", where, what, f"set `python` to Python {oldest} or later")
    elif not any(line.text.startswith("-") or "://" in line.text for line in lines):
        yield from (_describe_unsupported(version, line) for line in lines if _is_unsupported(python, line))


def _is_unsupported(python: Release, line: Line) -> bool:
    pythons = _get_python_range(line)
    return bool(pythons) and not pythons[0] <= python <= pythons[1]


def _describe_unsupported(version: str, line: Line) -> Finding:
    first, last = map(format_release, _get_python_range(line))
    fit = [
        format_release(release) for release in PYTHONS if PYTHONS[release][0] <= parse_release(version) <= PYTHONS[release][1]
    ]
    other = f", or ask for a TensorFlow that Python {version} has, such as {fit[-1]}" if fit else ""
    what = f"{line.text} has no package for Python {version}, only for {first} to {last}"
    return Finding("python-unfit", line.where, what, f"set `python` to one of Python {first} to {last}{other}")


def _get_python_range(line: Line) -> tuple[Release, ...]:
    """Return the oldest and the newest Python of the TensorFlow that a line pins; nothing if they are not known."""
    version, asked = parse_pinned_version(line.text), parse_requirement(line.text)
    if line.package not in TENSORFLOW[:3] or not version or (asked and asked.marker) or version.release[:2] > max(PYTHONS):
        return ()
    return next((PYTHONS[release] for release in sorted(PYTHONS, reverse=True) if version.release >= release), ())


def parse_release(version: str) -> Release:
    """Return major and minor number of a version that a program reports, even ``3.15.0a2+``; empty if it has none."""
    parts = version.split(".")[:2]
    return tuple(map(int, parts)) if len(parts) == 2 and all(part.isdecimal() for part in parts) else ()


def _check_horovod_release(horovod: Line, lines: list[Line]) -> Iterator[Finding]:
    """Yield what is too old; unspecified versions are not checked."""
    versions = {line.package: version.release for line in (horovod, *lines) if (version := parse_pinned_version(line.text))}
    tensorflow = next((versions[name] for name in TENSORFLOW if name in versions), (0,))
    release = versions.get("horovod")
    needs = [first for newest, first in FIRST_HOROVOD.items() if tensorflow >= newest]
    unfit = [newest for newest, first in FIRST_HOROVOD.items() if release and release < first and tensorflow >= newest]
    if unfit:
        first, limit = format_release(max(needs)), format_release(min(unfit))
        what = f"{horovod.text} can't be compiled for TensorFlow {limit} or later"
        remedy = f"ask for horovod==0.28.1 ({first} is the first that can), or for a TensorFlow before {limit}"
        yield Finding("horovod-too-old", horovod.where, what, remedy)


def format_release(numbers: Release) -> str:
    """Return version numbers as text."""
    return ".".join(map(str, numbers))
