"""Render the plan: a batch script that a person can read, change and submit by hand."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from slurmtf.caches import read_stamps
from slurmtf.errors import TemplateError
from slurmtf.findings import Finding
from slurmtf.paths import is_file, to_absolute
from slurmtf.plan import quoting
from slurmtf.plan.model import BuildPlan, LaunchPlan
from slurmtf.plan.quoting import Raw, quote, quote_directive, quote_words
from slurmtf.sites.search import list_unnamed_folders
from slurmtf.trusted import check_unnamed

if TYPE_CHECKING:
    import jinja2

GLOBALS = ("dict", "namespace", "range")
"""Jinja's functions that a template may use."""


class RenderedScript(NamedTuple):
    """A batch script, and the files of its templates, the plan's own first."""

    script: str
    templates: tuple[str, ...]


def render(plan: LaunchPlan | BuildPlan, folders: Sequence[Path]) -> str:
    """Return the batch script of a plan: see :func:`render_script`."""
    return render_script(plan, folders).script


def render_script(plan: LaunchPlan | BuildPlan, folders: Sequence[Path]) -> RenderedScript:
    """Return the batch script of a plan, and where it comes from.

    ``folders`` is the search path of templates. A template is Jinja2 with strict names, in Jinja's sandbox: it sees the plan
    and nothing else. Every ``{{ value }}`` is rendered as one quoted bash word unless it goes through ``raw``, so that quoting
    can't be forgotten.

    Raises TemplateError if the template is missing or wrong, or somebody else could have written it.
    """
    import jinja2  # noqa: PLC0415 - 50 ms that only rendering needs

    environment, finder = _build_environment((*_find_own_folder(plan.batch.template), *folders))
    finder.found.clear()
    try:
        text = environment.get_template(Path(plan.batch.template).name).render(plan=plan)
    except jinja2.TemplateNotFound as err:
        places = ", ".join(map(str, folders))
        raise TemplateError(
            Finding("template-missing", "template", f"there is no template {err.name}", f"searched in {places}")
        ) from None
    except jinja2.TemplateSyntaxError as err:
        raise TemplateError(
            Finding("template-syntax", f"{err.filename or plan.batch.template}:{err.lineno}", str(err.message))
        ) from None
    except jinja2.TemplateError as err:
        raise TemplateError(
            Finding("template-error", plan.batch.template, str(err), "the template can use the fields of plan.json")
        ) from None
    except RecursionError:
        raise TemplateError(
            Finding(
                "template-error", plan.batch.template, "extends itself", "rename it: it has the name of the template it extends"
            )
        ) from None
    except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as err:  # UnicodeDecodeError is a ValueError
        raise TemplateError(
            Finding("template-error", plan.batch.template, f"{type(err).__name__}: {err}", "correct the template")
        ) from None
    script = re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"
    return RenderedScript(script, tuple(dict.fromkeys(finder.found)))


@functools.cache
def _build_environment(folders: tuple[Path, ...]) -> tuple[jinja2.Environment, _Finder]:
    """Return Jinja's environment, which compiles each template once, and its template finder; one pair for each search path."""
    import jinja2  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    from slurmtf.plan.compiled import CompiledTemplates  # noqa: PLC0415

    finder = _Finder(folders)
    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.FunctionLoader(finder.load),
        bytecode_cache=CompiledTemplates(read_stamps([__file__, quoting.__file__])),
        undefined=jinja2.StrictUndefined,
        finalize=quote,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals = {name: environment.globals[name] for name in GLOBALS}
    environment.filters.update(FILTERS)
    environment.concat = _join  # type: ignore[method-assign]  # of a block that another one calls: {{ super() }}
    return environment, finder


class _Finder(threading.local):
    """Finds a template by name, in the first folder that has it. ``found`` lists the files of one rendering, per thread."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = folders
        self.found: list[str] = []

    def load(self, name: str) -> tuple[str, str, Callable[[], bool]] | None:
        """Return a template's text, its file, and a function that returns whether that file is still current (Jinja's loader
        interface)."""
        path = self._find(name)
        if path is None:
            return None
        stamp = _read_stamp(path)
        return path.read_text(encoding="utf-8"), str(path), lambda: self._find(name) == path and _read_stamp(path) == stamp

    def _find(self, name: str) -> Path | None:
        if ".." in name.split("/"):
            return None
        for folder in self._folders:
            path = folder / name
            if is_file(path):
                _check(path, folder)
                self.found.append(to_absolute(path))
                return path
        return None


def _read_stamp(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _check(path: Path, folder: Path) -> None:
    if folder in list_unnamed_folders("templates"):
        check_unnamed(path, TemplateError, f"--template {path}")


def _find_own_folder(template: str) -> list[Path]:
    return [Path(to_absolute(template)).parent] if "/" in template else []


def _join(parts: Iterable[str]) -> Raw:
    return Raw("".join(parts))


def _quote_comment(value: object) -> Raw:
    """Return a value for a comment line: one line, ASCII."""
    return Raw("".join(char if char.isascii() and char.isprintable() else "?" for char in str(value)))


FILTERS = {"raw": Raw, "words": quote_words, "directive": quote_directive, "comment": _quote_comment}
"""The filters that templates have in addition to Jinja's own (docs/templates.md)."""
