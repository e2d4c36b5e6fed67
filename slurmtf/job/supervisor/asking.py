"""Points that Optuna proposes: its own Python, in a tool environment, is asked; we are not it, and may be Python 3.6."""

import json
import math
import subprocess
from typing import Any, Dict, List, Mapping

from ..contract.ledger import Ledger
from ..contract.sweep import Point

TIMEOUT_S = 60.0
LONGEST_NOTE = 200


def ask(ledger: Ledger, trial: int, environ: Mapping[str, str]) -> Point:
    """Return a point for a trial: the proposed one; the one that was drawn, with the reason, where none can be had."""
    settings, drawn = ledger.settings, ledger.points[trial]
    if not settings.asker:
        return drawn._replace(note="drawn at random: there was no Optuna at submission")
    try:
        with open(ledger.layout.settings, encoding="utf-8") as file:
            space = json.load(file)["space"]
        question = {"space": space, "seed": settings.seed + trial, "goal": settings.goal, "trials": _trials(ledger, trial)}
        asked = subprocess.run(
            [settings.asker, "-I", ledger.layout.ask],
            input=json.dumps(question).encode("utf-8"),
            env={name: value for name, value in environ.items() if not name.startswith("PYTHON")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=TIMEOUT_S,
            check=True,
        )
        return Point(dict(json.loads(asked.stdout.decode("utf-8"))["values"]), "bayesian")
    except subprocess.CalledProcessError as err:
        return drawn._replace(note=_note((err.stderr or b"").decode("utf-8", "replace").strip().rpartition("\n")[2]))
    except (OSError, ValueError, KeyError, TypeError, subprocess.TimeoutExpired) as err:
        return drawn._replace(note=_note(str(err)))


def _note(why: str) -> str:
    return "drawn at random: Optuna could not be asked: {}".format(why)[:LONGEST_NOTE]


def _trials(ledger: Ledger, asking: int) -> List[Dict[str, Any]]:
    """Return what is known of the other trials, and of those of other sweeps."""
    found: List[Dict[str, Any]] = [{"values": one.values, "value": one.best, "runs": False} for one in ledger.earlier]
    for number in sorted(ledger.attempts()):
        if number == asking:
            continue
        result = ledger.result(number)
        value = result.best if result and result.best is not None and math.isfinite(result.best) else None
        found.append({"values": ledger.point(number).values, "value": value, "runs": result is None})
    return found
