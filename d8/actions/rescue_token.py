"""Replaces the token of the bootstrap that stands by on a slave: it answers during a build, and once the agent can't.

Its certificate stays, for the key of it must never pass through the agent.
"""

from __future__ import annotations

from d8.actions.workplace import Workplace
from d8.fleet.agent_client import ProblemAnswer, SlaveClient
from d8.fleet.release_signing import ReleaseSigner
from d8.fleet.rescue_order import rescue_order
from d8.fleet.trust import new_token
from d8.messages import NOTHING, Message
from d8.models import CredentialKind, Slave


def renew_rescue_token(workplace: Workplace, client: SlaveClient, slave: Slave) -> Message:
    """Given a client of the slave's agent, give its bootstrap a new token; return why that can't be, or NOTHING.

    Killed anywhere, the master knows the token that the bootstrap takes. Raises SlaveUnreachable or Refused.
    """
    registry = workplace.registry
    known = registry.credentials(CredentialKind.RESCUE, slave.slave_id)
    token = next((one.next_token for one in known if one.next_token), None) or new_token()
    registry.offer_token(slave.slave_id, CredentialKind.RESCUE, token)
    problem = _send(workplace, client, slave, token)
    if not problem:
        registry.take_token(slave.slave_id, CredentialKind.RESCUE)
    return problem


def end_rescue_token(workplace: Workplace, client: SlaveClient, slave: Slave) -> Message:
    """Given a client of the slave's agent, let nobody into its bootstrap any more; else like renew_rescue_token."""
    problem = _send(workplace, client, slave, new_token())  # which nobody keeps
    if not problem:
        workplace.registry.drop_credentials(slave.slave_id, CredentialKind.RESCUE, kept="")
    return problem


def _send(workplace: Workplace, client: SlaveClient, slave: Slave, token: str) -> Message:
    signer = ReleaseSigner(workplace.settings.data_dir / "pki")
    known = workplace.registry.credentials(CredentialKind.RESCUE, slave.slave_id)
    try:
        client.replace_rescue(rescue_order(signer, token, known))
    except ProblemAnswer as error:  # an agent of an earlier version, or a slave that has no bootstrap
        return error.message
    return NOTHING
