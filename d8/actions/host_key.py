"""Which host key a machine is known by: pinned before, accepted now by the operator, or refused. Never by itself."""

from __future__ import annotations

from collections.abc import Callable

from d8.errors import Cancelled, Refused
from d8.fleet.ssh import Ssh
from d8.fleet.ssh_host_keys import HostKey, PinnedKeys, Verdict, judge
from d8.fleet.ssh_options import KEY_KINDS
from d8.fleet.ssh_problems import HostKeyChanged
from d8.fleet.ssh_target import Target
from d8.messages import Message, message
from d8.settings import Settings

HostKeyQuestion = Callable[[Message], bool]


def trusted_key(
    ssh: Ssh, target: Target, settings: Settings, ask: HostKeyQuestion | None, accepted: str | None
) -> HostKey:
    """Given who can be asked and the fingerprint that the operator gave, return the key to insist on.

    A key that is pinned already is returned unseen: ssh itself compares. Raises Refused, HostKeyChanged, Cancelled.
    """
    pins = PinnedKeys(settings.data_dir)
    pinned = pins.key_of(target.name)
    if pinned is not None and accepted is None:
        return pinned
    presented = presented_keys(ssh, target, accepted)
    verdict = judge(pinned, presented, accepted)
    if verdict is Verdict.NOT_THE_ACCEPTED_ONE:
        raise Refused(
            "{host} presents the host key {found}, not {accepted}",
            "Nothing was sent. Compare with, on that machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
            host=target.name,
            found=presented[0].fingerprint,
            accepted=accepted,
        )
    key = next((one for one in presented if one.fingerprint == accepted), presented[0])
    if verdict is Verdict.ASK:
        confirm(target, key, ask)
    if verdict is not Verdict.KNOWN:
        pins.pin(target.name, key)
    return key


def presented_keys(ssh: Ssh, target: Target, accepted: str | None) -> list[HostKey]:
    """Return the key that the host presents by preference, or every one when another's fingerprint was given."""
    key = ssh.presented_key()
    if key is None:
        raise Refused("{host} shows no host key", "Is it an ssh server that listens there?", host=target.name)
    if accepted is None or key.fingerprint == accepted:
        return [key]
    others = (ssh.presented_key(kind) for kind in KEY_KINDS if not key.kind.startswith(kind))
    return [key, *(other for other in others if other is not None)]


def confirm(target: Target, key: HostKey, ask: HostKeyQuestion | None) -> None:
    """Show the fingerprint of a key that is new, and return if the operator accepts it. Raises Refused, Cancelled."""
    if ask is None:
        raise Refused(
            "the host key of {host} is not known yet: {fingerprint}",
            "Compare it with, on that machine: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub. If it is the same, "
            "add:\n--accept-host-key {fingerprint}",
            host=target.name,
            fingerprint=key.fingerprint,
        )
    if not ask(
        message(
            "First contact with {host}: its host key is {fingerprint}. Trust it?",
            host=target.name,
            fingerprint=key.fingerprint,
        )
    ):
        raise Cancelled("Nothing was done.")


def explained_change(changed: HostKeyChanged, ssh: Ssh, target: Target, settings: Settings) -> HostKeyChanged:
    """Given that ssh found another key than the pinned one, return the error with both fingerprints in it."""
    pinned = PinnedKeys(settings.data_dir).key_of(target.name)
    presented = ssh.presented_key()
    if pinned is None or presented is None:
        return changed
    return HostKeyChanged(
        "THE HOST KEY OF {host} HAS CHANGED: pinned is {pinned}, presented is {found}",
        "Somebody may stand in between, and nothing was sent. If you installed that machine anew, compare with, on it: "
        "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, and add:\n--accept-host-key {found}",
        host=target.name,
        pinned=pinned.fingerprint,
        found=presented.fingerprint,
    )
