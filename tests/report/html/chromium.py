"""A headless Chromium that tests can ask things: the smallest client of its DevTools protocol that does.

It speaks JSON over two pipes (``--remote-debugging-pipe``: commands in on descriptor 3, answers out on 4, each ended by NUL),
so there is no port to find or to collide on, no web socket, no driver and no package beyond Debian's ``chromium``. When the
pipe closes, the browser ends. Every wait is bounded; a machine under load gets time, and a browser that hangs an error.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

PATIENCE_S = 90.0
"""For one answer. Chromium starts in a second, and in twenty on a machine that is busy otherwise."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def found() -> str | None:
    """The path of Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class BrowserError(Exception):
    """Chromium did not do what it was asked for."""


class Browser:
    """One Chromium with one page."""

    def __init__(self, path: str, folder: Path) -> None:
        self._commands_out, self._answers_in, self._process = _started(path, folder)
        self._last = 0
        self._buffer = b""
        self._session: str | None = None
        self.events: list[tuple[str, dict[str, Any]]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of one command."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        _write(self._commands_out, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda got: got.get("id") == self._last, method)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, page: Path, *, width: int, dark: bool = False) -> None:
        """Show that file in a window of that width; what was on the console before is forgotten."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        if all(name != "Page.loadEventFired" for name, _ in self.events):
            self._until(lambda got: got.get("method") == "Page.loadEventFired", "the page")

    def ask(self, script: str) -> Any:
        """The value of a script's expression, on the page, past its own policy."""
        result = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in result:
            raise BrowserError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def key(self, name: str, text: str = "") -> None:
        """Press a key."""
        codes = {"Enter": 13, "Tab": 9, " ": 32}
        common = {"key": name, "code": name, "windowsVirtualKeyCode": codes.get(name, 0)}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def complaints(self) -> list[str]:
        """Errors, warnings and violations of the policy since the page was opened, and every address that it asked for."""
        self.ask("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
        found = []
        for name, event in self.events:
            if name == "Log.entryAdded":
                found.append(f"{event['entry']['source']}: {event['entry']['text']}")
            elif name == "Runtime.exceptionThrown":
                found.append(str(event["exceptionDetails"]))
            elif name == "Page.javascriptDialogOpening":
                found.append(f"dialog: {event['message']}")
            elif name == "Runtime.consoleAPICalled":
                found.append(f"console: {event['args']}")
            elif name == "Network.requestWillBeSent" and not event["request"]["url"].startswith(("file:", "data:,")):
                found.append(f"request: {event['request']['url']}")
        return found

    def picture(self, path: Path, *, height: int | None = None) -> None:
        """The whole page as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"], "scale": 1}
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(taken["data"]))

    def paper(self) -> bytes:
        """The page as PDF."""
        printed = self.call(
            "Page.printToPDF", printBackground=True, preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69
        )
        return base64.b64decode(printed["data"])

    def _until(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            while b"\0" in self._buffer:
                octets, _, self._buffer = self._buffer.partition(b"\0")
                got = json.loads(octets)
                if "method" in got:
                    self.events.append((got["method"], got["params"]))
                if wanted(got):
                    return got  # type: ignore[no-any-return]
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._answers_in], [], [], left)[0]:
                raise BrowserError(f"no answer to {what} within {PATIENCE_S:.0f} s")
            octets = os.read(self._answers_in, 1 << 16)
            if not octets:
                raise BrowserError(f"Chromium ended while it was asked for {what} (status {self._process.poll()})")
            self._buffer += octets

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._commands_out)
        os.close(self._answers_in)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)


def _started(path: str, folder: Path) -> tuple[int, int, subprocess.Popen[bytes]]:
    """Where to write commands, where to read answers, and the process. A shell puts the pipes on descriptors 3 and 4."""
    commands_in, commands_out = os.pipe()
    answers_in, answers_out = os.pipe()
    given = [_out_of_the_way(commands_in), _out_of_the_way(answers_out)]
    shell = f'exec "$@" 3<&{given[0]} 4>&{given[1]}'
    process = subprocess.Popen(
        ["bash", "-c", shell, "chromium", path, *FLAGS, f"--user-data-dir={folder}"],
        pass_fds=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for descriptor in given:
        os.close(descriptor)
    return commands_out, answers_in, process


def _out_of_the_way(descriptor: int) -> int:
    """The same pipe on a descriptor that is neither 3 nor 4."""
    other = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return other


def _write(descriptor: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(descriptor, octets) :]


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A Chromium that keeps what it keeps in that folder."""
    path = found()
    if path is None:
        raise BrowserError("Chromium is not installed (Debian: apt install chromium)")
    with Browser(path, folder) as opened:
        yield opened
