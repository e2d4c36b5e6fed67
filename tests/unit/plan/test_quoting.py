"""The only way for text to get into a batch script: byte for byte through a real bash, and through sbatch's own rules."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from slurmtf.environments import Software
from slurmtf.estimator.quantities import check_printable
from slurmtf.plan import render
from slurmtf.plan.quoting import Raw, quote, quote_directive, quote_words
from slurmtf.sites.search import find_data
from tests.unit.support import plan_of, profile, tells, tensorflow

NASTY = [
    "", " ", "a b", "-", "--", "-n", "--flag=x", "'", '"', "''", "'\\''", "$", "$HOME", "${x}", "$(id)", "`id`", "\\", "\\\\",
    "\\n", "a\\", "\n", "\r", "\r\n", "a\nb\n", "\n\n\n", "\t", "\x01", "\x1b[31m", "\x7f", "!", "!!", "#", "a#b", "~", "~root",
    "*", "?", "[a-z]", "{a,b}", "{1..3}", "a;b", "a&b", "a|b", "<(id)", ">x", "(", ")", "=", "a=b", "%", "%s", "%%", "^",
    "é", "漢字", "\U0001f600", "\u2028", "\xa0", "\ufeff", "e\u0301", "\udcff", "a\udc80b", "$'x'", '$"x"',
    "\\x41", "\\u0041", "\\'",
    "x" * 100_000, "'" * 100_000, "\n" * 100_000, "é" * 50_000, "\udcff" * 100_000,
]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
BYTES = st.binary().map(lambda data: os.fsdecode(data.replace(b"\0", b"")))
SHELL = st.text(st.sampled_from("'\"\\$`!#~*?[]{}()<>|&;=%^ \t\n\r-aé0x\x01\udcff"))


def through_bash(line: str, locale: str = "C") -> list[bytes]:
    """Return the words into which a real bash splits a line."""
    script = f"printf '%s\\0' {line}\n"
    assert script.isascii()
    assert "\r" not in script
    done = subprocess.run(
        ["bash"], input=script.encode(), capture_output=True, check=True, env={"PATH": os.environ["PATH"], "LC_ALL": locale}
    )
    assert done.stderr == b""
    return done.stdout.split(b"\0")[:-1]


@given(st.lists(TEXT | BYTES | SHELL, min_size=1, max_size=200))
@example(NASTY)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_text_reaches_a_command_byte_for_byte(values: list[str]) -> None:
    assert through_bash(quote_words(values)) == [os.fsencode(value) for value in values]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
def test_the_locale_of_the_job_does_not_matter(locale: str) -> None:
    short = [value for value in NASTY if len(value) < 1000]
    assert through_bash(quote_words(short), locale) == [os.fsencode(value) for value in short]


@pytest.mark.parametrize("value", NASTY, ids=lambda value: ascii(value)[:12])
def test_a_value_stands_on_one_line(value: str) -> None:
    word = quote(value)
    assert "\n" not in word
    assert word.isascii()
    assert word.isprintable()


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("train.py", "train.py"),
        ("--lr=0.1", "--lr=0.1"),
        ("/a/b_c-d:e@f%g+h,i", "/a/b_c-d:e@f%g+h,i"),
        ("a b", "'a b'"),
        ("", "''"),
        ("it's", "'it'\\''s'"),
        ("a\nb", "$'a\\nb'"),
        ("é", "$'\\xc3\\xa9'"),
        ("\udcff", "$'\\xff'"),
        (0.1, "0.1"),
        (Raw("$RUN"), "$RUN"),
    ],
)
def test_a_word_is_quoted_only_if_needed(value: object, word: str) -> None:
    assert quote(value) == word


def test_no_value_is_quoted_twice() -> None:
    assert quote(quote("a b")) == quote("a b")
    assert quote_words(["a b", "c"]) == "'a b' c"
    assert quote_words([]) == ""


def test_a_surrogate_that_stands_for_no_byte_is_an_error() -> None:
    with pytest.raises(UnicodeEncodeError):
        quote("\ud800")


PRINT_WORDS = "#!/bin/sh\nprintf '%s\\0' \"$@\"\n"


@given(st.lists(TEXT | BYTES | SHELL, max_size=50))
@example(NASTY)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_argument_reaches_the_task_through_the_whole_script(
    source: Path, tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "it's é $HOME"
    folder.mkdir(exist_ok=True)
    python = folder / "py thon"
    python.write_text(PRINT_WORDS, encoding="utf-8")
    python.chmod(0o755)
    short = [value for value in values if len(os.fsencode(value)) < 1000]
    plan = plan_of(tensorflow(source, script_params=short), profile("local"), Software(str(python)))
    plan = dataclasses.replace(plan, run=dataclasses.replace(plan.run, workspace=str(folder)))
    script = render(plan, [find_data("templates")])
    done = subprocess.run(["bash"], input=script.encode("ascii"), capture_output=True, check=True)
    agent = ["-I", f"{plan.run.folder}/agent.pyz"]
    expected = [
        *agent,
        "supervise",
        f"{plan.run.folder}/plan.json",
        "--",
        str(python),
        *agent,
        "task",
        "--",
        *plan.batch.command,
    ]
    assert done.stdout.split(b"\0")[:-1] == [os.fsencode(word) for word in expected]
    assert plan.batch.command == (str(python), "train.py", *short)


# --- sbatch reads its lines by its own rules


def read_by_sbatch(line: str, *, comment_in_quotes: bool = False) -> list[str]:
    """Return the words that sbatch reads from a line after ``#SBATCH``. Raises ValueError if it refuses the line.

    As observed with 22.05.8 and 24.11.5 (:func:`test_the_model_of_sbatch` has the observations). ``comment_in_quotes``
    is a stricter reader, for which a bare # starts a comment inside quotes as well.
    """
    found: list[str] = []
    rest = line.lstrip()
    while rest and not rest.startswith("#"):
        word, rest = _first_word(rest, comment_in_quotes)
        found.append(word)
        rest = rest.lstrip()
    return found


def _first_word(text: str, comment_in_quotes: bool) -> tuple[str, str]:
    word, mark, escaped = "", "", False
    for place, char in enumerate(text):
        if char.isspace() and not mark:
            return word, text[place:]
        if escaped:
            word, escaped = word + char, False
        elif char == "\\":
            escaped = True
        elif mark and char == mark:
            mark = ""
        elif not mark and char in "'\"":
            mark = char
        elif char == "#" and (comment_in_quotes or not mark):
            text = text[:place]
            break
        else:
            word += char
    if mark:
        raise ValueError(f"unmatched {mark}")
    return word, ""


@pytest.mark.parametrize(
    ("line", "comment"),
    [
        (r"--comment=a#b", "a"),
        (r'--comment="a#b"', "a#b"),
        (r"--comment='a b#c'", "a b#c"),
        (r'--comment="a\#b#c"', "a#b#c"),
        (r'--comment="a"#b', "a"),
        (r"--comment=ab #c --hold", "ab"),
        (r'--comment="a b"c', "a bc"),
        (r"""--comment='a"b'""", 'a"b'),
        (r"""--comment="a'b" """, "a'b"),
        (r'--comment="a\\#b"', r"a\#b"),
        (r'--comment="a\zb"', "azb"),
        (r"--comment='a\zb'", "azb"),
        (r"--comment=a\zb", "azb"),
        (r"--comment='a\'b'", "a'b"),
        (r'--comment=a"b c"d', "ab cd"),
        (r"--comment=#", ""),
        (r"--comment=x" + "\\", "x"),
        ('--comment="a\tb"', "a\tb"),
        ('--comment=""', ""),
    ],
)
def test_the_model_of_sbatch(line: str, comment: str) -> None:
    """What squeue showed (%k) after sbatch 22.05.8 and 24.11.5 had read the line."""
    assert read_by_sbatch(line) == [f"--comment={comment}"]


@pytest.mark.parametrize(
    ("line", "quote"),
    [('--comment="a', '"'), ("--comment=a'b", "'"), (r'--comment="a\"', '"')],
)
def test_the_model_of_sbatch_refuses_what_sbatch_refuses(line: str, quote: str) -> None:
    """``sbatch: fatal: line 2: Unmatched `"` in [...]``, of both versions."""
    with pytest.raises(ValueError, match=f"unmatched {quote}"):
        read_by_sbatch(line)


def test_the_model_of_sbatch_sees_several_words() -> None:
    """``sbatch: error: Invalid directive found in batch script: b``"""
    assert read_by_sbatch('--comment="a" b') == ["--comment=a", "b"]
    assert read_by_sbatch("--comment=a\tb") == ["--comment=a", "b"]


LINE = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.isprintable)
MARKS = st.text(st.sampled_from("\\\"'# \t=-:%,ab$`!é").filter(str.isprintable), min_size=1)
SEEN: Sequence[str] = (
    "plain", "two words", " lead", "trail ", "a#b", "#", "a\\b", "\\", "\\\\", 'a"b', "'", "\"'\"", "$HOME `x` $(y)", "é ü 漢",
    "a:b", ":x", "-x", "--y", "%j", "a\\ b", "hetjob", "packjob x", "{}[]|&;<>()*?!~^", "a  b", "ends\\", "x" * 1000,
)  # fmt: skip
"""Values that came back from sbatch 22.05.8 and 24.11.5 as they were."""


@given(LINE | MARKS)
@settings(max_examples=200)
def test_any_printable_value_reaches_sbatch(value: str) -> None:
    assert list(check_printable("comment", value.strip() or "x")) == []
    line = quote_directive("comment", value)
    for strict in (False, True):
        assert read_by_sbatch(line, comment_in_quotes=strict) == [f"--comment={value}"]


@pytest.mark.parametrize("value", SEEN)
def test_an_observed_value_reaches_sbatch(value: str) -> None:
    assert read_by_sbatch(quote_directive("comment", value), comment_in_quotes=True) == [f"--comment={value}"]


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (True, "--hold"),
        (3, "--hold=3"),
        ("01:00:00", "--hold=01:00:00"),
        ("gpu:a100:4", "--hold=gpu:a100:4"),
        ("B:USR2@120", "--hold=B:USR2@120"),
        ("(a|b)&c", '--hold="(a|b)&c"'),
        ("it's #1", '--hold="it\'s \\#1"'),
        ('say "no"\\', '--hold="say \\"no\\"\\\\"'),
    ],
)
def test_a_directive_is_quoted_only_if_needed(value: object, line: str) -> None:
    assert quote_directive("hold", value) == line


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\tb", "\0", "\x1b", "a\u2028b", "\udcff", "a\xa0b"])
def test_a_value_that_no_directive_can_hold_is_refused(value: str) -> None:
    (finding,) = check_printable("job_name", value)
    assert (finding.code, finding.where) == ("control-characters", "job_name")
    assert tells(finding, repr(value))
