"""A real browser without a window, driven through a pipe (Chrome DevTools protocol, --remote-debugging-pipe)."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")


class Browser:
    """One page of a browser."""

    def __init__(self, program: str, profile: Path) -> None:
        ours_out, theirs_in = os.pipe(), os.pipe()
        command = [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        ]
        shell = ["bash", "-c", f'exec "$@" 3<&{theirs_in[0]} 4>&{ours_out[1]}', "browser", *command]
        self._process = subprocess.Popen(
            shell, pass_fds=(theirs_in[0], ours_out[1]), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        os.close(theirs_in[0])
        os.close(ours_out[1])
        self._write, self._read = os.fdopen(theirs_in[1], "wb", 0), os.fdopen(ours_out[0], "rb")
        self._number, self._session = 0, ""
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Browser:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=800, height=600, deviceScaleFactor=1, mobile=False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._write.close()
        self._read.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method and return its result; events that come meanwhile are kept."""
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        self._write.write(json.dumps({"id": self._number, "method": method, "params": parameters, **session}).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path) -> None:
        """Open a file and wait until it is loaded."""
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Move the mouse ('mouseMoved'), or press and release its button ('click')."""
        for one in ("mousePressed", "mouseReleased") if kind == "click" else (kind,):
            self.call(
                "Input.dispatchMouseEvent", type=one, x=x, y=y, button="left" if kind == "click" else "none", clickCount=1
            )

    def screenshot(self) -> bytes:
        """Return what the page looks like, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What the page's console and its policy complained about."""
        return [event for event in self.events if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")]

    @property
    def requests(self) -> list[str]:
        """What the page asked for."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [str(event["params"]["request"]["url"]) for event in sent]

    def _receive(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._read.read(1)) not in (b"\0", b""):
            message += byte
        assert message, "the browser is gone"
        received: dict[str, Any] = json.loads(message)
        return received


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser; where there is none, the test is left out, unless $SLURMTF_REQUIRE_BROWSER says that it may not be."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        (pytest.fail if os.environ.get("SLURMTF_REQUIRE_BROWSER") else pytest.skip)(
            f"no browser: apt-get install chromium-headless-shell (looked for {', '.join(NAMES)})"
        )
    with Browser(str(program), tmp_path_factory.mktemp("browser")) as opened:
        yield opened
