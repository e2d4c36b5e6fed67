"""Spell settings as the user gives them: ``--partition`` on a command line, ``partition`` in YAML and in Python.

A text marks the settings that it names; they are spelled once its reader is known::

    `partition`  `launcher=srun`  `use_gpu=true`  `pip_packages[]=scikit-learn,keras`  `sbatch[gres]=gpu:1`
    `environment_definition.build=login`  `Mpi.transport=gloo`
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import NamedTuple

_MARK = re.compile(r"`(?P<name>[A-Za-z_]+)(?:\.(?P<field>[a-z_]+))?(?:\[(?P<key>[^\]`]*)\])?(?:=(?P<value>[^`]*))?`")
_LINE = re.compile(r":\d+: ")
_OBJECTS = {
    "environment_definition": ("environment_definition", "Environment", ""),
    "Mpi": ("distributed_training", "Mpi", "backend: mpi, "),
    "ParameterServer": ("distributed_training", "ParameterServer", "backend: ps, "),
    "MultiWorker": ("distributed_training", "MultiWorker", "backend: multiworker, "),
    "Jax": ("distributed_training", "Jax", "backend: jax, "),
}
"""Objects with settings of their own: the parameter for the object, its class, and how YAML distinguishes it from others."""
_SAME = {"custom_docker_image": "image"}
_WORDS = {"true": "True", "false": "False"}


def format_count(number: int, what: str) -> str:
    """Return a number with its noun: ``1 node``, ``2 nodes``."""
    return f"{number} {what}" + ("s" if number != 1 else "")


class _Setting(NamedTuple):
    """A marked setting. ``field`` is a field of an object; ``key`` is a key of a mapping (empty: ``value`` is a list)."""

    name: str
    field: str | None
    key: str | None
    value: str | None

    @property
    def sought(self) -> tuple[str, ...]:
        """The names under which its source may be known, the most specific first."""
        alone = self.name if self.field is None else f"{self.name}.{self.field}"
        within = f"{alone}[{self.key!r}]" if self.key else alone
        return within, alone, f"environment_definition.{_SAME.get(self.name, self.name)}"


def spell(text: str, sources: Mapping[str, str] | None = None) -> str:
    """Return a text with its marked settings as their user spells them.

    ``sources`` maps each parameter to where the user set it (a flag, or file, line and key); without any, settings are spelled
    as in Python.
    """
    return _MARK.sub(lambda found: _spell(_Setting(**found.groupdict()), sources or {}), text)


def parse_values(text: str) -> list[tuple[str, str, str]]:
    """Return the settings that a text marks with a value: name, key (empty: the setting itself) and value. Settings of objects
    and of lists are left out."""
    found = (_Setting(**match.groupdict()) for match in _MARK.finditer(text))
    return [(one.name, one.key or "", one.value) for one in found if one.value and not one.field and one.key != ""]


def unmark(text: str) -> str:
    """Return a text from elsewhere so that it marks no setting, whatever it contains."""
    return text.replace("`", "'")


def mark(settings: Iterable[str]) -> str:
    """Return a list of settings, each marked."""
    return ", ".join(f"`{name}`" for name in settings)


def _spell(setting: _Setting, sources: Mapping[str, str]) -> str:
    source = next((sources[name] for name in setting.sought if name in sources), "")
    if source.startswith("-"):
        return _as_flag(setting, source)
    if source and not _LINE.search(source):
        return _as_flag(setting, "TARGET")
    if not sources:
        return _as_python(setting)
    has_flags = any(flag.startswith("-") for flag in sources.values())
    return f"{_as_yaml(setting)} in a job file" if has_flags and not source else _as_yaml(setting)


def _as_flag(setting: _Setting, flag: str) -> str:
    value = None if setting.value in (None, "true") else setting.value or ""
    if setting.key:
        return f"{flag} {setting.key}" + ("" if value is None else f"={_quote(value)}")
    if setting.key is not None:
        return " ".join(f"{flag} {_quote(item)}" for item in (value or "").split(","))
    return flag if value is None else f"{flag} {_quote(value)}"


def _quote(value: str) -> str:
    return value if value == "..." else shlex.quote(value)


def _as_yaml(setting: _Setting) -> str:
    name, _, tag = _OBJECTS.get(setting.name, (setting.name, "", ""))
    if setting.value is None:
        return f"{name}.{setting.field or setting.key}" if setting.field or setting.key else name
    if setting.field:
        return f"{name}: {{{tag}{setting.field}: {setting.value}}}"
    if setting.key is not None:
        return f"{name}: {{{setting.key}: {setting.value}}}" if setting.key else f"{name}: [{setting.value.replace(',', ', ')}]"
    return f"{name}: {setting.value}"


def _as_python(setting: _Setting) -> str:
    name, value = setting.name, setting.value
    if value is None:
        inner = f".{setting.field}" if setting.field else f"[{setting.key!r}]" if setting.key else ""
        return f"{name}{inner}"
    if setting.field:
        holder, kind, _ = _OBJECTS[name]
        built = f"{kind}({setting.field}={_format_literal(value)})"
        return f"{holder}={built}" if holder == name else built
    if setting.key is not None:
        items = ", ".join(map(_format_literal, value.split(",")))
        return f"{name}={{{setting.key!r}: {_format_literal(value)}}}" if setting.key else f"{name}=[{items}]"
    return f"{name}={_format_literal(value)}"


def _format_literal(value: str) -> str:
    return value if value == "..." or value.isdigit() else _WORDS.get(value, repr(value))
