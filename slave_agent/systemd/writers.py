"""Who, besides those who may, could change what an app runs. Pure over what lies on the way to it."""

from __future__ import annotations

from collections.abc import Sequence

from slave_agent.systemd.probe import PathPart

ROOT = 0


def foreign_writers(parts: Sequence[PathPart], user: str, user_id: int) -> list[str]:
    """Given everything on the way to a file, it last, and the app's user, return what others could change, and why.

    Nobody but root and the user may: not as the owner, not by the mode of a folder on the way, not by a group. In a
    folder on the way with the sticky bit (as /tmp) everybody changes only what is his own.
    """
    owners = {ROOT, user_id}
    found = []
    for part in parts:
        strangers = sorted(part.writers - {user, "root"})
        is_safe = part.is_sticky and part is not parts[-1]
        if part.owner not in owners:
            found.append(f"{part.path} belongs to somebody else")
        elif part.is_open and not is_safe:
            found.append(f"everybody may write to {part.path}")
        elif strangers and not is_safe:
            names = f"{', '.join(strangers[:3])}{' and others' if len(strangers) > 3 else ''}"
            found.append(f"{names} may write to {part.path}")
    return found
