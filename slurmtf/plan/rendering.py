"""The plan rendered: a batch script that a person can read, change and submit by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from slurmtf.errors import TemplateError
from slurmtf.findings import Finding
from slurmtf.paths import absolute
from slurmtf.plan.model import BuildPlan, LaunchPlan
from slurmtf.plan.quoting import Raw, directive, quote, words
from slurmtf.sites.search import unnamed
from slurmtf.trusted import check_unnamed

if TYPE_CHECKING:
    import jinja2

GLOBALS = ("dict", "namespace", "range")
"""Of Jinja's functions those that a script may have a use for."""


class Rendered(NamedTuple):
    """A batch script, and the files of the templates that it comes from, the plan's own first."""

    script: str
    templates: tuple[str, ...]


def render(plan: LaunchPlan | BuildPlan, folders: Sequence[Path]) -> str:
    """Return the batch script of a plan: see :func:`rendered`."""
    return rendered(plan, folders).script


def rendered(plan: LaunchPlan | BuildPlan, folders: Sequence[Path]) -> Rendered:
    """Return the batch script of a plan, and where it comes from.

    ``folders`` is where templates are looked for. A template is Jinja2 with strict names, in Jinja's sandbox: it sees the plan
    and nothing else. Every ``{{ value }}`` comes out as one quoted bash word unless it goes through ``raw``, so that none can
    be forgotten.

    Raises TemplateError when the template is missing or wrong, or somebody else could have written it.
    """
    import jinja2  # noqa: PLC0415 - 50 ms that only a renderer pays

    found: list[str] = []
    searched = [*_own_folder(plan.template), *folders]
    environment = _environment(_finder(searched, found))
    try:
        text = environment.get_template(Path(plan.template).name).render(plan=plan)
    except jinja2.TemplateNotFound as err:
        places = ", ".join(map(str, folders))
        raise TemplateError(
            Finding("template-missing", "template", f"there is no template {err.name}", f"searched in {places}")
        ) from None
    except jinja2.TemplateSyntaxError as err:
        raise TemplateError(
            Finding("template-syntax", f"{err.filename or plan.template}:{err.lineno}", str(err.message))
        ) from None
    except jinja2.TemplateError as err:
        raise TemplateError(
            Finding("template-error", plan.template, str(err), "the template can use the fields of plan.json")
        ) from None
    except RecursionError:
        raise TemplateError(
            Finding("template-error", plan.template, "extends itself", "rename it: it has the name of what it extends")
        ) from None
    except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as err:  # UnicodeDecodeError is a ValueError
        raise TemplateError(
            Finding("template-error", plan.template, f"{type(err).__name__}: {err}", "correct the template")
        ) from None
    script = re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"
    return Rendered(script, tuple(dict.fromkeys(found)))


def _environment(find: Callable[[str], tuple[str, str, None] | None]) -> jinja2.Environment:
    import jinja2  # noqa: PLC0415
    from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

    environment = ImmutableSandboxedEnvironment(
        loader=jinja2.FunctionLoader(find),
        undefined=jinja2.StrictUndefined,
        finalize=quote,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals = {name: environment.globals[name] for name in GLOBALS}
    environment.filters.update(raw=Raw, words=words, directive=directive, comment=_comment)
    environment.concat = _joined  # type: ignore[method-assign]  # of a block that another one calls: {{ super() }}
    return environment


def _finder(folders: Sequence[Path], found: list[str]) -> Callable[[str], tuple[str, str, None] | None]:
    """Return what finds a template by its name, and notes its file in ``found``."""

    def find(name: str) -> tuple[str, str, None] | None:
        if ".." in name.split("/"):
            return None
        for folder in folders:
            path = folder / name
            if path.is_file():
                _check(path, folder)
                found.append(absolute(path))
                return path.read_text(encoding="utf-8"), str(path), None
        return None

    return find


def _check(path: Path, folder: Path) -> None:
    if folder in unnamed("templates"):
        check_unnamed(path, TemplateError, f"--template {path}")


def _own_folder(template: str) -> list[Path]:
    return [Path(absolute(template)).parent] if "/" in template else []


def _joined(parts: Iterable[str]) -> Raw:
    return Raw("".join(parts))


def _comment(value: Any) -> Raw:
    """Return a value for a comment line: one line, ASCII."""
    return Raw("".join(char if char.isascii() and char.isprintable() else "?" for char in str(value)))
