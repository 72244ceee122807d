"""Whether the unit that systemd has read is as D8 wrote it. Looks at the file itself: units are no secret."""

from __future__ import annotations

from pathlib import Path

from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.service_generator import is_ours, is_untouched
from slave_agent.systemd.unit_files import UnitFileState


def unit_file_state(status: ServiceStatus) -> UnitFileState | None:
    """Given systemd's word on a unit, return how its file is; None where that can't be seen from here.

    A container does not see the host's units: a file that is not there counts as missing only if systemd, too, says
    that it is not as it was read.
    """
    if status.fragment_path is None:
        return None
    try:
        text = Path(status.fragment_path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return UnitFileState.MISSING if status.needs_reload else None
    except OSError:
        return None
    if not is_ours(text):
        return UnitFileState.FOREIGN
    return UnitFileState.UNTOUCHED if is_untouched(text) else UnitFileState.EDITED
