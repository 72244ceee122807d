"""Whether the unit that systemd has read is as D8 wrote it. Looks at the file itself: units are no secret."""

from __future__ import annotations

from pathlib import Path

from slave_agent.systemd.parser import ServiceStatus
from slave_agent.systemd.service_generator import is_untouched
from slave_agent.systemd.unit_files import UnitFileState


def unit_file_state(status: ServiceStatus) -> UnitFileState | None:
    """Given systemd's word on a unit, return how its file is; None where that can't be seen from here (a container
    does not see the host's units).
    """
    if status.fragment_path is None:
        return None
    path = Path(status.fragment_path)
    if not path.parent.is_dir():
        return None
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return UnitFileState.MISSING
    except OSError:
        return None
    return UnitFileState.UNTOUCHED if is_untouched(text) else UnitFileState.EDITED
