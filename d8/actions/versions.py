"""After the fleet was asked: a person hears once that slaves run other releases, and the request closes by itself."""

from __future__ import annotations

from collections.abc import Sequence

from d8.actions.status import SlaveState, SlaveStatus
from d8.actions.workplace import Workplace
from d8.models import HumanRequest

SILENT = (SlaveState.UNREACHABLE, SlaveState.REFUSED, SlaveState.UNKNOWN)


def note_versions(workplace: Workplace, statuses: Sequence[SlaveStatus], commit: str | None) -> HumanRequest | None:
    """Given what the slaves said and the master's commit (None: unknown), return the request that this has opened."""
    if commit is None:
        return None
    from d8.congress.congress import congress_of
    from d8.congress.versions import Behind, watch_versions

    behind = [
        Behind(one.slave.slave_id, one.commit or one.slave.commit, one.state is SlaveState.OTHER_COMMIT)
        for one in statuses
        if one.state is SlaveState.OTHER_COMMIT or (one.state in SILENT and one.slave.commit != commit)
    ]
    return watch_versions(congress_of(workplace.settings, workplace.registry), behind, commit)
