"""The order that gives a slave's bootstrap another token: signed, so that the agent which passes it on can't make one.

The form is read by slave_agent/activation/rescue.py.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from itertools import islice

from d8.fleet.release_signing import ReleaseSigner
from d8.fleet.trust import token_hash
from d8.models import Credential

PURPOSE = "d8-rescue-1"
NAMED_AT_MOST = 100  # tokens that the new one may replace; builds that failed have left some that no slave ever had


def rescue_order(signer: ReleaseSigner, token: str, known: Iterable[Credential]) -> str:
    """Given the new token and the credentials of the slave's bootstrap, newest first, return the signed order."""
    tokens = (one for credential in known for one in (credential.token, credential.next_token))
    former = (one for one in tokens if one is not None and one != token)
    replaces = [token_hash(one) for one in islice(former, NAMED_AT_MOST)]
    text = json.dumps({"purpose": PURPOSE, "token_sha256": token_hash(token), "replaces": replaces})
    head = json.dumps({"order": text, "signature": signer.sign(text)})
    return base64.urlsafe_b64encode(head.encode()).decode()
