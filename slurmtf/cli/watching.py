"""What 'slurmtf watch' shows, and what a key does to it. Pure: runs and keys in, views and actions out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum


class Mode(Enum):
    """What keys are for."""

    LIST = "list"
    FILTER = "filter"
    """They are the text of the filter."""
    CONFIRM = "confirm"
    """The next one says whether the chosen run is canceled."""


class Action(Enum):
    """What is to be done."""

    NONE = "none"
    QUIT = "quit"
    CANCEL = "cancel"
    LOGS = "logs"


class Key(str, Enum):
    """Keys that are no characters."""

    UP = "up"
    DOWN = "down"
    HOME = "home"
    END = "end"
    ENTER = "enter"
    ESCAPE = "escape"
    BACKSPACE = "backspace"


SEQUENCES = {
    **dict.fromkeys(("\x1b[A", "\x1bOA"), Key.UP),
    **dict.fromkeys(("\x1b[B", "\x1bOB"), Key.DOWN),
    **dict.fromkeys(("\x1b[H", "\x1bOH", "\x1b[1~"), Key.HOME),
    **dict.fromkeys(("\x1b[F", "\x1bOF", "\x1b[4~"), Key.END),
    **dict.fromkeys(("\r", "\n"), Key.ENTER),
    **dict.fromkeys(("\x7f", "\b"), Key.BACKSPACE),
    "\x1b": Key.ESCAPE,
}
TOKEN = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])?|.", re.DOTALL)
MOVES = {"k": -1, Key.UP: -1, "j": 1, Key.DOWN: 1}


def keys_in(text: str) -> Iterator[str]:
    """Yield the keys that a terminal has sent: characters, and members of :class:`Key`; what is neither is left out."""
    for token in TOKEN.findall(text):
        if token in SEQUENCES:
            yield SEQUENCES[token]
        elif len(token) == 1 and token.isprintable():
            yield token


@dataclass(frozen=True)
class Line:
    """A run of the table: its cells, and what a filter looks for in them."""

    run_id: str
    cells: tuple[str, ...]
    text: str = ""

    def has(self, words: str) -> bool:
        return all(word in f"{self.run_id} {self.text}".lower() for word in words.lower().split())


@dataclass(frozen=True)
class View:
    """The runs, which of them is chosen, and the filter; ``told`` is what came of the last action."""

    lines: tuple[Line, ...] = ()
    chosen: str = ""
    words: str = ""
    mode: Mode = Mode.LIST
    told: str = ""

    @property
    def shown(self) -> list[Line]:
        """The runs that the filter leaves."""
        return [line for line in self.lines if line.has(self.words)]

    @property
    def place(self) -> int:
        """Where the chosen run stands among those that are shown; 0 where it is none of them."""
        return next((place for place, line in enumerate(self.shown) if line.run_id == self.chosen), 0)

    def with_lines(self, lines: Sequence[Line]) -> View:
        """Return the view of new facts. The choice stays on its run, wherever it stands now."""
        return replace(self, lines=tuple(lines)).settled()

    def settled(self) -> View:
        """Return the view with a run chosen that is shown."""
        shown = self.shown
        return replace(self, chosen=shown[self.place].run_id if shown else "")

    def at(self, place: int) -> View:
        shown = self.shown
        return replace(self, chosen=shown[max(0, min(place, len(shown) - 1))].run_id) if shown else self

    def window(self, height: int) -> list[Line]:
        """Return the runs that fit into so many lines, the chosen one among them."""
        first = max(0, min(self.place - height // 2, len(self.shown) - height))
        return self.shown[first : first + height]


def pressed(view: View, key: str) -> tuple[View, Action]:
    """Return the view after a key, and what is to be done."""
    return _BY_MODE[view.mode](replace(view, told=""), key)


def _in_list(view: View, key: str) -> tuple[View, Action]:
    moved = _moved(view, key)
    if moved is not None:
        return moved, Action.NONE
    if key in ("l", Key.ENTER) and view.chosen:
        return view, Action.LOGS
    return view, Action.QUIT if key == "q" else Action.NONE


def _moved(view: View, key: str) -> View | None:
    """Return the view after a key that changes nothing else; None for other keys."""
    if key in MOVES:
        return view.at(view.place + MOVES[key])
    if key in ("g", Key.HOME, "G", Key.END):
        return view.at(0 if key in ("g", Key.HOME) else len(view.shown) - 1)
    if key == Key.ESCAPE:
        return replace(view, words="").settled()
    if key == "c" and view.chosen:
        return replace(view, mode=Mode.CONFIRM)
    return replace(view, mode=Mode.FILTER) if key == "/" else None


def _in_filter(view: View, key: str) -> tuple[View, Action]:
    if key == Key.ENTER:
        return replace(view, mode=Mode.LIST), Action.NONE
    if key == Key.ESCAPE:
        return replace(view, mode=Mode.LIST, words="").settled(), Action.NONE
    if key == Key.BACKSPACE:
        return replace(view, words=view.words[:-1]).settled(), Action.NONE
    return (replace(view, words=view.words + key).settled() if len(key) == 1 else view), Action.NONE


def _in_question(view: View, key: str) -> tuple[View, Action]:
    return replace(view, mode=Mode.LIST), Action.CANCEL if key == "y" else Action.NONE


_BY_MODE = {Mode.LIST: _in_list, Mode.FILTER: _in_filter, Mode.CONFIRM: _in_question}


def footer(view: View) -> str:
    """Return the last line: a question, the filter, what came of an action, or the keys."""
    if view.mode is Mode.CONFIRM:
        return f"cancel {view.chosen}? y/n"
    if view.mode is Mode.FILTER:
        return f"filter: {view.words}_   Enter: keep it   Esc: all runs"
    kept = f"   filter: {view.words} (Esc: all runs)" if view.words else ""
    return (view.told or "up/down: choose   /: filter   l: log   c: cancel   q: quit") + kept
