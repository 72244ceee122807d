"""PURE: what a change makes of an app, and what differs between two versions of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from slave_agent.models import JsonObject

ENVIRONMENT = "environment"


@dataclass(frozen=True)
class Change:
    """One field, before and after. Of the environment only names are known and told."""

    field: str
    before: Any
    after: Any

    def as_json(self) -> JsonObject:
        """Return the change as the client gets it."""
        return {"field": self.field, "before": self.before, "after": self.after}


def merged(document: Mapping[str, Any], patch: Mapping[str, Any]) -> JsonObject:
    """Given an app's document and the fields to change, return the new document. null takes a field back to its
    default; the environment in it is the patch itself, for whoever keeps the values.
    """
    result = {name: value for name, value in document.items() if name not in patch}
    result |= {name: value for name, value in patch.items() if value is not None}
    return result


def environment_after(names: Sequence[str], patch: Mapping[str, Any]) -> tuple[str, ...]:
    """Given the names of an environment and the patch of it (null deletes), return the names afterwards, sorted."""
    removed = {name for name, value in patch.items() if value is None}
    return tuple(sorted((set(names) | set(patch)) - removed))


def changes(
    before: Mapping[str, Any], after: Mapping[str, Any], names: Sequence[str], environment_patch: Mapping[str, Any]
) -> list[Change]:
    """Given two complete documents, the names of the environment before and its patch, return what differs.

    A value of the environment that was sent counts as changed: the former one is not known here.
    """
    fields = [name for name in after if name != ENVIRONMENT]
    found = [Change(name, before.get(name), after[name]) for name in fields if before.get(name) != after[name]]
    for name in sorted(environment_patch):
        is_there, stays = name in names, environment_patch[name] is not None
        if is_there or stays:
            found.append(Change(f"{ENVIRONMENT}.{name}", "set" if is_there else None, "set" if stays else None))
    return found


def presentable(document: Mapping[str, Any], wrong_fields: Set[str]) -> JsonObject | None:
    """Given a document and its fields that are wrong in themselves, return what of it the host can still be asked
    about, or None where nothing is left to ask.
    """
    if wrong_fields & {"kind", "script", "user", "working_dir"}:
        return None
    left = {name: value for name, value in document.items() if name not in wrong_fields}
    return left if "name" in left else left | {"name": "unnamed"}
