"""What the keys do in 'slurmtf watch'."""

from __future__ import annotations

import pytest

from slurmtf.cli.watching import (
    GAP,
    Action,
    Key,
    Line,
    Mode,
    View,
    choose_footer,
    fit_columns,
    parse_keys,
    press,
    split_height,
)

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
def test_keys_are_read(text: str, keys: list[str]) -> None:
    assert list(parse_keys(text)) == keys


def after(keys: list[str], view: View = VIEW) -> tuple[View, list[Action]]:
    actions = []
    for key in keys:
        view, action = press(view, key)
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
    (["x", "\n"], "b-2"),
]


@pytest.mark.parametrize(("keys", "selected"), CHOICES)
def test_keys_move_the_selection(keys: list[str], selected: str) -> None:
    assert after(keys)[0].selected == selected


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
def test_keys_have_their_action(keys: list[str], action: Action) -> None:
    assert after(keys)[1][-1] is action


def test_an_empty_list_accepts_every_key() -> None:
    view, actions = after(["j", "k", "G", "c", "y", "l", Key.ENTER, "/", "x", Key.ESCAPE], View())
    assert (view.selected, set(actions)) == ("", {Action.NONE})


def test_the_selection_stays_on_its_run() -> None:
    new = Line("new-4", ("new-4",))
    assert VIEW.replace_lines([new, *LINES]).selected == "b-2"
    assert VIEW.replace_lines([new, LINES[0]]).selected == "new-4"
    assert VIEW.replace_lines([]).selected == ""
    assert View().replace_lines(LINES).selected == "a-1"


@pytest.mark.parametrize(
    ("place", "height", "names"),
    [(0, 2, "ab"), (1, 2, "ab"), (2, 2, "bc"), (1, 1, "b"), (2, 9, "abc")],
)
def test_the_selected_run_is_in_the_window(place: int, height: int, names: str) -> None:
    shown = VIEW.select_at(place).window(height)
    assert "".join(line.run_id[0] for line in shown) == names


def last_line(view: View, width: int = 200) -> str:
    return choose_footer(view, width)


def test_the_last_line_explains_the_keys() -> None:
    assert "q: quit" in last_line(VIEW)
    assert last_line(after(["c"])[0]) == "cancel b-2? y/n"
    assert last_line(after(["/", "x"])[0]).startswith("filter: x_")
    assert "filter: x (" in last_line(after(["/", "x", Key.ENTER])[0])
    assert last_line(View(LINES, "b-2", message="b-2: cancel requested")) == "b-2: cancel requested"
    assert after(["j"], View(LINES, "b-2", message="done"))[0].message == ""
    late = View(LINES, "b-2", words="b", late="late 5s")
    assert [word in last_line(late) for word in ("late 5s", "filter: b", "q: quit")] == [True] * 3
    assert last_line(late, 20) == last_line(VIEW, 20)
    assert after(["c"])[0].mode is Mode.CONFIRM


@pytest.mark.parametrize("keys", [[], ["c"], ["/", "x"], ["?"], ["/", "x", Key.ENTER]])
def test_the_last_line_fits_twenty_columns_with_the_most_important_keys(keys: list[str]) -> None:
    view = after(keys)[0]
    texts = [last_line(view, width) for width in (20, 40, 80, 200)]
    assert all(len(text) <= width for text, width in zip(texts, (20, 40, 80, 200), strict=True))
    assert [len(text) for text in texts] == sorted(len(text) for text in texts)
    assert any(word in texts[0] for word in ("q: quit", "y/n", "filter: x", "back"))


def test_the_explanation_of_keys_stays_until_the_next_key() -> None:
    assert [after(keys)[0].mode for keys in (["?"], ["h"], ["?", "q"])] == [Mode.HELP, Mode.HELP, Mode.LIST]
    assert after(["?", "q"])[1] == [Action.NONE, Action.NONE]
    assert after(["?", "c", "y"])[1][-1] is Action.NONE


@pytest.mark.parametrize("keys", [[], ["/"], ["c"], ["?"]])
def test_ctrl_z_suspends_every_view(keys: list[str]) -> None:
    before, _ = after(keys)
    assert press(before, Key.SUSPEND) == (before, Action.SUSPEND)
    assert list(parse_keys("\x1a")) == [Key.SUSPEND]


def test_canceling_an_ended_run_asks_no_question() -> None:
    ended = View((Line("a-1", ("a-1",), over="Completed"),), "a-1")
    view, actions = after(["c", "y"], ended)
    assert set(actions) == {Action.NONE}
    assert after(["c"], ended)[0].mode is Mode.LIST
    assert "Completed" in after(["c"], ended)[0].message
    assert view.selected == "a-1"


LONGEST = (28, 9, 5, 8, 6, 40)
WIDTHS = [
    (LONGEST, 200, (28, 9, 5, 8, 6, 40)),
    (LONGEST, 106, (28, 9, 5, 8, 6, 40)),
    (LONGEST, 100, (28, 9, 5, 8, 6, 34)),
    (LONGEST, 80, (28, 9, 5, 0, 6, 24)),
    (LONGEST, 73, (28, 9, 0, 0, 6, 24)),
    (LONGEST, 60, (28, 9, 0, 0, 0, 19)),
    (LONGEST, 48, (28, 9, 0, 0, 0, 0)),
    (LONGEST, 20, (9, 9, 0, 0, 0, 0)),
    (LONGEST, 12, (8, 0, 0, 0, 0, 0)),
    (LONGEST, 3, (3, 0, 0, 0, 0, 0)),
    ((28, 9, 0, 0, 0, 0), 20, (9, 9, 0, 0, 0, 0)),
    ((28, 9, 5, 8, 6, 0), 64, (28, 9, 5, 8, 6, 0)),
    ((3, 0, 0, 0, 0, 0), 20, (3, 0, 0, 0, 0, 0)),
]


@pytest.mark.parametrize(("longest", "room", "widths"), WIDTHS)
def test_columns_fit_the_terminal(longest: tuple[int, ...], room: int, widths: tuple[int, ...]) -> None:
    found = fit_columns(longest, room)
    assert tuple(found.get(place, 0) for place in range(6)) == widths
    assert sum(found.values()) + GAP * (len(found) - 1) <= room


@pytest.mark.parametrize(
    ("height", "runs", "found"),
    [(30, 3, (3, 24)), (30, 50, (13, 14)), (10, 50, (3, 4)), (5, 50, (1, 1)), (3, 5, (1, 0)), (1, 0, (1, 0))],
)
def test_lines_fit_the_terminal(height: int, runs: int, found: tuple[int, int]) -> None:
    assert split_height(height, runs) == found
