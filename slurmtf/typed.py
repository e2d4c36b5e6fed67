"""Turn plain data into the dataclasses that are its types, and say what is wrong with it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import InitVar, is_dataclass
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin

from slurmtf.errors import suggest

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

T = TypeVar("T")
KeyPath = tuple[str | int, ...]


class Wrong(NamedTuple):
    """A wrong key or value: its code, its place, what is wrong, and the remedy."""

    code: str
    path: KeyPath
    what: str
    remedy: str = ""


class WrongValuesError(Exception):
    """What is wrong with data, once for each place."""

    def __init__(self, wrong: list[Wrong]) -> None:
        self.wrong = wrong
        super().__init__(wrong)


def parse(kind: type[T], data: Mapping[str, object]) -> T:
    """Return data as an instance of the dataclass ``kind``. Raises WrongValuesError."""
    import pydantic  # noqa: PLC0415 - 40 ms that only reading YAML needs

    try:
        parsed: T = _build_adapter(cast(Hashable, kind)).validate_python(data)
    except pydantic.ValidationError as err:
        raise WrongValuesError(_describe_errors(kind, err.errors(), data)) from None
    return parsed


def rebuild(hint: object, data: object) -> Any:
    """Convert plain data (``asdict``) back to the dataclass that is its type. The data must be valid: nothing is checked."""
    for member in _split_union(hint):
        if is_dataclass(member) and isinstance(data, Mapping):
            types = _get_field_types(cast(Hashable, member))
            return cast(Any, member)(**{name: rebuild(types[name], value) for name, value in data.items()})
        if get_origin(member) is dict and isinstance(data, Mapping):
            return {name: rebuild(get_args(member)[1], value) for name, value in data.items()}
        if get_origin(member) is list and isinstance(data, list):
            return [rebuild(get_args(member)[0], item) for item in data]
    return data


def restore_texts(hint: object, data: object, texts: Mapping[KeyPath, str], path: KeyPath = ()) -> Any:
    """Return data in which each number is its text in the file if ``hint``, the data's type, expects a string there. ``texts``
    are those that say more than the number."""
    hints = _split_union(hint)
    if isinstance(data, bool) and bool in hints:
        return data
    if isinstance(data, int | float) and str in hints:
        return texts.get(path, data if type(data) in hints else str(data))
    if isinstance(data, Mapping):
        members = [_get_field_types(cast(Hashable, kind)) for kind in hints if is_dataclass(kind)]
        values = next((get_args(kind)[1] for kind in hints if get_origin(kind) is dict), None)
        types = {name: type_ for fields in members for name, type_ in fields.items()}
        return {key: restore_texts(types.get(key, values), item, texts, (*path, str(key))) for key, item in data.items()}
    if isinstance(data, list):
        items = next((get_args(kind)[0] for kind in hints if get_origin(kind) is list), None)
        return [restore_texts(items, item, texts, (*path, index)) for index, item in enumerate(data)]
    return data


def _describe_errors(kind: object, details: Iterable[ErrorDetails], raw: object) -> list[Wrong]:
    """Return pydantic's errors, one for each place. Each member of a union reports its own; the innermost place counts."""
    found: dict[KeyPath, Wrong] = {}
    for wrong in (_describe_error(kind, detail, raw) for detail in details):
        found.setdefault(wrong.path, wrong)
    return [wrong for path, wrong in found.items() if not any(path == other[: len(path)] != other for other in found)]


def _describe_error(kind: object, detail: ErrorDetails, raw: object) -> Wrong:
    """Return one of pydantic's errors."""
    context, location = detail.get("ctx", {}), detail["loc"]
    path = _extract_path(raw, location)
    if detail["type"] == "unexpected_keyword_argument":
        keys = sorted(_list_known_keys(kind, location[:-1]))
        hint = suggest(str(path[-1]), keys) or f"known keys: {', '.join(keys)}"
        return Wrong("unknown-key", path, "unknown key", hint)
    if detail["type"].startswith("union_tag"):
        path = (*path, context["discriminator"].strip("'"))
        what = f"says {context['tag']!r}" if "tag" in context else "is missing"
        known = context.get("expected_tags") or ", ".join(map(repr, _list_known_tags(kind, location)))
        return Wrong("unknown-kind", path, what, f"use one of {known}")
    found = f"(found {_format_value(detail['input'])})"
    if detail["type"] in ("dataclass_type", "dict_type"):
        keys = sorted(_list_known_keys(kind, location))
        remedy = f"its keys: {', '.join(keys)}" if keys else ""
        return Wrong("bad-value", path, f"should be a mapping {found}", remedy)
    return Wrong("bad-value", path, f"{detail['msg'].removeprefix('Input ')} {found}")


@functools.cache
def _build_adapter(kind: Any) -> TypeAdapter[Any]:
    import pydantic  # noqa: PLC0415

    return pydantic.TypeAdapter(kind)


def _extract_path(data: Any, location: Iterable[str | int]) -> KeyPath:
    """Return the part of pydantic's location that is a path in the data: the location also names types and unions."""
    path: KeyPath = ()
    for part in location:
        inside = data if isinstance(data, Mapping) else range(len(data)) if isinstance(data, list) else ()
        if part in inside:
            data, path = data[part], (*path, part)
    return path


def _format_value(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


@functools.cache
def _get_field_types(kind: Any) -> dict[str, object]:
    """Return the types of the parameters of a dataclass's constructor, including those that it does not store (InitVar)."""
    hints: dict[str, object] = {}
    for base in reversed(kind.__mro__):  # typing.get_type_hints of Python 3.10 supports neither KW_ONLY nor InitVar
        hints |= inspect.get_annotations(base, eval_str=True)
    own = {name: hints[name] for name in inspect.signature(kind).parameters}
    return {name: hint.type if isinstance(hint, InitVar) else hint for name, hint in own.items()}


def _list_known_keys(kind: object, location: Iterable[str | int]) -> set[str]:
    """Return the keys that are possible at pydantic's location in a document of a kind."""
    return {name for found in _find_kinds(kind, location) for name in _get_field_types(found)}


def _list_known_tags(kind: object, location: Iterable[str | int]) -> list[str]:
    return [tag for found in _find_kinds(kind, location) for tag in _find_tags(found)]


def _find_kinds(kind: object, location: Iterable[str | int]) -> list[object]:
    """Return the dataclasses that are possible at pydantic's location, which names a union's member by its tag or name."""
    hints = [kind]
    for part in location:
        hints = [inner for hint in hints for inner in _find_inner_types(hint, part)]
    return [found for hint in hints for found in _split_union(hint) if is_dataclass(found)]


def _split_union(hint: object) -> list[object]:
    """Return the types in a union, or a list of the single type."""
    if get_origin(hint) is Annotated:
        return _split_union(get_args(hint)[0])
    return [one for arg in get_args(hint) for one in _split_union(arg)] if get_origin(hint) in (Union, UnionType) else [hint]


def _find_inner_types(hint: object, part: str | int) -> Iterable[object]:
    for member in _split_union(hint):
        if get_origin(member) in (list, dict):
            yield get_args(member)[-1]
        elif is_dataclass(member) and part in (getattr(member, "__name__", None), *_find_tags(member)):
            yield member
        elif is_dataclass(member) and part in (types := _get_field_types(cast(Hashable, member))):
            yield types[str(part)]


def _find_tags(kind: object) -> tuple[str, ...]:
    """Return the value of a Literal with one value, which identifies a member of a union."""
    literals = [get_args(hint) for hint in _get_field_types(kind).values() if get_origin(hint) is Literal]
    return next((values for values in literals if len(values) == 1), ())
