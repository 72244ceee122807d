"""The verb `rescue`: the bootstrap that stands by gets another token, if the fleet has signed that.

The agent passes the order on and learns but the hash: whoever took the agent can neither choose the token nor bring an
old one back, for an order names the token that it replaces.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slave_agent.activation.context import Activation, owner_of
from slave_agent.activation.errors import ActivationError
from slave_agent.activation.files import acting_as, read_json, write_json
from slave_agent.activation.incoming import fleet_key
from slave_agent.activation.settings import SHA256
from slave_agent.activation.signatures import is_signed
from slave_agent.activation.states import CredentialKind, Scope

PURPOSE = "d8-rescue-1"  # signed with the rest, so that no other signature of the fleet can pass for it
LONGEST_ORDER = 60 * 1024
STAGED_NAME = "rescue.json"
ADVICE = "Nothing was changed. Only the master that built this slave can give its bootstrap another token."


@dataclass(frozen=True)
class Order:
    """The hash of the new token, and those of the tokens that it may take the place of."""

    token_sha256: str
    replaces: frozenset[str]


def replace_rescue_token(activation: Activation, order: str) -> dict[str, Any]:
    """Given a signed order, let the bootstrap take the new token instead of its own. Repeating it is fine.

    Raises ActivationError: not signed, about another token, or there is no bootstrap that stands by.
    """
    record, layout = activation.store.load(), activation.layout
    if record.bootstrap_user is None or record.bootstrap_credential is not CredentialKind.RESCUE:
        raise ActivationError("No bootstrap with a token of its own stands by on this slave.", "Build it first.")
    wanted = read_order(order, fleet_key(layout))
    owner = owner_of(record.bootstrap_user) if layout.scope is Scope.SYSTEM else None
    with activation.store.finishing(), acting_as(owner):
        if not _change(layout.bootstrap_config, wanted):
            raise ActivationError("The order is about another token than this bootstrap's.", "Build this slave again.")
        _change(layout.bootstrap_folder / STAGED_NAME, wanted)  # what a build that failed has left to be adopted
    return {"replaced": True}


def read_order(order: str, key: str) -> Order:
    """Given an order and the fleet's public key, return what was signed. Raises ActivationError for anything else."""
    try:
        head = json.loads(base64.b64decode(order[:LONGEST_ORDER], altchars=b"-_", validate=True))
        text, signature = head["order"], head["signature"]
        is_ours = isinstance(text, str) and isinstance(signature, str) and is_signed(key, text.encode(), signature)
        values = json.loads(text) if is_ours else {}
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise ActivationError("This is not an order of the fleet.", ADVICE) from None
    if not is_ours or not isinstance(values, dict) or values.get("purpose") != PURPOSE:
        raise ActivationError("The order is not signed by this slave's fleet.", ADVICE)
    hashes = [values.get("token_sha256"), *(values.get("replaces") or ())]
    if not all(isinstance(one, str) and SHA256.match(one) for one in hashes):
        raise ActivationError("The order can't be used: it must name tokens by their SHA-256.", ADVICE)
    return Order(hashes[0], frozenset(hashes[1:]))


def _change(config: Path, order: Order) -> bool:
    """Whether that configuration has the new token now, in one rename."""
    try:
        values = read_json(config)
    except FileNotFoundError:
        return False
    known = values.get("token_sha256")
    if known in order.replaces:
        write_json(config, {**values, "token_sha256": order.token_sha256}, 0o600)
        return True
    return bool(known == order.token_sha256)
