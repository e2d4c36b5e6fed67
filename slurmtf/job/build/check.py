"""Check that a built environment has what a script needs, with its interpreter, before the run's job may start."""

import json
import pkgutil
import subprocess
from typing import List

from ..contract.environments import question
from ..contract.environments.store import StoreLayout
from .work import BuildError, Spec, build_environment, say

TIMEOUT_S = 300


def check(layout: StoreLayout, request: Spec) -> None:
    """Look for the modules of a request. Raises BuildError with the findings about missing ones.

    If the interpreter can't be run, nothing fails: the script itself will report what is missing.
    """
    say("looking for what the script imports ...")
    missing = _find_missing(layout, request)
    if missing:
        raise BuildError("\n".join(request["modules"][module] for module in missing))


def _find_missing(layout: StoreLayout, request: Spec) -> List[str]:
    source = (pkgutil.get_data(question.__name__.rpartition(".")[0], "question.py") or b"").decode("utf-8")
    asked = json.dumps({"modules": list(request["modules"]), "folders": []})
    try:
        output = subprocess.run(  # noqa: PLW1510
            [*request["words"], "-c", source, asked],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=build_environment(layout, request["variables"]),
            timeout=TIMEOUT_S,
        ).stdout.decode("utf-8", "replace")
    except (OSError, subprocess.TimeoutExpired) as err:
        say("the imports can't be checked: {}".format(err))
        return []
    facts = question.parse_answer(output)
    return list(facts["missing"]) if facts else []
