"""PURE: the kinds of hosts there are, and what each needs of its image and of nspawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from tests.lab import recipes
from tests.lab.machine_facts import MachineFacts
from tests.lab.recipes import Image


class Profile(StrEnum):
    """What a host is like when it is handed over."""

    BARE = "bare"
    ROOT_ONLY = "root-only"
    NO_SUDO = "no-sudo"
    DOCKER = "docker"
    DEBIAN13 = "debian13"
    BULLSEYE = "bullseye"
    SSH = "ssh"
    GIT = "git"
    APPS = "apps"


@dataclass(frozen=True)
class Kind:
    """One row of the table: Debian's suite, who works on it, how its users come to be, what is installed besides."""

    suite: str
    user: str
    script: str
    packages: tuple[str, ...] = ()
    runs_containers: bool = False
    has_runtimes: bool = False


_PI = f"{recipes.ADD_PI}\n{recipes.ADD_MALLORY}"
_BOB = f"{recipes.ADD_BOB}\n{recipes.ADD_MALLORY}"
_ROOT = f"{recipes.REMOVE_SUDO}\n{recipes.ADD_MALLORY}"

KINDS: dict[Profile, Kind] = {
    Profile.BARE: Kind("bookworm", "pi", _PI),
    Profile.ROOT_ONLY: Kind("bookworm", "root", _ROOT),
    Profile.NO_SUDO: Kind("bookworm", "bob", _BOB),
    Profile.DOCKER: Kind("bookworm", "pi", _PI, ("docker.io", "docker-compose"), runs_containers=True),
    Profile.DEBIAN13: Kind("trixie", "pi", _PI),
    Profile.BULLSEYE: Kind("bullseye", "pi", _PI),
    Profile.SSH: Kind("bookworm", "pi", _PI, ("openssh-server",)),
    Profile.GIT: Kind("bookworm", "pi", _PI, ("git",)),
    Profile.APPS: Kind("bookworm", "pi", _PI, has_runtimes=True),
}

_USERS_LAYER = {_PI: "pi", _BOB: "bob", _ROOT: "root-only"}


@dataclass(frozen=True)
class HostOptions:
    """What a test asks for besides the profile. `linger`: with polkit and user sessions, as a full Debian has them.
    `runtimes`: with what apps need, as in the profile apps.
    """

    packages: tuple[str, ...] = ()
    cron: bool = False
    linger: bool = False
    password: str | None = field(default=None, repr=False)
    authorized_key: str | None = None
    runtimes: bool = False


def packages_for(profile: Profile, options: HostOptions) -> tuple[str, ...]:
    """Return what is installed on top of the profile's users."""
    packages = [*KINDS[profile].packages, *options.packages]
    if options.cron:
        packages.append("cron")
    if options.linger:
        polkit = "policykit-1" if KINDS[profile].suite == "bullseye" else "polkitd"
        packages += ["libpam-systemd", "dbus-user-session", polkit]
    return tuple(packages)


def image_for(profile: Profile, options: HostOptions, facts: MachineFacts) -> Image:
    """Return the recipe of the profile's image, with the options' packages."""
    kind = KINDS[profile]
    users = Image(
        name=f"{kind.suite}-{_USERS_LAYER[kind.script]}",
        suite=kind.suite,
        parent=recipes.networked(kind.suite, facts),
        script=kind.script,
    )
    image = recipes.with_packages(users, packages_for(profile, options))
    return recipes.with_runtimes(image) if kind.has_runtimes or options.runtimes else image


def parse_profile(name: str) -> Profile:
    """Given a profile's name, return it. Raises ValueError that lists the names."""
    try:
        return Profile(name)
    except ValueError:
        raise ValueError(f"no profile {name!r}; there are: {', '.join(Profile)}") from None
