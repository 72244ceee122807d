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
    try:
        client.replace_rescue(rescue_order(ReleaseSigner(workplace.settings.data_dir / "pki"), token, known))
    except ProblemAnswer as error:  # an agent of an earlier version, or a slave that has no bootstrap
        return error.message
    registry.take_token(slave.slave_id, CredentialKind.RESCUE)
    return NOTHING
