"""What ssh says when it fails, in the operator's words: one table, from its message to an error with a next step."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from d8.errors import D8Error, Refused, SlaveUnreachable
from d8.messages import Message, message

SSH_FAILED = 255
MISSING_PROGRAM = 127
OUT_OF_TIME = 124
DENIED = re.compile(r"Permission denied \(([a-z0-9@.,-]+)\)")


class HostKeyChanged(Refused):
    """The host presents another key than the pinned one."""


class LoginRefused(Refused):
    """No key or password was accepted. `methods` are the ways to log in that the host offers."""

    methods: frozenset[str] = frozenset()


Row = tuple[str, type[D8Error], Message, Message]
CHECK_NETWORK = message("Is it switched on, and in this network? Check the address.")

# In this order: the first that fits is told.
TABLE: tuple[Row, ...] = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key is known for",
        HostKeyChanged,
        message("{host} presents another host key than before: somebody may stand in between"),
        message("Nothing was sent."),
    ),
    (
        r"UNPROTECTED PRIVATE KEY|bad permissions",
        Refused,
        message("ssh refuses the key: others can read its file"),
        message("Close it: chmod 600 FILE"),
    ),
    (
        r"Too many authentication failures",
        Refused,
        message("{host} closed the connection after too many keys of your agent"),
        message("Name the right one: --key FILE"),
    ),
    (
        r"Could not resolve hostname|Name or service not known|nodename nor servname",
        SlaveUnreachable,
        message("the name {name} is not known"),
        message("Use the IP address, or correct the name."),
    ),
    (
        r"Connection refused",
        SlaveUnreachable,
        message("nothing answers ssh on {host}"),
        message(
            "Switch ssh on there (Raspberry Pi: sudo raspi-config, Interface Options), or name its port with --port."
        ),
    ),
    (
        r"timed out|Timeout, server",
        SlaveUnreachable,
        message("no answer from {host} over ssh"),
        CHECK_NETWORK,
    ),
    (
        r"No route to host|Network is unreachable|Host is down",
        SlaveUnreachable,
        message("there is no way to {host} in the network"),
        CHECK_NETWORK,
    ),
    (
        r"no matching (host key type|key exchange|cipher|mac|MAC)|[Nn]o matching host key",
        Refused,
        message("{host} and this master's ssh have no algorithm in common: {reason}"),
        message("One of the two is very old: update it."),
    ),
    (
        r"Connection (closed|reset)|kex_exchange_identification|[Bb]roken pipe|banner",
        SlaveUnreachable,
        message("{host} closed the ssh connection: {reason}"),
        message("Is it an ssh server that listens there? Wait a moment and try again; its own log says more."),
    ),
)


@dataclass(frozen=True)
class Ending:
    """How an ssh ended: its exit code, its last lines, and whether the command had begun by then."""

    exit_code: int
    lines: Sequence[str]
    has_begun: bool


def problem_of(ending: Ending, host: str, user: str, name: str) -> D8Error | None:
    """Given how ssh ended, return the error to raise, or None when ssh itself did its work. Pure.

    `host` is how the target is shown, `name` what ssh connects to.
    """
    exit_code, output = ending.exit_code, ending.lines
    if exit_code == MISSING_PROGRAM and not ending.has_begun:
        return D8Error("there is no ssh client on this machine", "Install OpenSSH's: sudo apt install openssh-client")
    if exit_code == OUT_OF_TIME:
        return D8Error("the install script on {host} did not end in time", "Log in there and look.", host=host)
    if exit_code != SSH_FAILED:
        return None
    if ending.has_begun:
        return SlaveUnreachable(
            "the ssh connection to {host} broke: {reason}",
            "Do it again: what was done there already is no obstacle.",
            host=host,
            reason=reason_in(output),
        )
    text = "\n".join(output)
    for pattern, kind, what, hint in TABLE:
        if re.search(pattern, text):
            return kind(what.template, hint.template, host=host, name=name, reason=reason_in(output))
    if denied := DENIED.search(text):
        refused = LoginRefused(
            "{host} lets {user} in with none of this master's keys",
            "Name the key with --key FILE, or put yours there: ssh-copy-id {user}@{name}",
            host=host,
            user=user,
            name=name,
        )
        refused.methods = frozenset(denied[1].split(","))
        return refused
    return SlaveUnreachable("ssh to {host} failed: {reason}", host=host, reason=reason_in(output))


def reason_in(output: Sequence[str]) -> str:
    """Given ssh's lines, return the last one with something in it."""
    return next((line.strip() for line in reversed(output) if line.strip()), "no reason given")
