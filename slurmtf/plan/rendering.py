"""The plan rendered: a batch script that a person can read, change and submit by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from slurmtf.errors import TemplateError
from slurmtf.findings import Finding
from slurmtf.paths import absolute
from slurmtf.plan.model import BuildPlan, LaunchPlan
from slurmtf.plan.quoting import Raw, directive, quote, words


def render(plan: LaunchPlan | BuildPlan, folders: Sequence[Path]) -> str:
    """Return the batch script of a plan.

    ``folders`` is where templates are looked for. A template is Jinja2 with strict names; every ``{{ value }}`` comes
    out as one quoted bash word unless it goes through ``raw``, so that none can be forgotten.

    Raises TemplateError when the template is missing or wrong.
    """
    import jinja2  # noqa: PLC0415 - 50 ms that only a renderer pays

    environment = jinja2.Environment(  # noqa: S701 - the output is shell, not HTML: finalize quotes
        loader=jinja2.FileSystemLoader([*_own_folder(plan.template), *map(str, folders)]),
        undefined=jinja2.StrictUndefined,
        finalize=quote,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(raw=Raw, words=words, directive=directive, comment=_comment)
    environment.concat = _joined  # type: ignore[method-assign]  # of a block that another one calls: {{ super() }}
    try:
        text = environment.get_template(Path(plan.template).name).render(plan=plan)
    except jinja2.TemplateNotFound as err:
        searched = ", ".join(map(str, folders))
        raise TemplateError(
            Finding("template-missing", "template", f"there is no template {err.name}", f"searched in {searched}")
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
    return re.sub(r"\n{3,}", "\n\n", text).rstrip("\n") + "\n"


def _own_folder(template: str) -> list[str]:
    return [str(Path(absolute(template)).parent)] if "/" in template else []


def _joined(parts: Iterable[str]) -> Raw:
    return Raw("".join(parts))


def _comment(value: Any) -> Raw:
    """Return a value for a comment line: one line, ASCII."""
    return Raw("".join(char if char.isascii() and char.isprintable() else "?" for char in str(value)))
