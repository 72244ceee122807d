"""kill -9 of processes on a lab host, and who answers on its port from then on.

A kill that met nobody proves nothing, and neither does an open port: both are said here once, for every table of kills.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from types import TracebackType

from tests.lab.host import Host
from tests.support.handover import who_answers_at

PAUSE_SECONDS = 0.2
ANSWER_SECONDS = 2.0
OURS = ("agent", "bootstrap")


PYTHON = "^[^ ]*python[^ ]* -I [^ ]*/"  # what works, and not the systemd-run or the sudo that has begun it


def processes(pattern: str, begins_with: str = "") -> str:
    """The shell command that prints the pids of those whose command line matches, the one that looks left out."""
    return f"pgrep -f '{begins_with}[{pattern[0]}]{pattern[1:]}'"


def as_soon_as_found(find: str) -> str:
    """The same as the command given, once it finds somebody, within a second or two."""
    return f"for _ in $(seq 100); do {find} && break; sleep 0.01; done"


HELPER = processes("d8-helper")
AGENT = "systemctl show -p MainPID --value d8-agent.service | grep -vx 0"
PREPARING = processes("d8-activate update --wait", begins_with=PYTHON)
SWAP = processes("d8-activate swap", begins_with=PYTHON)
CONFIRMING = processes("d8-activate confirm", begins_with=PYTHON)
# One helper lives for each caller that is connected; where no step needs one, somebody connects just then.
SERVING_HELPER = f"""{{ python3 -c "
import socket, time
caller = socket.socket(socket.AF_UNIX)
caller.connect('/run/d8-agent-helper/helper.sock')
time.sleep(2)" >/dev/null 2>&1 & }}; {as_soon_as_found(HELPER)}"""


def swap_is_at(step: str, opt: str = "/opt/d8-agent") -> str:
    """The shell command that says whether the swap has reached that step and no other."""
    return f'grep -q \'"step": *"{step}"\' {opt}/state/handover.json'


def kill_9(host: Host, find: str, *, when: str = "true", seconds: int = 10) -> list[int]:
    """Given the shell command that prints pids, kill -9 them as soon as there are any and `when` holds; return them.

    Raises AssertionError where there was none within the time: then nothing was tried.
    """
    script = f"""
        while [ $SECONDS -lt {seconds} ]; do
            killed=
            if {when}; then for pid in $({find}); do kill -9 $pid && killed="$killed $pid"; done; fi
            [ -z "$killed" ] || {{ echo $killed; exit; }}
            sleep 0.01
        done"""
    killed = host.run(["bash", "-c", script], check=False, timeout_seconds=seconds + 30)
    assert killed.stdout.split(), f"nobody to kill within {seconds} s: {find}\n{killed.stderr}"
    return [int(pid) for pid in killed.stdout.split()]


class PortWatch:
    """Asks again and again, for the length of the block, who answers on a host's port 7600.

    Trusted is a server of ours that presents one of these certificates, given as their SHA-256.
    """

    def __init__(self, host: Host, trusted: Collection[str]) -> None:
        self._address, self._trusted = host.address, frozenset(trusted)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._last = 0.0
        self.answers = 0
        self.longest_silence_seconds = 0.0
        self.strangers: set[str] = set()

    def __enter__(self) -> PortWatch:
        self._last = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._note_silence()

    def assert_nobody_was_locked_out(self, seconds: float) -> None:
        """At no time did it take longer than that until somebody trusted answered, and nobody else ever did."""
        print(f"{self.answers} trusted answers, never silent for longer than {self.longest_silence_seconds:.1f} s")
        assert not self.strangers, "somebody else answered"
        assert self.answers and self.longest_silence_seconds <= seconds, "locked out"

    def _watch(self) -> None:
        while not self._ended.is_set():
            answered = who_answers_at(self._address, ANSWER_SECONDS)
            if answered.mode in OURS and answered.fingerprint in self._trusted:
                self.answers += 1
                self._note_silence()
                self._last = time.monotonic()
            elif answered.fingerprint:
                self.strangers.add(answered.fingerprint)
            self._ended.wait(PAUSE_SECONDS)

    def _note_silence(self) -> None:
        self.longest_silence_seconds = max(self.longest_silence_seconds, time.monotonic() - self._last)
