"""The command lines of ssh. Pure; nothing in them is secret."""

from __future__ import annotations

import math
from pathlib import Path

from d8.fleet.ssh_answer import AnswerKind
from d8.fleet.ssh_target import Target

# Type of key → the signature algorithms by which it is asked for, the likeliest first.
KEY_KINDS = {
    "ssh-ed25519": "ssh-ed25519",
    "ecdsa": "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521",
    "ssh-rsa": "rsa-sha2-512,rsa-sha2-256",
}
# The command line wins over ~/.ssh/config, which may say which key belongs to which host but none of this.
ALWAYS = (
    "GlobalKnownHostsFile=/dev/null",
    "UserKnownHostsFile=known_hosts",
    "HashKnownHosts=no",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "CheckHostIP=no",
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RequestTTY=no",
    "RemoteCommand=none",
    "LogLevel=ERROR",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
)
WITHOUT_ASKING = ("BatchMode=yes",)
WITH_ANSWER = {
    AnswerKind.PASSWORD: (
        "BatchMode=no",
        "NumberOfPasswordPrompts=1",
        "PubkeyAuthentication=no",
        "PreferredAuthentications=password,keyboard-interactive",
    ),
    AnswerKind.PASSPHRASE: ("BatchMode=no", "NumberOfPasswordPrompts=1", "PreferredAuthentications=publickey"),
}
PROBING = ("BatchMode=yes", "PreferredAuthentications=none", "StrictHostKeyChecking=accept-new")


def ssh_command(target: Target, connect_seconds: float, extra: tuple[str, ...], command: str) -> list[str | Path]:
    """Given the target, how long to wait for a connection, further options and what to run there, return the words."""
    options = [*ALWAYS, f"HostKeyAlias={target.name}", f"ConnectTimeout={math.ceil(connect_seconds)}", *extra]
    words: list[str | Path] = ["ssh", "-T", "-p", str(target.port), "-l", target.user]
    for option in options:
        words += ["-o", option]
    if target.key:
        words += ["-o", "IdentitiesOnly=yes", "-i", str(target.key).replace("%", "%%")]
    return [*words, "--", target.host, command]
