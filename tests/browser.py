"""A headless Chromium, asked over a pipe in its DevTools protocol: what a page shows, runs and requests."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 60.0


def browser() -> str | None:
    """The program; None where none is installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def _high(descriptor: int) -> int:
    """The same pipe as a descriptor above those that the browser wants for itself."""
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return high


class Page:
    """One open page. `requested` and `dialogs` are what it asked for and which dialogs it opened."""

    def __init__(self, folder: Path, size: tuple[int, int] = (1000, 900)) -> None:
        program = browser()
        assert program is not None, "no browser is installed"
        to_read, self._to = map(_high, os.pipe())
        self._from, to_write = map(_high, os.pipe())
        flags = ["--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        flags += ["--remote-debugging-pipe", f"--user-data-dir={folder}", f"--window-size={size[0]},{size[1]}"]
        flags += ["--no-sandbox"] if os.geteuid() == 0 else []

        def speak_on_3_and_4() -> None:  # as the protocol has it
            os.dup2(to_read, 3)
            os.dup2(to_write, 4)

        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            [program, *flags, "about:blank"],
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            pass_fds=(3, 4),
            preexec_fn=speak_on_3_and_4,
        )
        os.close(to_read)
        os.close(to_write)
        self._rest, self._last = b"", 0
        self._session: str | None = None
        self.requested: list[str] = []
        self.dialogs: list[str] = []
        (target,) = [each for each in self._send("Target.getTargets")["targetInfos"] if each["type"] == "page"][:1]
        attached = self._send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self._send(f"{domain}.enable")

    def _send(self, method: str, **params: Any) -> Any:
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return self._until(lambda answer: answer.get("id") == self._last)["result"]

    def _until(self, holds: Any) -> Mapping[str, Any]:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            while b"\0" not in self._rest:
                data = os.read(self._from, 1 << 16)
                assert data, "the browser has ended"
                self._rest += data
            line, _, self._rest = self._rest.partition(b"\0")
            message = json.loads(line)
            match message.get("method"):
                case "Network.requestWillBeSent":
                    self.requested.append(message["params"]["request"]["url"])
                case "Page.javascriptDialogOpening":
                    self.dialogs.append(message["params"]["message"])
            if holds(message):
                return dict(message)
        raise TimeoutError("the browser did not answer")

    def open(self, path: Path) -> None:
        """Opens a file, and waits until it is loaded."""
        self._send("Page.navigate", url=path.as_uri())
        self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def prefers(self, scheme: str) -> None:
        """Turns the reader's system `dark` or `light`."""
        self._send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, evaluated by the browser and not by the page."""
        answer = self._send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def close(self) -> None:
        """Ends the browser."""
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
