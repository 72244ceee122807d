"""What the doctor says of trust: has the authority signed what slaves were given, what is owed, what ends soon."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from d8.actions.catch_up import is_due
from d8.actions.checks import Check, CheckState
from d8.actions.workplace import Workplace
from d8.fleet.trust import FleetAuthority, fingerprint
from d8.messages import Message, message
from d8.models import Credential, CredentialKind, PendingKind, PendingTrust

WHAT_IS_OWED = {
    PendingKind.ROTATE: message("new credentials"),
    PendingKind.REVOKE: message("the end of its tokens"),
    PendingKind.REMOVE: message("its removal"),
}


def check_trust(workplace: Workplace, now: datetime) -> list[Check]:
    """Given the moment, return the checks. Where there is no registry yet there is nothing to check."""
    if not (workplace.settings.data_dir / "d8.db").exists():
        return []
    registry = workplace.registry
    authority = FleetAuthority(workplace.settings.data_dir / "pki")
    present = fingerprint(authority.certificate) if authority.expires is not None else None
    credentials = [
        credential
        for slave in registry.slaves()
        for credential in registry.credentials(CredentialKind.AGENT, slave.slave_id)[:1]
    ]
    return [
        check_signers(present, credentials),
        check_certificates(credentials, now),
        check_owed(registry.pending.all()),
    ]


def check_signers(present: str | None, credentials: Iterable[Credential]) -> Check:
    """Given the fingerprint of the fleet's CA (None: it is not there) and the slaves' credentials, see that the one
    signed the others. Pure.
    """
    name = message("Fleet CA of the slaves")
    strange = [one for one in credentials if one.authority is not None and one.authority != present]
    if not strange:
        return Check(name, CheckState.OK, message("the one that is there"))
    slaves = _names(strange)
    outcome = (
        message("it is lost; {slaves} have certificates of it", slaves=slaves)
        if present is None
        else message("{slaves} have certificates of another one", slaves=slaves)
    )
    fix = message("Put pki/ back from a backup; or give each slave a new certificate: start_d8.py trust --all rotate")
    return Check(name, CheckState.FAILED, outcome, fix)


def check_certificates(credentials: Iterable[Credential], now: datetime) -> Check:
    """Given the slaves' credentials and the moment, see that each is valid for long; status renews them. Pure."""
    name = message("Certificates of slaves")
    due = [one for one in credentials if is_due(one, now)]
    if not due:
        return Check(name, CheckState.OK, message("none ends within 60 days"))
    outcome = message("they end soon, or are not valid yet: {slaves}", slaves=_names(due))
    fix = message("They are renewed when the slaves answer; to see why not: start_d8.py trust --retry")
    return Check(name, CheckState.WARNING, outcome, fix)


def check_owed(pending: Iterable[PendingTrust]) -> Check:
    """Given what is owed to slaves, say it. Pure."""
    name = message("Owed to slaves")
    waiting = list(pending)
    if not waiting:
        return Check(name, CheckState.OK, message("nothing"))
    slaves = ", ".join(f"{one.slave.slave_id} ({one.kind})" for one in waiting)
    fix = message("It is tried again at each fleet status. Now: start_d8.py trust --retry")
    return Check(name, CheckState.WARNING, message("{slaves}", slaves=slaves), fix)


def owed_line(pending: PendingTrust) -> Message:
    """Given something owed, return the line that says it. Pure."""
    return message(
        "{slave} is owed {what} since {day}, tried {tries} times: {reason}",
        slave=pending.slave.slave_id,
        what=WHAT_IS_OWED[pending.kind],
        day=f"{pending.since:%Y-%m-%d %H:%M}",
        tries=pending.tries,
        reason=pending.reason or "-",
    )


def _names(credentials: Iterable[Credential]) -> str:
    return ", ".join(sorted({one.slave_id or "-" for one in credentials}))
