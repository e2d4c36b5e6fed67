"""Check environment variables that the user sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from slurmtf.estimator.arguments import check_text
from slurmtf.findings import Finding


def to_text(value: object) -> object:
    """Return an environment variable's value as text; invalid values are left to the checks."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def check_variables(variables: object, parameter: str = "environment_variables") -> Iterable[Finding]:
    """Yield what is wrong with environment variables. ``parameter`` is the parameter that holds them."""
    if variables is None:
        return
    if not isinstance(variables, Mapping):
        yield Finding("bad-variables", parameter, f"{variables!r} is not a mapping", "write {'NAME': 'value'}")
        return
    for name, value in variables.items():
        where = f"{parameter}[{name!r}]"
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Finding("bad-variable-name", where, "is not a name for a variable", "use letters, digits and underscores")
        elif not isinstance(value, str):
            yield Finding("not-a-text", where, f"{value!r} is not a string", "write the string that the script is to read")
        else:
            yield from check_text(where, f"{name}={value}")
