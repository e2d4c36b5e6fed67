"""What keys do in 'slurmtf watch'."""

from __future__ import annotations

import pytest

from slurmtf.cli.watching import Action, Key, Line, Mode, View, footer, keys_in, pressed

LINES = tuple(Line(name, (name,), text) for name, text in (("a-1", "Running 12"), ("b-2", "Failed 13"), ("c-3", "Running 14")))
VIEW = View(LINES, "b-2")

KEYS = [
    ("\x1b[A\x1b[B", [Key.UP, Key.DOWN]),
    ("\x1bOAjk", [Key.UP, "j", "k"]),
    ("\x1b[H\x1b[4~", [Key.HOME, Key.END]),
    ("\x1b", [Key.ESCAPE]),
    ("/ä\r", ["/", "ä", Key.ENTER]),
    ("\x7f\x08", [Key.BACKSPACE, Key.BACKSPACE]),
    ("\x1b[15~\x00\t", []),
    ("", []),
]


@pytest.mark.parametrize(("text", "keys"), KEYS)
def test_keys(text: str, keys: list[str]) -> None:
    assert list(keys_in(text)) == keys


def after(keys: list[str], view: View = VIEW) -> tuple[View, list[Action]]:
    actions = []
    for key in keys:
        view, action = pressed(view, key)
        actions.append(action)
    return view, actions


CHOICES = [
    ([], "b-2"),
    (["j"], "c-3"),
    ([Key.DOWN, Key.DOWN], "c-3"),
    (["k", "k"], "a-1"),
    (["G"], "c-3"),
    ([Key.HOME], "a-1"),
    (["/", "r", "u", "n"], "a-1"),
    (["/", *"running", Key.ENTER, "j"], "c-3"),
    (["/", "1", "4"], "c-3"),
    (["/", "x"], ""),
    (["/", "x", Key.BACKSPACE], "a-1"),
    (["/", "1", "4", Key.ESCAPE, "k"], "b-2"),
    (["/", *"run 12", Key.ENTER, Key.ESCAPE, "j"], "b-2"),
    (["/", "q"], ""),
    (["?", "\n"], "b-2"),
]


@pytest.mark.parametrize(("keys", "chosen"), CHOICES)
def test_which_run_is_chosen(keys: list[str], chosen: str) -> None:
    assert after(keys)[0].chosen == chosen


ACTIONS = [
    (["q"], Action.QUIT),
    (["l"], Action.LOGS),
    ([Key.ENTER], Action.LOGS),
    (["c"], Action.NONE),
    (["c", "y"], Action.CANCEL),
    (["c", "n"], Action.NONE),
    (["c", "q"], Action.NONE),
    (["c", "n", "y"], Action.NONE),
    (["/", "q"], Action.NONE),
    (["/", "x", Key.ENTER, "c"], Action.NONE),
    (["/", "x", Key.ENTER, "l"], Action.NONE),
]


@pytest.mark.parametrize(("keys", "action"), ACTIONS)
def test_what_is_done(keys: list[str], action: Action) -> None:
    assert after(keys)[1][-1] is action


def test_an_empty_list_takes_every_key() -> None:
    view, actions = after(["j", "k", "G", "c", "y", "l", Key.ENTER, "/", "x", Key.ESCAPE], View())
    assert (view.chosen, set(actions)) == ("", {Action.NONE})


def test_the_choice_stays_on_its_run() -> None:
    new = Line("new-4", ("new-4",))
    assert VIEW.with_lines([new, *LINES]).chosen == "b-2"
    assert VIEW.with_lines([new, LINES[0]]).chosen == "new-4"
    assert VIEW.with_lines([]).chosen == ""
    assert View().with_lines(LINES).chosen == "a-1"


@pytest.mark.parametrize(
    ("place", "height", "names"),
    [(0, 2, "ab"), (1, 2, "ab"), (2, 2, "bc"), (1, 1, "b"), (2, 9, "abc")],
)
def test_the_window_has_the_chosen_run(place: int, height: int, names: str) -> None:
    shown = VIEW.at(place).window(height)
    assert "".join(line.run_id[0] for line in shown) == names


def test_the_last_line_says_what_keys_do() -> None:
    assert "q: quit" in footer(VIEW)
    assert footer(after(["c"])[0]) == "cancel b-2? y/n"
    assert footer(after(["/", "x"])[0]).startswith("filter: x_")
    assert "filter: x (" in footer(after(["/", "x", Key.ENTER])[0])
    assert footer(View(LINES, "b-2", told="b-2: cancel requested")) == "b-2: cancel requested"
    assert after(["j"], View(LINES, "b-2", told="done"))[0].told == ""
    assert after(["c"])[0].mode is Mode.CONFIRM
