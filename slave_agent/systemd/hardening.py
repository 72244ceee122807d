"""The presets of what an app may reach on its host, as settings of its unit. Pure.

Left out on purpose: MemoryDenyWriteExecute= breaks node; RemoveIPC= takes the user's other programs' memory with it;
ProtectClock= and PrivateDevices= close the pins and serial ports of a Raspberry Pi, so only `strict` has them;
ProcSubset=pid hides the processors from node.
"""

from __future__ import annotations

from slave_agent.systemd.states import AppKind, Hardening

# Never left out: whoever may register apps could become root through an app whose user has sudo rights.
_ALWAYS = (("NoNewPrivileges", "yes"),)
_ALWAYS_SYSTEM = (("CapabilityBoundingSet", ""), ("AmbientCapabilities", ""))
# What a user's manager can do by itself: filters, no mounts, no capabilities.
_FILTERS = (
    *_ALWAYS,
    ("RestrictNamespaces", "yes"),
    ("RestrictRealtime", "yes"),
    ("RestrictSUIDSGID", "yes"),
    ("LockPersonality", "yes"),
    ("SystemCallArchitectures", "native"),
    ("SystemCallErrorNumber", "EPERM"),
)
_STANDARD_CALLS = ("SystemCallFilter", "@system-service")
_STRICT_CALLS = (_STANDARD_CALLS, ("SystemCallFilter", "~@privileged @resources"))
_STANDARD_SOCKETS = ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK AF_BLUETOOTH AF_CAN")
_STRICT_SOCKETS = ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6 AF_NETLINK")
_SYSTEM = (
    *_ALWAYS_SYSTEM,
    ("PrivateTmp", "yes"),
    ("ProtectKernelTunables", "yes"),
    ("ProtectKernelModules", "yes"),
    ("ProtectKernelLogs", "yes"),
    ("ProtectControlGroups", "yes"),
    ("ProtectHostname", "yes"),
    ("KeyringMode", "private"),
)
_SYSTEM_STANDARD = (("ProtectSystem", "full"),)
_SYSTEM_STRICT = (
    ("ProtectSystem", "strict"),
    ("ProtectHome", "read-only"),
    ("ProtectClock", "yes"),
    ("ProtectProc", "invisible"),
    ("PrivateDevices", "yes"),
    ("DevicePolicy", "closed"),
)
_RUNS_ON_PYTHON = (AppKind.PYTHON, AppKind.MODULE, AppKind.FASTAPI)


def hardening_settings(preset: Hardening, kind: AppKind, is_user: bool) -> tuple[tuple[str, str], ...]:
    """Given a preset, the app's kind and the manager's scope, return names and values for [Service]."""
    if preset is Hardening.OFF:
        return _ALWAYS if is_user else (*_ALWAYS, *_ALWAYS_SYSTEM)
    is_strict = preset is Hardening.STRICT
    settings = [*_FILTERS, *(_STRICT_CALLS if is_strict else (_STANDARD_CALLS,))]
    settings.append(_STRICT_SOCKETS if is_strict else _STANDARD_SOCKETS)
    if is_strict:
        settings.append(("UMask", "0077"))
        if kind in _RUNS_ON_PYTHON:
            settings.append(("MemoryDenyWriteExecute", "yes"))
    if not is_user:
        settings += [*_SYSTEM, *(_SYSTEM_STRICT if is_strict else _SYSTEM_STANDARD)]
    return tuple(settings)


def writes_only_where_told(preset: Hardening, is_user: bool) -> bool:
    """Whether the app's own folder has to be named for it to write there."""
    return preset is Hardening.STRICT and not is_user


def has_own_tmp(preset: Hardening, is_user: bool) -> bool:
    """Whether the app gets a /tmp and /var/tmp of its own (PrivateTmp=), without what others keep there."""
    return preset is not Hardening.OFF and not is_user
