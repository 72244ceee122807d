"""Option 9: looks at this master and says what is wrong and how to mend it. Changes nothing here; what is owed to
slaves is tried again.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from d8.actions.advice import settings_warnings
from d8.actions.catch_up import catch_up
from d8.actions.checks import Check, CheckState
from d8.actions.master_address import detect, is_own
from d8.actions.trust_checks import check_trust
from d8.actions.unexpected import unexpected
from d8.actions.workplace import Workplace
from d8.errors import D8Error
from d8.fleet.trust import FleetAuthority
from d8.messages import message
from d8.settings import Settings
from d8.source import master_commit

OK, WARNING, FAILED = CheckState.OK, CheckState.WARNING, CheckState.FAILED
ENOUGH_FREE_BYTES = 500 * 1024 * 1024
AUTHORITY_ENDS_SOON = timedelta(days=180)
CLOCK_TOLERANCE = timedelta(days=1)
PROGRAMS = ("git", "curl", "ssh", "scp")


def examine_all(workplace: Workplace, now: datetime | None = None) -> list[Check]:
    """Given settings and registry, try again what is owed to slaves, then return every check, of trust too."""
    moment = now or datetime.now(UTC)
    return [*examine(workplace.settings, moment), *_checks_of_trust(workplace, moment)]


def _checks_of_trust(workplace: Workplace, now: datetime) -> list[Check]:
    """Whatever is wrong with the registry is a finding, not the doctor's end."""
    if not (workplace.settings.data_dir / "d8.db").exists():
        return []
    try:
        catch_up(workplace, now)
        return check_trust(workplace, now)
    except D8Error as error:
        return [Check(message("Registry"), FAILED, error.message, error.hint)]
    except Exception as error:
        fix = message("Put d8.db back from a backup; or move it away and build every slave again.")
        return [Check(message("Registry"), FAILED, unexpected(error), fix)]


def examine(settings: Settings, now: datetime | None = None) -> list[Check]:
    """Given the settings, return every check of this master, in the order in which they matter."""
    moment = now or datetime.now(UTC)
    checks: list[Callable[[], Iterable[Check]]] = [
        lambda: [check_python()],
        lambda: [check_commit()],
        lambda: check_settings(settings),
        lambda: [check_data_folder(settings.data_dir)],
        lambda: [check_modes(settings)],
        lambda: [check_disk(settings.data_dir)],
        lambda: [check_clock(moment, _newest_known_moment(settings))],
        lambda: [check_authority(FleetAuthority(settings.data_dir / "pki"), moment)],
        lambda: [check_address(settings.master_address)],
        lambda: [check_programs(shutil.which)],
    ]
    return [check for group in checks for check in group()]


def check_python() -> Check:
    """The Python that runs D8; start_d8.py has refused older ones already."""
    return Check(message("Python"), OK, message("{version}", version=platform.python_version()))


def check_commit() -> Check:
    """The commit that slaves get."""
    name = message("Commit")
    try:
        commit = master_commit()
    except D8Error as error:
        return Check(name, FAILED, error.message, error.hint)
    if commit.is_dirty:
        return Check(
            name,
            WARNING,
            message("{commit}, with changes that are not committed", commit=commit.short),
            message("Slaves get the commit, not the changes: commit them first."),
        )
    where = commit.branch or "-"
    return Check(name, OK, message("{commit} on {branch}", commit=commit.short, branch=where))


def check_settings(settings: Settings) -> list[Check]:
    """Settings that work but deserve a thought."""
    warnings = settings_warnings(settings)
    if not warnings:
        if settings.env_file.exists():
            return [Check(message("Settings"), OK, message("read from {path}", path=settings.env_file))]
        return [Check(message("Settings"), OK, message("the defaults: there is no {path}", path=settings.env_file))]
    fix = message("Change it in {path}.", path=settings.env_file)
    return [Check(message("Settings"), WARNING, warning, fix) for warning in warnings]


def check_data_folder(folder: Path) -> Check:
    """The data folder, or where it will be made, must be writable."""
    name = message("Data folder")
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return Check(name, OK, message("{path} is writable", path=folder))
    return Check(
        name,
        FAILED,
        message("{path} is not writable", path=existing),
        message(
            "Make it yours: sudo install -d -m 700 -o $USER {path} — or set D8_DATA_DIR.", path=shlex.quote(str(folder))
        ),
    )


def check_modes(settings: Settings) -> Check:
    """What holds secrets must be closed to other users."""
    name = message("File modes")
    open_paths = [path for path in _secret_paths(settings) if path.exists() and path.stat().st_mode & 0o077]
    if not open_paths:
        return Check(name, OK, message("secrets are readable by you alone"))
    return Check(
        name,
        FAILED,
        message("other users can reach {paths}", paths=", ".join(map(str, open_paths))),
        message("Close them: chmod go-rwx {paths}", paths=shlex.join(map(str, open_paths))),
    )


def check_disk(folder: Path) -> Check:
    """Room for logs, the registry and the packages that the master keeps for slaves."""
    name = message("Free disk")
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    outcome = message("{free} MB", free=free // 1024**2)
    if free >= ENOUGH_FREE_BYTES:
        return Check(name, OK, outcome)
    return Check(name, WARNING, outcome, message("Make room: logs and packages for slaves need about 500 MB."))


def check_clock(now: datetime, newest_known: datetime | None) -> Check:
    """A clock that is behind what was written already makes certificates that nobody accepts."""
    name = message("Clock")
    if newest_known and now + CLOCK_TOLERANCE < newest_known:
        return Check(
            name,
            FAILED,
            message("{now} UTC is earlier than files that exist already", now=f"{now:%Y-%m-%d %H:%M}"),
            message("Set the clock: sudo timedatectl set-ntp true"),
        )
    return Check(name, OK, message("{now} UTC", now=f"{now:%Y-%m-%d %H:%M}"))


def check_authority(authority: FleetAuthority, now: datetime) -> Check:
    """The fleet's certificate authority, which is made at its first use."""
    name, expires = message("Fleet CA"), authority.expires
    if authority.has_lost_its_key:
        fix = message("Put pki/ in the data folder back from a backup: without it no slave can be built or renewed.")
        return Check(name, FAILED, message("its certificate is there, but not its key"), fix)
    if expires is None:
        return Check(name, OK, message("made with the first slave"))
    outcome = message("valid until {day}", day=f"{expires:%Y-%m-%d}")
    if expires - now > AUTHORITY_ENDS_SOON:
        return Check(name, OK, outcome)
    state = FAILED if expires <= now else WARNING
    return Check(name, state, outcome, message("Move pki/ in the data folder away and build every slave again."))


def check_address(setting: str | None) -> Check:
    """The address that installers carry must be this machine's."""
    name = message("Master's address")
    address = setting or detect()
    if address is None:
        return Check(
            name,
            FAILED,
            message("this machine has no network address"),
            message("Connect it to the network, or set D8_MASTER_ADDRESS."),
        )
    if address.startswith("127.") or address in ("::1", "localhost"):
        return Check(
            name,
            WARNING,
            message("{address} is reachable from this machine alone", address=address),
            message("Set D8_MASTER_ADDRESS to the address that slaves see."),
        )
    if not is_own(address):
        return Check(
            name,
            WARNING,
            message("{address} belongs to no interface of this machine", address=address),
            message("Right behind a router or NAT; otherwise correct D8_MASTER_ADDRESS."),
        )
    source = (
        message("{address} (set)", address=address) if setting else message("{address} (detected)", address=address)
    )
    return Check(name, OK, source)


def check_programs(which: Callable[[str], str | None]) -> Check:
    """Programs that D8, or the lines it prints, use."""
    name = message("Programs")
    missing = [program for program in PROGRAMS if not which(program)]
    if not missing:
        return Check(name, OK, message("{programs} are there", programs=", ".join(PROGRAMS)))
    return Check(
        name,
        FAILED if "git" in missing else WARNING,
        message("missing: {programs}", programs=", ".join(missing)),
        message("Install them, on Debian: sudo apt install git curl openssh-client"),
    )


def _secret_paths(settings: Settings) -> list[Path]:
    data = settings.data_dir
    return [
        settings.env_file,
        data,
        data / "d8.db",
        data / "build_logs",
        data / "pki",
        *sorted((data / "pki").glob("*")),
        *sorted(settings.installer_dir.glob("install_slave_*")),
    ]


def _newest_known_moment(settings: Settings) -> datetime | None:
    """The newest change among files that only this master writes."""
    times = [path.stat().st_mtime for path in _secret_paths(settings) if path.exists()]
    return datetime.fromtimestamp(max(times), UTC) if times else None
