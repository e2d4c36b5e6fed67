"""Compare two runs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from slurmtf.job.contract.interchange import JsonObject
from slurmtf.runs.receipts.receipt import Account


class Difference(NamedTuple):
    """One difference: the value in each of the two runs; None if there is none."""

    section: str
    name: str
    first: object
    second: object


def compare(
    first: Account, second: Account, sources: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})
) -> list[Difference]:
    """Return the differences, section by section. ``sources`` maps the files of each snapshot to their hashes."""
    found = [one for section, facts in SECTIONS.items() for one in _compare_section(section, facts(first), facts(second))]
    files = _compare_section("files", *sources) if first.receipt.get("source") and second.receipt.get("source") else iter(())
    return [*(one for one in found if one.section == "source"), *files, *(one for one in found if one.section != "source")]


def _compare_section(section: str, first: Mapping[str, object], second: Mapping[str, object]) -> Iterator[Difference]:
    for name in dict.fromkeys([*first, *second]):
        if first.get(name) != second.get(name):
            yield Difference(section, name, first.get(name), second.get(name))


def flatten(value: object, prefix: str = "") -> dict[str, object]:
    """Flatten nested mappings into one, with keys joined by dots."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    return {
        name: leaf
        for key, item in value.items()
        for name, leaf in flatten(item, f"{prefix}.{key}" if prefix else str(key)).items()
    }


def _collect_source(account: Account) -> dict[str, object]:
    source = account.receipt.get("source")
    source = source if isinstance(source, Mapping) else {}
    git = source.get("git")
    git = git if isinstance(git, Mapping) else {}
    return {"snapshot": source.get("snapshot"), **{f"git {name}": git.get(name) for name in ("commit", "branch", "dirty")}}


def _collect_settings(account: Account) -> dict[str, object]:
    settings = {name: value for name, value in account.settings.items() if name != "source_directory"}
    return flatten(_split_arguments(settings))


def _split_arguments(settings: Mapping[str, object]) -> dict[str, object]:
    """Return the settings with a list of arguments turned into a mapping, if it consists of flags and values."""
    words = settings.get("script_params")
    if not isinstance(words, list):
        return dict(settings)
    return {**settings, "script_params": parse_arguments([str(word) for word in words])}


def parse_arguments(words: list[str]) -> dict[str, str]:
    """Return arguments by their flags, positional ones by their index."""
    found: dict[str, str] = {}
    flag = ""
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if word.startswith("-") and not _is_number(word):
            flag = "" if equals else word
            found[name] = value
        elif flag:
            found[flag], flag = word, ""
        else:
            found[f"[{place}]"] = word
    return found


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _collect_software(account: Account) -> dict[str, object]:
    software = account.receipt.get("software")
    software = software if isinstance(software, Mapping) else {}
    facts = {name: software.get(name) for name in ("environment", "python", "image", "modules")}
    return {**facts, **account.packages, **flatten(account.builds), "slurmtf": account.receipt.get("slurmtf")}


def _collect_nodes(account: Account) -> dict[str, object]:
    last = account.last_attempt
    resources = account.plan.get("resources")
    asked = {name: value for name, value in resources.items() if value} if isinstance(resources, Mapping) else {}
    gpus = ", ".join(f"{gpu.get('name')} {gpu.get('driver') or ''}".strip() for gpu in last.get("gpus") or [])
    facts = {"site": account.plan.get("site"), **asked}
    return {**facts, **{name: last.get(name) for name in ("nodes", "slurm", "launcher", "system")}, "gpus": gpus}


def _collect_outcome(account: Account) -> dict[str, object]:
    state = account.state
    took = round(state.ended - state.started, 1) if state.ended and state.started else None
    cause = state.cause.value if state.cause else None
    attempts = len(account.attempts) or None
    status = state.status.value
    return {"status": status, "cause": cause, "exit code": state.exit_code, "attempts": attempts, "seconds": took}


SECTIONS: dict[str, Callable[[Account], JsonObject]] = {
    "source": _collect_source,
    "settings": _collect_settings,
    "software": _collect_software,
    "nodes": _collect_nodes,
    "metrics": lambda account: dict(account.metrics),
    "outcome": _collect_outcome,
}
