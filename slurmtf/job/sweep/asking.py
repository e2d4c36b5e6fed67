"""Ask Optuna for points. It runs in its own Python, in a tool environment; ours may be Python 3.6.

Importing Optuna takes a second or more, and building its study from a thousand trials another, so an element has one helper for
all its questions. The helper starts with the element and is sent only what is new; if it dies, it is restarted.
"""

import contextlib
import json
import math
import os
import socket
import subprocess
import tempfile
from typing import Dict, List, Mapping, Optional

from ..common import process
from ..contract import variables as var
from ..contract.interchange import JsonObject
from ..contract.sweep.ledger import Ledger
from ..contract.sweep.records import Point

TIMEOUT_S = 60.0
LONGEST_NOTE = 200


class Helper:
    """A program that answers a line of JSON with another. It ends with us, but not with a launch. Raises OSError if it can't be
    started."""

    def __init__(self, command: List[str], environ: Dict[str, str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(TIMEOUT_S)
        parent = os.getpid()
        with theirs:
            self._process = subprocess.Popen(
                command,
                env=environ,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._errors,
                start_new_session=True,  # signals of the job are for us
                preexec_fn=lambda: process.end_with_parent(parent),  # noqa: PLW1509 - the supervisor has no threads
            )
        process.KEPT.add(self._process.pid)

    def tell(self, facts: Mapping[str, object]) -> None:
        """Send a line that needs no answer. Raises OSError."""
        self._socket.sendall(json.dumps(facts).encode("utf-8") + b"\n")

    def ask(self, question: Mapping[str, object]) -> JsonObject:
        """Return the answer. Raises OSError or ValueError if there is none."""
        self.tell(question)
        answer = b""
        while not answer.endswith(b"\n"):
            received = self._socket.recv(65536)
            if not received:
                raise OSError("it ended")
            answer += received
        return dict(json.loads(answer.decode("utf-8")))

    def close(self) -> str:
        """End it; return the last line that it wrote to standard error."""
        self._socket.close()
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        process.KEPT.discard(self._process.pid)
        with self._errors as errors:
            errors.seek(0)
            return errors.read().decode("utf-8", "replace").strip().rpartition("\n")[2]


class Asker:
    """Asks for the points of one element. The helper starts while the element prepares; a failure is reported at the first
    question."""

    def __init__(self, ledger: Ledger, environ: Mapping[str, str]) -> None:
        self._ledger = ledger
        self._environ = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
        self._environ[var.OMP_NUM_THREADS] = "1"
        self._helper: Optional[Helper] = None
        self._told: Dict[int, bool] = {}
        """Whether the helper knows a trial as running, by trial; those of other sweeps have numbers below 0."""
        if ledger.settings.asker:
            with contextlib.suppress(OSError, ValueError, KeyError):
                self._start()

    def ask(self, trial: int) -> Point:
        """Return the point that Optuna proposes for a trial; if there is none, the one that was drawn, with the reason."""
        settings, drawn = self._ledger.settings, self._ledger.points.get_drawn(trial)
        if not settings.asker:
            return drawn._replace(note="drawn at random: there was no Optuna at submission")
        was_there = self._helper is not None
        try:
            return self._ask_helper(trial)
        except (OSError, ValueError, KeyError, TypeError) as err:
            again = was_there and not isinstance(err, socket.timeout)
            why = self._end() or str(err)
        if again:
            return self.ask(trial)
        return drawn._replace(note="drawn at random: Optuna could not be asked: {}".format(why)[:LONGEST_NOTE])

    def close(self) -> None:
        """End the helper, if there is one."""
        self._end()

    def _ask_helper(self, trial: int) -> Point:
        helper = self._helper or self._start()
        answer = helper.ask({"seed": self._ledger.settings.seed + trial, "trials": self._collect_news(trial)})
        return Point(dict(answer["values"]), "bayesian")

    def _start(self) -> Helper:
        settings = self._ledger.settings
        with open(self._ledger.layout.settings, encoding="utf-8") as file:
            space = json.load(file)["space"]
        self._helper = Helper([settings.asker, "-I", self._ledger.layout.ask], self._environ)
        self._helper.tell({"space": space, "goal": settings.goal})
        return self._helper

    def _end(self) -> str:
        helper, self._helper = self._helper, None
        self._told.clear()
        return helper.close() if helper else ""

    def _collect_news(self, asking: int) -> List[Dict[str, object]]:
        """Return the facts about the other trials, and those of other sweeps, that the helper does not have yet."""
        done, earlier = self._ledger.list_done(), len(self._ledger.earlier)
        ended = dict.fromkeys(range(-earlier, 0), True)
        ended.update((number, number in done) for number in self._ledger.leases.read_attempts() if number != asking)
        news = []
        for number in sorted(ended):
            facts = self._build_facts(number, ended[number]) if self._told.get(number) is not ended[number] else None
            if facts is not None:
                self._told[number] = ended[number]
                news.append(facts)
        return news

    def _build_facts(self, number: int, ended: bool) -> Optional[Dict[str, object]]:
        """Return the facts about a trial; None if its point or its result is still being written."""
        if number < 0:
            earlier = self._ledger.earlier[-number - 1]
            return _build_trial(number, earlier.values, earlier.best, runs=False)
        result = self._ledger.result(number) if ended else None
        if result is None and (ended or not self._ledger.points.is_fixed(number)):
            return None
        return _build_trial(number, self._ledger.points.get(number).values, result.best if result else None, runs=not ended)


def _build_trial(number: int, values: Mapping[str, object], best: Optional[float], runs: bool) -> Dict[str, object]:
    finite = best if best is not None and math.isfinite(best) else None
    return {"number": number, "values": values, "value": finite, "runs": runs}
