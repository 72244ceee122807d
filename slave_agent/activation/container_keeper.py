"""The verb `container`: the process that systemd knows as the agent while the agent itself runs in a container.

Docker can't pass systemd's socket on, so this does: it hands the listening socket to the agent over a Unix socket and
the agent's words (ready, alive) to systemd. systemd holds the port and restarts as with the other runtimes.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from slave_agent.activation import containers
from slave_agent.activation.agent_user import find_agent_user
from slave_agent.activation.commands import Attached, Commands
from slave_agent.activation.containers import Container
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.layout import Layout

FIRST_PASSED_DESCRIPTOR = 3
LISTEN, NOTIFY = "listen.sock", "notify.sock"
TOLD_TO_SYSTEMD = (b"READY=", b"STOPPING=", b"WATCHDOG=", b"STATUS=")
# The bootstrap answers within a minute after Docker's death: four such starts, each with one more answer to wait for
# and RestartSec, before the unit's start limit calls it. They have to fit into the limit's interval, too.
DAEMON_PATIENCE_SECONDS = 9.0
DAEMON_ANSWER_SECONDS = 3.0
LOOK_SECONDS = 0.5
STOP_SECONDS = "4"


@dataclass(frozen=True)
class Inherited:
    """What systemd gave us: the port's sockets, where to report, how often to say that we are alive."""

    descriptors: tuple[int, ...]
    notify_address: str
    watchdog_usec: str

    def tell(self, words: bytes) -> None:
        """Pass the agent's words on, as far as they are for systemd."""
        lines = [line for line in words.splitlines() if line.startswith(TOLD_TO_SYSTEMD)]
        if self.notify_address and lines:
            address = "\0" + self.notify_address[1:] if self.notify_address.startswith("@") else self.notify_address
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagram:
                datagram.sendto(b"\n".join(lines), address)


def inherited(process_id: int) -> Inherited:
    """Return what the environment says that systemd gave to the process."""
    is_ours = os.environ.pop("LISTEN_PID", "") == str(process_id)
    passed = int(os.environ.pop("LISTEN_FDS", "0"))
    count = passed if is_ours else 0
    descriptors = tuple(range(FIRST_PASSED_DESCRIPTOR, FIRST_PASSED_DESCRIPTOR + count))
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    notify, watchdog = os.environ.pop("NOTIFY_SOCKET", ""), os.environ.pop("WATCHDOG_USEC", "")
    return Inherited(descriptors, notify, watchdog)


def keep_container(layout: Layout, release: Path, listen: str | None) -> int:
    """Given the release and, for a trial, the address to listen on: run the agent's container until it ends.

    Returns its exit code. Raises ActivationError where Docker does not answer or refuses.
    """
    given = inherited(os.getpid())
    container = container_of(release, listen, os.environ.get("RUNTIME_DIRECTORY"))
    runner = Commands()
    wait_for_docker(runner)
    environment = container.environment(layout, given.watchdog_usec)
    with sockets_in(container.sockets) as (listening, notified):
        containers.create(runner, container, environment)
        client = runner.attach(["docker", "start", "--attach", container.name])
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            return serve(given, listening, notified, client)
        finally:
            runner.run(["docker", "stop", "--time", STOP_SECONDS, container.name], timeout_seconds=8)
            client.wait(timeout_seconds=1)


def container_of(release: Path, listen: str | None, runtime_folder: str | None) -> Container:
    """Given the release and what systemd calls our runtime folder, return the container. Raises ActivationError."""
    if not runtime_folder:
        raise ActivationError("A container's keeper is started by systemd.", "Use: systemctl start d8-agent")
    image = (release / "image").read_text(encoding="utf-8").strip()
    words = ["--settings", str(release / "agent.json"), *(["--listen", listen] if listen else [])]
    name = containers.STAGING if listen else containers.AGENT
    return Container(name, release, image, Path(runtime_folder), tuple(words))


def wait_for_docker(runner: Commands) -> None:
    """Wait for Docker, which may be starting as well. Raises ActivationError when it does not answer in time."""
    deadline = time.monotonic() + DAEMON_PATIENCE_SECONDS
    while True:
        asked = runner.run(
            ["docker", "version", "--format", "{{.Server.Version}}"], timeout_seconds=DAEMON_ANSWER_SECONDS
        )
        if asked.is_ok:
            return
        if time.monotonic() >= deadline:
            raise ActivationError(f"Docker does not answer: {asked.reason}", "Run: systemctl restart docker")
        time.sleep(LOOK_SECONDS)


@contextlib.contextmanager
def sockets_in(folder: Path) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Make the two sockets that the agent's user may reach: one that hands out the port, one that hears the agent."""
    owner = find_agent_user()
    if owner is None:
        raise ActivationError("The agent has no user here.", "Run install first.")
    folder.chmod(0o755)
    with contextlib.ExitStack() as opened:
        listening = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        notified = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        for one, name in ((listening, LISTEN), (notified, NOTIFY)):
            (folder / name).unlink(missing_ok=True)
            one.bind(str(folder / name))
            os.chown(folder / name, 0, owner.group_id)
            (folder / name).chmod(0o660)
        listening.listen()
        yield listening, notified


def serve(given: Inherited, listening: socket.socket, notified: socket.socket, client: Attached) -> int:
    """Pass sockets and words on until the container has ended; return its exit code."""
    with selectors.DefaultSelector() as selector:
        selector.register(listening, selectors.EVENT_READ)
        selector.register(notified, selectors.EVENT_READ)
        while client.exit_code() is None:
            for key, _ in selector.select(LOOK_SECONDS):
                if key.fileobj is listening:
                    hand_out(listening, given.descriptors)
                else:
                    given.tell(notified.recv(4096))
    return client.exit_code() or 0


def hand_out(listening: socket.socket, descriptors: Sequence[int]) -> None:
    """Give whoever connected the port's sockets; without any he is told so and listens himself."""
    connection, _ = listening.accept()
    with connection, contextlib.suppress(OSError):
        connection.settimeout(2)
        socket.send_fds(connection, [str(len(descriptors)).encode()], list(descriptors))
