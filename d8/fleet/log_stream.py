"""The one WebSocket client: an app's journal as it is written. The token goes out only over the pinned connection."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from d8.app_models import LogFilter, LogItem
from d8.errors import D8Error, SlaveUnreachable
from d8.fleet.agent_client import ProblemAnswer, problem_of
from d8.fleet.answers import NotUnderstood, document
from d8.fleet.app_answers import log_frame
from d8.fleet.apps_client import explained
from d8.fleet.handshake import pinned_connection, plain_connection, unreachable
from d8.fleet.names import Address
from d8.models import Credential

LARGEST_FRAME_BYTES = 16 * 1024 * 1024
FRAMES_KEPT = 4  # what is not read waits on the slave, which then leaves out and says how much
PING_SECONDS = 20.0
CLOSE_SECONDS = 2.0


class StreamClosed(SlaveUnreachable):
    """The stream is over: the slave closed it, or the network did."""


class LogStream:
    """One open stream of a slave's app. A context manager."""

    def __init__(self, address: Address, connection: ClientConnection, stack: ExitStack) -> None:
        self._address = address
        self._connection = connection
        self._stack = stack

    def __enter__(self) -> LogStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def receive(self, timeout_seconds: float) -> list[LogItem]:
        """Given how long to wait, return what has come; nothing when nothing came. Raises StreamClosed."""
        try:
            return log_frame(self._connection.recv(timeout=timeout_seconds))
        except TimeoutError:
            return []
        except ConnectionClosed as error:
            raise StreamClosed(
                "{address} ended the log stream ({reason})",
                address=self._address,
                reason=(error.rcvd.reason or error.rcvd.code) if error.rcvd else "connection lost",
            ) from error
        except NotUnderstood as error:
            raise SlaveUnreachable(
                "{address} sent something that is no log of D8's",
                "Build it again (option 11) to bring it to the master's commit.",
                address=self._address,
            ) from error


def open_log_stream(
    address: Address, credential: Credential | None, tls: bool, timeout_seconds: float, name: str, wanted: LogFilter
) -> LogStream:
    """Given a slave's agent and what belongs to it, an app and which entries are wanted, return the open stream.

    Raises Refused when another server answers, before anything is sent; SlaveUnreachable; UnknownApp.
    """
    socket = (
        pinned_connection(address, credential.fingerprint, timeout_seconds)
        if tls and credential
        else plain_connection(address, timeout_seconds)
    )
    socket.settimeout(None)  # the library has timeouts of its own
    stack = ExitStack()
    try:
        connection = stack.enter_context(
            connect(
                f"ws://{address.url}/logs/{name}?{urlencode(wanted.parameters())}",  # TLS, if wanted, is there already
                sock=socket,
                proxy=None,
                compression=None,
                additional_headers={"Authorization": f"Bearer {credential.token}"} if credential else {},
                open_timeout=timeout_seconds,
                ping_interval=PING_SECONDS,
                ping_timeout=PING_SECONDS,
                close_timeout=CLOSE_SECONDS,
                max_size=LARGEST_FRAME_BYTES,
                max_queue=FRAMES_KEPT,
            )
        )
    except InvalidStatus as error:
        raise _refusal(error, address) from error
    except (WebSocketException, OSError, ValueError) as error:  # ValueError: it wanted to send us elsewhere
        raise unreachable(address, error) from error
    return LogStream(address, connection, stack)


def _refusal(error: InvalidStatus, address: Address) -> D8Error:
    """What the slave said instead of opening the stream."""
    response = error.response
    try:
        said = document(bytes(response.body or b"{}"))
    except NotUnderstood:
        said = {}
    problem = problem_of(response.status_code, said, address)
    return explained(problem) if isinstance(problem, ProblemAnswer) else problem
