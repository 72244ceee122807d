"""A real headless Chromium, if this machine has one, driven over its DevTools protocol. Every wait has a deadline."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--ignore-certificate-errors",
    "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip
DEADLINE_SECONDS = 20.0


def chromium() -> str | None:
    """Where a Chromium is: `D8_TEST_CHROMIUM`, or one in the path; None without."""
    named = os.environ.get("D8_TEST_CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab. Given its DevTools connection; `messages` is what its console and its security policy complained of."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self.messages: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> Any:
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            event = json.loads(self._connection.recv(timeout=DEADLINE_SECONDS))
            if event.get("id") == number:
                assert "error" not in event, event
                return event["result"]
            self._note(event)

    def open(self, url: str) -> None:
        self.command("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression in the page, promises awaited; None where the page was just left."""
        found = self.command("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    def until(self, script: str) -> None:
        """Return once an expression, awaited where it is a promise, is true."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        asked = f"(async () => {{ try {{ return Boolean(await ({script})) }} catch {{ return false }} }})()"
        while not self.run(asked):
            told = f"never true: {script}\n{self.run('document.body.innerText')}\n{self.messages}"
            assert time.monotonic() < deadline, told
            time.sleep(0.05)

    def picture(self, path: Path, width: int, height: int, is_dark: bool = False) -> None:
        """Write what the page looks like at a size."""
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}]
        self.command("Emulation.setEmulatedMedia", features=features)
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot")["data"]))

    def _note(self, event: Any) -> None:
        if event.get("method") == "Log.entryAdded":
            self.messages.append(event["params"]["entry"]["text"])
        elif event.get("method") == "Runtime.exceptionThrown":
            self.messages.append(json.dumps(event["params"]["exceptionDetails"]))


@contextmanager
def browser_page(program: str, folder: Path, language: str = "en") -> Iterator[Page]:
    """A tab of a Chromium of its own, with an empty profile in the folder."""
    command = [program, *FLAGS, f"--user-data-dir={folder}", f"--accept-lang={language}", "about:blank"]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, start_new_session=True, **quiet)
    try:
        port = _port_of(folder / "DevToolsActivePort", process)
        with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=DEADLINE_SECONDS) as answer:
            [tab] = [one for one in json.load(answer) if one["type"] == "page"]
        with connect(tab["webSocketDebuggerUrl"], max_size=None, max_queue=None, compression=None) as connection:
            yield Page(connection)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # its helpers too; it keeps nothing that anybody wants
        process.wait()


def _port_of(file: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the browser ended at once"
        if file.exists() and (lines := file.read_text().split()):
            return int(lines[0])
        time.sleep(0.05)
    raise AssertionError("the browser did not open its DevTools")
