"""A job file under construction: its settings, and the report of where each comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from slurmtf.documents import GivenSettings
from slurmtf.migration.notes import Notes
from slurmtf.migration.values import Symbol, Thing, Unknown, UnknownPartError, to_plain

DATA = ("as_mount", "as_download", "as_upload", "as_named_input", "path", "DataReference", "DatasetConsumptionConfig",
        "as_hdfs", "get_default_datastore", "Datastore", "get_by_name", "from_files", "DataPath")  # fmt: skip
MODES = {"as_download": "download", "as_upload": "upload"}
DOUBTFUL = "'{}' is set under a condition or in a loop: check that this is the right value"


@dataclass
class Draft:
    """The settings of one job. ``doubtful`` are names in the file whose value depends on a condition."""

    notes: Notes
    doubtful: set[str] = field(default_factory=set)
    settings: GivenSettings = field(default_factory=dict)

    def take(self, name: str, value: object, line: int, new_name: str = "") -> bool:
        """Import a known value, under a new name if it has one; report a value that is not known."""
        target = new_name or name
        try:
            known = to_plain(value)
        except UnknownPartError as err:
            self.notes.add_undecided(line, f"{name} is {err}: only running the file would tell. Set {target} in the job file")
            return False
        if known is None:
            return False
        self.settings[target] = known
        self.notes.add_mapped(line, f"{name}={spell(value)}" + (f" -> {target}" if new_name else ""))
        return True

    def take_arguments(self, name: str, value: object, line: int) -> None:
        """Import the script's arguments, a mapping or a list; data among them become inputs."""
        if isinstance(value, dict):
            taken: Any = {}
            for key, item in value.items():
                self._take_argument(taken, key, item, line)
        elif isinstance(value, list):
            taken = []
            for item in value:
                self._take_argument(taken, None, item, line)
        else:
            self.take(name, value, line, "script_params")
            return
        if taken:
            self.settings["script_params"] = taken
            self.notes.add_mapped(line, f"{name} -> script_params: {len(taken)} of {len(value)}")

    def _take_argument(self, taken: Any, key: object, value: object, line: int) -> None:
        reference = self.add_input(value, line)
        try:
            known = reference or to_plain(value)
        except UnknownPartError as err:
            what = f"the argument {key} is {err}" if key is not None else f"an argument is {err}"
            self.notes.add_undecided(line, f"{what}: only running the file would tell. It is left out of script_params")
            return
        if isinstance(taken, dict):
            taken[key] = known
        else:
            taken.append(known)

    def add_input(self, value: Any, line: int) -> str:
        """List data passed to the script as an input and return the reference to it; empty for anything else."""
        if not is_data(value):
            return ""
        name, mode = infer_data_name(value), next((MODES[one.name] for one in list_owners(value) if one.name in MODES), "mount")
        listed = self.settings.setdefault("inputs", [])
        if name not in [item["name"] for item in listed]:
            listed.append({"name": name, "path": f"data/{name.lower()}", "mode": mode})
        self.notes.add_undecided(
            line, f"{spell(value)} -> inputs: {name} ({mode}). Set its path to where the data is on the cluster"
        )
        return f"$SLURMTF_INPUT_{name}"

    def note_doubtful(self, thing: Thing) -> None:
        """Report the names in a call whose value depends on a condition."""
        for name in sorted(self.doubtful):
            if re.search(rf"(?<![\w.'\"]){re.escape(name)}(?!\w)", thing.text):
                self.notes.add_undecided(thing.line, DOUBTFUL.format(name))


def list_owners(value: Thing) -> list[Thing]:
    """Return an object and those that it was called on or taken from."""
    found: list[Thing] = []
    while isinstance(value, Thing):
        found.append(value)
        if value.owner is None:
            break
        value = value.owner
    return found


def is_data(value: object) -> bool:
    """Return whether a value is a datastore, a dataset or a part of one."""
    return isinstance(value, Thing) and value.is_azure and any(one.name in DATA for one in list_owners(value))


def infer_data_name(value: Thing) -> str:
    """Return a name for data: its own, the last part of its path, or that of the variable."""
    found = [
        one.argument(key, (key,)) for one in list_owners(value) for key in ("name", "data_reference_name", "datastore_name")
    ]
    paths = [one.args[0] for one in list_owners(value) if one.name in ("path", "as_named_input", "get_by_name") and one.args]
    variables = [one.variable for one in list_owners(value)]
    named = next((str(text) for text in (*found, *paths, *variables) if isinstance(text, str) and text), "data")
    last = re.sub(r"\W+", "_", PurePosixPath(named).stem, flags=re.ASCII).strip("_").upper()
    return last if re.match(r"[A-Z]", last) else f"DATA_{last}".rstrip("_")


def spell(value: object) -> str:
    """Return a value as it would be written in the file."""
    if isinstance(value, Thing | Unknown):
        return value.text
    if isinstance(value, Symbol):
        return value.name
    if isinstance(value, list):
        return f"[{', '.join(map(spell, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {spell(item)}" for key, item in value.items()) + "}"
    return repr(value)
