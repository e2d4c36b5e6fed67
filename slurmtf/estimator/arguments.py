"""Turn ``script_params`` into the script's argument list."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence

from slurmtf.estimator.inputs import Input
from slurmtf.findings import Finding

LONGEST_ARGUMENT = 128 * 1024 - 1
"""The most bytes of one argument or environment string (Linux, MAX_ARG_STRLEN, which includes the final NUL: execve(2))."""

ScriptParams = Mapping[str, object] | Sequence[object]


def to_argv(params: ScriptParams | None) -> tuple[str, ...]:
    """Return the arguments: key, value, key, value ... in the mapping's order; a sequence is returned unchanged.

    With ``''`` or ``None`` as its value, a key becomes a bare flag; ``0`` and ``False`` are values; a list becomes several
    words.
    """
    if params is None:
        return ()
    if not isinstance(params, Mapping):
        return tuple(_to_text(item) for item in params)
    return tuple(_to_text(word) for key, value in params.items() for word in (key, *_list_values(value)))


def _list_values(value: object) -> Sequence[object]:
    if value is None or (isinstance(value, str) and not value):
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _to_text(value: object) -> str:
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def to_plain_params(params: object) -> object:
    """Return ``script_params`` as plain data that YAML and JSON can hold; invalid values are left to the checks."""
    if isinstance(params, Mapping):
        return {_to_plain_key(key): _to_plain(value) for key, value in params.items()}
    return [_to_plain(value) for value in params] if isinstance(params, list | tuple) else params


def _to_plain_key(key: object) -> object:
    return _to_text(key) if isinstance(key, int | float | os.PathLike) and not isinstance(key, bool) else key


def _to_plain(value: object) -> object:
    if isinstance(value, list | tuple):
        return [_to_plain(item) for item in value]
    if isinstance(value, Input):
        return value.reference
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    item = getattr(value, "item", None)  # numpy scalars
    plain = item() if callable(item) and not isinstance(value, str | int | float) else value
    is_another_word_in_yaml = isinstance(plain, bool) or (isinstance(plain, float) and not math.isfinite(plain))
    return str(plain) if is_another_word_in_yaml else plain


def check_params(params: object) -> Iterable[Finding]:
    if params is None:
        return
    if isinstance(params, str) or not isinstance(params, Mapping | list | tuple):
        yield Finding("bad-arguments", "script_params", f"{params!r} is neither a mapping nor a list", "write {'--lr': 0.01}")
        return
    if isinstance(params, Mapping):
        yield from _check_keys(params)
    for key, value in params.items() if isinstance(params, Mapping) else enumerate(params):
        for word in _list_values(value):
            yield from check_text(f"script_params[{key!r}]", word)


def _check_keys(params: Mapping[object, object]) -> Iterable[Finding]:
    for key in params:
        if isinstance(key, str):
            yield from check_text("script_params", key)
        else:
            yield Finding(
                "bad-argument-name",
                "script_params",
                f"{key!r} is not a name for an argument",
                "write it as a string, for example '--lr'",
            )


def check_text(where: str, value: object) -> Iterable[Finding]:
    """Check text that is passed to a process as an argument or a variable: no NUL, and no longer than Linux allows."""
    if not isinstance(value, str | int | float | None):
        what = f"{value!r} of type {type(value).__name__} can't be an argument"
        yield Finding("not-a-text", where, what, "use a string, a number, a path, or a list of these")
        return
    text = _to_text(value)
    try:
        size = len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError as err:
        yield Finding(
            "half-character",
            where,
            f"{err.object[err.start]!r} is an unpaired surrogate",
            "no process can receive it: leave it out",
        )
        return
    if "\0" in text:
        yield Finding("nul-character", where, "holds a NUL character", "no process can receive one: write it another way")
    elif size > LONGEST_ARGUMENT:
        what = f"is {size} bytes long; Linux passes at most {LONGEST_ARGUMENT} in one argument or variable"
        yield Finding("too-long", where, what, "write it to a file in source_directory and pass the file's name")
