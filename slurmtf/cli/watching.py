"""Decide what 'slurmtf watch' shows, what fits where, and what a key does. Pure: runs and keys in, views and actions out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum


class Mode(Enum):
    """What keys do."""

    LIST = "list"
    FILTER = "filter"
    """They edit the filter."""
    CONFIRM = "confirm"
    """The next key decides whether to cancel the selected run."""
    HELP = "help"
    """The keys are explained, until one is pressed."""


class Action(Enum):
    """What to do."""

    NONE = "none"
    QUIT = "quit"
    CANCEL = "cancel"
    LOGS = "logs"
    SUSPEND = "suspend"


class Key(str, Enum):
    """Keys that are not characters."""

    UP = "up"
    DOWN = "down"
    HOME = "home"
    END = "end"
    ENTER = "enter"
    ESCAPE = "escape"
    BACKSPACE = "backspace"
    SUSPEND = "suspend"


SEQUENCES = {
    **dict.fromkeys(("\x1b[A", "\x1bOA"), Key.UP),
    **dict.fromkeys(("\x1b[B", "\x1bOB"), Key.DOWN),
    **dict.fromkeys(("\x1b[H", "\x1bOH", "\x1b[1~"), Key.HOME),
    **dict.fromkeys(("\x1b[F", "\x1bOF", "\x1b[4~"), Key.END),
    **dict.fromkeys(("\r", "\n"), Key.ENTER),
    **dict.fromkeys(("\x7f", "\b"), Key.BACKSPACE),
    "\x1b": Key.ESCAPE,
    "\x1a": Key.SUSPEND,
}
TOKEN = re.compile(r"\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Za-z])?|.", re.DOTALL)
MOVES = {"k": -1, Key.UP: -1, "j": 1, Key.DOWN: 1}


def parse_keys(text: str) -> Iterator[str]:
    """Yield the keys that a terminal has sent: characters, and members of :class:`Key`; anything else is skipped."""
    for token in TOKEN.findall(text):
        if token in SEQUENCES:
            yield SEQUENCES[token]
        elif len(token) == 1 and token.isprintable():
            yield token


@dataclass(frozen=True)
class Line:
    """A run of the table: its cells, and the texts that a filter searches; ``over``: how it ended, if it has."""

    run_id: str
    cells: tuple[str, ...]
    text: str = ""
    over: str = ""

    def has(self, words: str) -> bool:
        return all(word in f"{self.run_id} {self.text}".lower() for word in words.lower().split())


@dataclass(frozen=True)
class View:
    """The runs, the selected one, and the filter; ``message`` is the result of the last action,
    ``late`` that an answer is still pending."""

    lines: tuple[Line, ...] = ()
    selected: str = ""
    words: str = ""
    mode: Mode = Mode.LIST
    message: str = ""
    late: str = ""

    @property
    def shown(self) -> list[Line]:
        """The runs that match the filter."""
        return [line for line in self.lines if line.has(self.words)]

    @property
    def place(self) -> int:
        """The position of the selected run among the shown ones; 0 if it is not shown."""
        return next((place for place, line in enumerate(self.shown) if line.run_id == self.selected), 0)

    def replace_lines(self, lines: Sequence[Line]) -> View:
        """Return the view with new facts. The same run stays selected, wherever it is now."""
        return replace(self, lines=tuple(lines)).select_shown()

    def select_shown(self) -> View:
        """Return the view with a shown run selected."""
        shown = self.shown
        return replace(self, selected=shown[self.place].run_id if shown else "")

    def select_at(self, place: int) -> View:
        shown = self.shown
        return replace(self, selected=shown[max(0, min(place, len(shown) - 1))].run_id) if shown else self

    def window(self, height: int) -> list[Line]:
        """Return the runs that fit into so many lines, including the selected one."""
        first = max(0, min(self.place - height // 2, len(self.shown) - height))
        return self.shown[first : first + height]


def press(view: View, key: str) -> tuple[View, Action]:
    """Return the view after a key, and what to do."""
    if key == Key.SUSPEND:
        return view, Action.SUSPEND
    return _BY_MODE[view.mode](replace(view, message=""), key)


def _press_in_list(view: View, key: str) -> tuple[View, Action]:
    moved = _move(view, key)
    if moved is not None:
        return moved, Action.NONE
    if key in ("l", Key.ENTER) and view.selected:
        return view, Action.LOGS
    return view, Action.QUIT if key == "q" else Action.NONE


def _move(view: View, key: str) -> View | None:
    """Return the view after a key that only moves the selection; None for other keys."""
    if key in MOVES:
        return view.select_at(view.place + MOVES[key])
    if key in ("g", Key.HOME, "G", Key.END):
        return view.select_at(0 if key in ("g", Key.HOME) else len(view.shown) - 1)
    if key == Key.ESCAPE:
        return replace(view, words="").select_shown()
    if key == "c" and view.selected:
        return _ask_to_cancel(view)
    mode = {"/": Mode.FILTER, "?": Mode.HELP, "h": Mode.HELP}.get(key)
    return replace(view, mode=mode) if mode else None


def _ask_to_cancel(view: View) -> View:
    over = view.shown[view.place].over
    return replace(view, message=f"{view.selected}: was {over}") if over else replace(view, mode=Mode.CONFIRM)


def _press_in_filter(view: View, key: str) -> tuple[View, Action]:
    if key == Key.ENTER:
        return replace(view, mode=Mode.LIST), Action.NONE
    if key == Key.ESCAPE:
        return replace(view, mode=Mode.LIST, words="").select_shown(), Action.NONE
    if key == Key.BACKSPACE:
        return replace(view, words=view.words[:-1]).select_shown(), Action.NONE
    return (replace(view, words=view.words + key).select_shown() if len(key) == 1 else view), Action.NONE


def _press_in_question(view: View, key: str) -> tuple[View, Action]:
    return replace(view, mode=Mode.LIST), Action.CANCEL if key == "y" else Action.NONE


def _press_in_help(view: View, key: str) -> tuple[View, Action]:  # noqa: ARG001
    return replace(view, mode=Mode.LIST), Action.NONE


_BY_MODE = {
    Mode.LIST: _press_in_list,
    Mode.FILTER: _press_in_filter,
    Mode.CONFIRM: _press_in_question,
    Mode.HELP: _press_in_help,
}
KEYS = (
    "up, k      the run above",
    "down, j    the run below",
    "Home, g    the first run",
    "End, G     the last run",
    "/          filter by words",
    "Esc        all runs again",
    "l, Enter   the run's log",
    "c          cancel the run",
    "Ctrl-Z     suspend; 'fg' comes back",
    "q, Ctrl-C  quit",
)


def list_footers(view: View) -> tuple[str, ...]:
    """Return the last line, the longest first, for terminals of any width: a question, the filter, what came of an action, or
    the keys."""
    if view.mode is Mode.CONFIRM:
        return f"cancel {view.selected}? y/n", "cancel it? y/n"
    if view.mode is Mode.FILTER:
        return f"filter: {view.words}_   Enter: keep it   Esc: all runs", f"filter: {view.words}_"
    if view.mode is Mode.HELP:
        return ("any key: back",)
    if view.message:
        return (view.message,)
    kept = f"   filter: {view.words} (Esc: all runs)" if view.words else ""
    keys = ("up/down: choose   /: filter   l: log   c: cancel   ?: keys   q: quit", "?: keys   q: quit")
    late = (f"{view.late}{kept}   {keys[-1]}",) if view.late else ()
    return *late, *(f"{one}{kept}" for one in keys), keys[-1]


def choose_footer(view: View, width: int) -> str:
    """Return the first of :func:`list_footers` that fits."""
    found = list_footers(view)
    return next((text for text in found if len(text) <= width), found[-1])


NAME, STATUS, JOB, STARTED, TIME, LAST = range(6)
"""The columns. LAST: why, or how far it has come."""
LEAVING = (STARTED, JOB, TIME)
"""Columns that are left out if there is too little room, in this order."""
READABLE = 24
"""The least characters of a reason that are worth showing."""
LEAST = 8
GAP = 2


def fit_columns(longest: Sequence[int], room: int) -> dict[int, int]:
    """Return the columns that are drawn and their widths, by those of their longest cells: first the last column is cut, then
    others are left out; the name of a run and its state remain."""
    needed = {place: width for place, width in enumerate(longest) if width}
    for leaving in LEAVING:
        least = {**needed, LAST: min(READABLE, needed.get(LAST, 0))}
        if sum(least.values()) + GAP * (len(needed) - 1) <= room:
            break
        needed.pop(leaving, None)
    widths = {NAME: min(needed[NAME], room, max(LEAST, room - GAP - needed.get(STATUS, 0)))}
    for place in list(needed)[1:]:
        left = room - sum(widths.values()) - GAP * len(widths)
        if left >= min(LEAST, needed[place]):
            widths[place] = min(needed[place], left)
    return widths


def split_height(height: int, runs: int) -> tuple[int, int]:
    """Return how many runs and how many lines of the log fit, beside a heading, a rule and the last line; at least one run."""
    rows = max(1, min(runs, (height - 4) // 2 if height > 5 else 1))
    return rows, max(0, height - rows - 3)
