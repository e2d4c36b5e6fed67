"""The commands that documents show are commands of slurmtf: each is known, and takes the arguments that are shown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from slurmtf.cli.app import app

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"^(?: {4}|```\S*\n)(?:\$ )?(?:\.venv/bin/)?slurmtf (?P<words>[^\n]*)$", re.MULTILINE)
REDIRECTION = re.compile(r"\s+[>|].*$")


def commands() -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for match in SHOWN.finditer(document.read_text(encoding="utf-8")):
            yield document.name, REDIRECTION.sub("", match["words"])


@pytest.mark.parametrize(("document", "words"), sorted(set(commands())))
def test_it_is_understood(document: str, words: str) -> None:
    command, (name, *args) = app.get_command(click.Context(app), words.split(maxsplit=1)[0]), shlex.split(words, comments=True)
    if isinstance(command, click.Group):
        command, (name, *args) = command.get_command(click.Context(command), args[0]), args
    assert command, f"{document} shows an unknown command: {words}"
    command.make_context(name, args).close()


def test_documents_show_many() -> None:
    assert len({words.split()[0] for _, words in commands()}) >= 12
