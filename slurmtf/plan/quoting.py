"""Quote text for a batch script: the only way into one."""

from __future__ import annotations

import re
from collections.abc import Iterable

_BARE = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Raw(str):
    """Text that is already shell code and must not be quoted again."""

    __slots__ = ()


def quote(value: object) -> Raw:
    """Return a value as one bash word.

    Control and non-ASCII characters are written as ``$'...'`` escapes (bash(1), QUOTING): the script stays ASCII, and sbatch,
    which refuses a script with carriage returns, accepts any value.
    """
    if isinstance(value, Raw):
        return value
    text = str(value)
    if _BARE.fullmatch(text):
        return Raw(text)
    if text.isascii() and text.isprintable():
        return Raw("'" + text.replace("'", "'\\''") + "'")
    return Raw("$'" + "".join(map(_escape_char, text)) + "'")


def quote_with_variables(text: str) -> Raw:
    """Return text as one bash word in which only ``$NAME`` and ``${NAME}`` are expanded."""
    parts = enumerate(re.split(r"(\$\w+|\$\{\w+\})", text))
    return Raw("".join(f'"{part}"' if index % 2 else quote(part) for index, part in parts if part))


def _escape_char(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isascii() and char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def quote_directive(flag: str, value: object) -> Raw:
    """Return ``--flag=value`` for an ``#SBATCH`` line.

    sbatch parses these lines by its own rules, without a shell: a backslash escapes the next character, also inside quotes;
    white space needs quotes, a backslash is not enough (22.05); a bare ``#`` starts a comment.
    """
    if value is True:
        return Raw(f"--{flag}")
    text = str(value)
    if _BARE.fullmatch(text):
        return Raw(f"--{flag}={text}")
    return Raw(f'--{flag}="' + re.sub(r'["\\#]', r"\\\g<0>", text) + '"')


def quote_words(values: Iterable[object]) -> Raw:
    """Quote a list of values as bash words."""
    return Raw(" ".join(map(quote, values)))
