"""What hosts have to know about this machine to reach the network from inside: mirrors, certificates, names.

Read from the running machine each time; nothing of it is ever written into the checkout.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import machine

CERTIFICATES = Path("/usr/local/share/ca-certificates")
APT = Path("/etc/apt")
APT_SETTINGS = ("Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::http::Proxy", "Acquire::https::Proxy")
STUB_RESOLVERS = ("127.0.0.53", "127.0.0.54")


@dataclass(frozen=True)
class AptSource:
    """One line's worth of the machine's package sources."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


@dataclass(frozen=True)
class MachineFacts:
    """Everything that is copied into an image. A mirror that is None means debootstrap's own default."""

    mirror: str | None
    security_mirror: str | None
    certificates: tuple[tuple[str, str], ...]
    apt_settings: tuple[str, ...]


def parse_sources(text: str) -> list[AptSource]:
    """Given a sources file in either of apt's two formats, return its binary sources."""
    return _one_line_sources(text) + _stanza_sources(text)


def _one_line_sources(text: str) -> list[AptSource]:
    found = []
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[[^\]]*\]\s*)?(\S+)\s+(\S+)\s+(.+)$", line.strip())
        if match:
            found.append(AptSource(match.group(1), (match.group(2),), tuple(match.group(3).split())))
    return found


def _stanza_sources(text: str) -> list[AptSource]:
    found = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = {
            name.lower(): value.split()
            for name, separator, value in (line.partition(":") for line in stanza.splitlines())
            if separator and not name.startswith(("#", " "))
        }
        if "deb" in fields.get("types", []):
            found += [
                AptSource(uri, tuple(fields.get("suites", [])), tuple(fields.get("components", [])))
                for uri in fields.get("uris", [])
            ]
    return found


def choose_mirrors(sources: Iterable[AptSource], codename: str) -> tuple[str | None, str | None]:
    """Given the machine's sources and its Debian's name, return the mirror and the security mirror (None: unknown)."""
    mirror = security = None
    for source in sources:
        if "main" not in source.components:
            continue
        if codename in source.suites and mirror is None:
            mirror = source.uri
        if f"{codename}-security" in source.suites and security is None:
            security = source.uri
    return mirror, security


def choose_resolv_conf(resolv_conf: str, has_uplink: bool) -> str:
    """Return nspawn's --resolv-conf word: the machine's own file, unless only the machine can reach its resolver."""
    is_stub = any(f"nameserver {address}" in resolv_conf for address in STUB_RESOLVERS)
    return "copy-uplink" if is_stub and has_uplink else "copy-host"


# --- asking ----------------------------------------------------------------------------------------------------------


def os_release() -> dict[str, str]:
    """Return the machine's /etc/os-release as a table, empty where there is none."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except FileNotFoundError:
        return {}
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def gather() -> MachineFacts:
    """Ask the machine."""
    release = os_release()
    sources = [s for file in _sources_files() for s in parse_sources(file.read_text())]
    codename = release.get("VERSION_CODENAME", "") if release.get("ID") == "debian" else ""
    mirror, security = choose_mirrors(sources, codename)
    return MachineFacts(
        mirror=mirror,
        security_mirror=security,
        certificates=tuple((path.name, path.read_text()) for path in sorted(CERTIFICATES.glob("*.crt"))),
        apt_settings=_apt_settings(),
    )


def resolv_conf_mode() -> str:
    """Ask the machine which resolv.conf its hosts should have."""
    return choose_resolv_conf(Path("/etc/resolv.conf").read_text(), Path("/run/systemd/resolve/resolv.conf").exists())


def _sources_files() -> list[Path]:
    folder = APT / "sources.list.d"
    files = [APT / "sources.list", *sorted(folder.glob("*.sources")), *sorted(folder.glob("*.list"))]
    return [file for file in files if file.is_file()]


def _apt_settings() -> tuple[str, ...]:
    dump = machine.run(["apt-config", "dump", *APT_SETTINGS], check=False).stdout
    return tuple(line for line in dump.splitlines() if line.startswith(APT_SETTINGS) and '"";' not in line)
