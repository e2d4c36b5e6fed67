"""The shapes in which Azure ML's ``get_metrics()`` returns what was logged."""

from typing import Dict, Iterable, List, Mapping

from .entries import LIST, ROW, TABLE, TAG, Entry


def to_azure_shape(logged: Iterable[Entry]) -> Dict[str, object]:
    """Return entries as Azure ML's ``get_metrics()`` does.

    A value that was logged once stays a value; repeated values become a list; lists are joined to one; rows and tables become
    an object of columns, with None for a missing cell.
    """
    by_name: Dict[str, List[Entry]] = {}
    for entry in logged:
        if entry.kind != TAG:
            by_name.setdefault(entry.name, []).append(entry)
    return {name: _merge_entries(found) for name, found in by_name.items()}


def _merge_entries(found: List[Entry]) -> object:
    kind = found[-1].kind
    values = [entry.value for entry in found if entry.kind == kind]
    if kind == LIST:
        return [item for value in values for item in value]
    if kind in (ROW, TABLE):
        return _merge_tables(values)
    return values[0] if len(values) == 1 else values


def _merge_tables(tables: List[Mapping[str, object]]) -> Dict[str, List[object]]:
    columns: Dict[str, List[object]] = {name: [] for table in tables for name in table}
    for table in tables:
        cells = {name: value if isinstance(value, list) else [value] for name, value in table.items()}
        rows = max(map(len, cells.values()), default=0)
        for name, column in columns.items():
            own = cells.get(name, [])
            column.extend([*own, *[None] * (rows - len(own))])
    return columns
